// The stage that both pages share: sky, ground, sun, a camera that follows, and characters read from GLB.
// The world is glTF's here: y up, z forward, metres.
import {
  AnimationMixer, Color, DirectionalLight, Fog, Group, HemisphereLight, LoopOnce, Mesh, MeshBasicMaterial,
  MeshStandardMaterial, PCFShadowMap, PerspectiveCamera, PlaneGeometry, Scene, ShaderMaterial, SphereGeometry,
  Vector3, WebGLRenderer, GLTFLoader, OrbitControls, clone,
} from "three";

const HORIZON = new Color(0xe9eff4);
const ZENITH = new Color(0x9dbfe3);
const GROUND = new Color(0xbcc5cd);
const GHOST = new Color(0x4d9eff);
const FOLLOW_S = 0.3; // how slowly the camera takes to a new speed

export class Stage {
  constructor(canvas) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true });
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.scene = new Scene();
    this.scene.background = HORIZON;
    this.scene.fog = new Fog(HORIZON, 7, 24);
    this.camera = new PerspectiveCamera(36, 1, 0.05, 120);
    this.controls = new OrbitControls(this.camera, canvas);
    Object.assign(this.controls, {
      enableDamping: true, dampingFactor: 0.08, enablePan: false,
      minDistance: 1.2, maxDistance: 14, maxPolarAngle: 1.53, // never from below the ground
    });
    this.velocity = new Vector3();
    Object.assign(this, { ratio: Math.min(devicePixelRatio, 2), since: 0, pictures: 0 });
    this.#light();
    this.#ground();
    this.#sky();
    this.resize();
    addEventListener("resize", () => this.resize());
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    this.renderer.setPixelRatio(this.ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / Math.max(1, height);
    this.camera.fov = this.camera.aspect < 1 ? 52 : 36; // a phone held upright sees as much from side to side
    this.camera.updateProjectionMatrix();
  }

  /** Look at `at` from `azimuth` [rad about the vertical, 0 is the front] at `distance` [m]. */
  look(at, azimuth, distance, elevation = 0.2) {
    const { target } = this.controls;
    target.copy(at);
    const flat = Math.cos(elevation) * distance;
    const arm = new Vector3(flat * Math.sin(azimuth), distance * Math.sin(elevation), flat * Math.cos(azimuth));
    this.camera.position.copy(target).add(arm);
    this.controls.update();
    this.#centre(target);
  }

  /** Move camera, sun and ground along with a point; dt [s] since the last time, a second or more: at once. */
  follow(point, dt) {
    const { target } = this.controls;
    const way = new Vector3(point.x - target.x, 0, point.z - target.z);
    const keep = dt < 1 && way.length() < 6 ? Math.exp(-dt / FOLLOW_S) : 0; // farther is a restart
    // a filter that knows speed too, so that it does not lag behind a canter (critically damped alpha-beta)
    const step = this.velocity.clone().multiplyScalar(keep && dt);
    const missed = way.sub(step);
    this.velocity.addScaledVector(missed, (1 - keep) ** 2 / Math.max(dt, 1e-3)).multiplyScalar(keep ? 1 : 0);
    step.addScaledVector(missed, 1 - keep ** 2);
    target.add(step);
    this.camera.position.add(step);
    this.#centre(target);
  }

  /**
   * The first shot of a character that starts at `at` and goes along `way`: from the side of the way, or from the
   * front where it stays. Returns where its ghost stands beside it.
   */
  frameShot(at, way) {
    const moves = Math.hypot(way.x, way.z) > 0.5;
    const azimuth = moves ? Math.atan2(way.x, way.z) + 1.05 : 0.6;
    this.look(new Vector3(at.x, 0.85 * at.y, at.z), azimuth, 2.4 + 3.1 * at.y);
    const right = new Vector3(Math.cos(azimuth), 0, -Math.sin(azimuth));
    const away = new Vector3(-Math.sin(azimuth), 0, -Math.cos(azimuth));
    return right.multiplyScalar(1.05).addScaledVector(away, 0.75);
  }

  /** The speed buttons: `choose` is told which. */
  chips(choose) {
    const buttons = document.querySelectorAll("[data-speed]");
    for (const button of buttons) {
      button.onclick = () => {
        choose(Number(button.dataset.speed));
        for (const each of buttons) each.ariaPressed = String(each === button);
      };
    }
  }

  draw() {
    this.controls.update();
    this.renderer.render(this.scene, this.camera);
    this.#spare(performance.now());
  }

  /** Where pictures come slowly, a screen of many small pixels gets fewer of its own. */
  #spare(now) {
    this.pictures += 1;
    if (now - this.since < 2000) return;
    const slow = this.since && this.pictures < 50 && this.ratio > 1;
    [this.since, this.pictures] = [now, 0];
    if (!slow) return;
    this.ratio = Math.max(1, this.ratio * 0.75);
    this.resize();
  }

  #centre(at) {
    this.sun.target.position.set(at.x, 0, at.z);
    this.sun.position.set(at.x + 2.2, 6, at.z + 2.6);
    this.ground.position.set(at.x, 0, at.z);
    this.sky.position.set(at.x, 0, at.z);
  }

  #light() {
    this.scene.add(new HemisphereLight(0xffffff, 0xc4cad1, 2.3));
    this.sun = new DirectionalLight(0xfff4e2, 2.4);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.radius = 6;
    this.sun.shadow.bias = -0.0004;
    this.sun.shadow.normalBias = 0.02;
    const view = this.sun.shadow.camera;
    [view.left, view.right, view.bottom, view.top, view.near, view.far] = [-3.2, 3.2, -3.2, 3.2, 1, 14];
    this.scene.add(this.sun, this.sun.target);
  }

  #ground() {
    const material = new MeshStandardMaterial({ color: GROUND, roughness: 0.95 });
    material.onBeforeCompile = (shader) => {
      shader.vertexShader = shader.vertexShader
        .replace("#include <common>", "#include <common>\nvarying vec3 floorAt;")
        .replace("#include <begin_vertex>", `#include <begin_vertex>
          floorAt = (modelMatrix * vec4(position, 1.0)).xyz;`);
      shader.fragmentShader = shader.fragmentShader
        .replace("#include <common>", `#include <common>
          varying vec3 floorAt;
          float rule(vec2 at, float cell, float width) { // a line between cells, as wide as a pixel at least
            vec2 x = at / cell, w = fwidth(x);
            vec2 d = abs(fract(x - 0.5) - 0.5);
            vec2 line = (1.0 - smoothstep(vec2(width), vec2(width) + w, d)) * min(vec2(1.0), width / w * 2.0);
            return max(line.x, line.y);
          }`)
        .replace("#include <color_fragment>", `#include <color_fragment>
          float checker = mod(floor(floorAt.x) + floor(floorAt.z), 2.0);
          diffuseColor.rgb *= 1.0 - 0.035 * checker;
          diffuseColor.rgb = mix(diffuseColor.rgb, vec3(1.0), 0.55 * rule(floorAt.xz, 1.0, 0.0035));`);
    };
    this.ground = new Mesh(new PlaneGeometry(60, 60), material);
    this.ground.rotation.x = -Math.PI / 2;
    this.ground.receiveShadow = true;
    this.scene.add(this.ground);
  }

  #sky() {
    const material = new ShaderMaterial({
      side: 1, depthWrite: false, fog: false,
      uniforms: { low: { value: HORIZON }, high: { value: ZENITH } },
      vertexShader: "varying float up; void main() { up = normalize(position).y;" +
        " gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0); }",
      fragmentShader: "varying float up; uniform vec3 low, high; void main() {" +
        " gl_FragColor = vec4(mix(low, high, smoothstep(0.0, 0.55, up)), 1.0);\n#include <colorspace_fragment>\n}",
    });
    this.sky = new Mesh(new SphereGeometry(60, 24, 12), material);
    this.sky.renderOrder = -1;
    this.scene.add(this.sky);
  }
}

/** A character from the bytes of a GLB, and as many ghosts of it as wanted. */
export class Figure {
  static async load(bytes) {
    const gltf = await new GLTFLoader().parseAsync(bytes, "");
    return new Figure(gltf.scene, gltf.animations, false);
  }

  constructor(scene, animations, isGhost) {
    this.group = new Group();
    this.group.add(scene);
    this.scene = scene;
    this.animations = animations;
    this.skins = [];
    scene.traverse((node) => {
      if (!node.isSkinnedMesh) return;
      this.skins.push(node);
      node.frustumCulled = false; // its bounds are those of the zero pose
      node.castShadow = !isGhost;
      node.receiveShadow = !isGhost;
    });
    if (isGhost) this.#becomeGhost();
    this.bones = this.skins[0].skeleton.bones;
  }

  /** Another one, translucent, with a skeleton of its own. */
  ghost() {
    return new Figure(clone(this.scene), this.animations, true);
  }

  /** Play an animation under a clock of our own; returns seek(seconds). */
  player(name) {
    const clip = this.animations.find((each) => each.name === name) ?? this.animations[0];
    const mixer = new AnimationMixer(this.scene);
    const action = mixer.clipAction(clip).setLoop(LoopOnce);
    action.clampWhenFinished = true;
    action.play();
    return (seconds) => {
      action.paused = false;
      action.enabled = true;
      action.time = 0;
      mixer.setTime(Math.min(seconds, clip.duration));
    };
  }

  /** Pose the bones from MuJoCo's qpos (z up, x forward, wxyz), as skeleton.json describes it. */
  pose(qpos, { bodies, joints }) {
    this.bones[0].position.set(qpos[1], qpos[2], qpos[0]);
    this.bones[0].quaternion.set(qpos[5], qpos[6], qpos[4], qpos[3]);
    bodies.forEach((body, index) => {
      if (body.parent < 0 || body.joint < 0) return;
      const joint = joints[body.joint];
      const at = joint.qpos;
      const turn = this.bones[index].quaternion;
      if (joint.kind === "ball") {
        turn.set(qpos[at + 2], qpos[at + 3], qpos[at + 1], qpos[at]);
      } else {
        const sine = Math.sin(qpos[at] / 2);
        turn.set(sine * joint.axis[1], sine * joint.axis[2], sine * joint.axis[0], Math.cos(qpos[at] / 2));
      }
    });
  }

  get root() {
    return this.bones[0].getWorldPosition(new Vector3());
  }

  #becomeGhost() {
    // Solids overlap: first only their depth is drawn, then the nearest surface alone in colour.
    const depth = new MeshBasicMaterial({ colorWrite: false });
    for (const skin of this.skins) {
      const veil = clone(skin);
      veil.skeleton = skin.skeleton;
      veil.bindMatrix.copy(skin.bindMatrix);
      veil.bindMatrixInverse.copy(skin.bindMatrixInverse);
      veil.material = depth;
      veil.renderOrder = 1;
      veil.frustumCulled = false;
      skin.parent.add(veil);
      const colour = skin.material.color.clone().lerp(GHOST, 0.72);
      skin.material = new MeshStandardMaterial({ color: colour, roughness: 0.8, transparent: true, opacity: 0.42 });
      skin.renderOrder = 2;
    }
  }
}
