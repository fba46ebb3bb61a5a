// The visitor's hand: a tap pushes the character, a drag pulls it; beside it the same gestures turn the camera.
import {
  BufferGeometry, Line, LineBasicMaterial, Mesh, MeshBasicMaterial, Plane, Raycaster, SphereGeometry, Vector2, Vector3,
} from "three";

const PUSH_S = 0.15; // a tap pushes for so long [s] ...
const PUSH = 3.3; // ... with so much [N for every kg], which is half a metre a second
const PULL = 18; // a drag pulls with [N for every kg and metre]

/** `page` has stage, skill and figure, which may change. */
export class Hand {
  constructor(page) {
    this.page = page;
    this.#wire(page.stage);
  }

  #wire(stage) {
    const canvas = stage.renderer.domElement;
    const ray = new Raycaster();
    const bright = { color: 0xffb020, depthTest: false };
    this.handle = new Mesh(new SphereGeometry(0.035, 16, 12), new MeshBasicMaterial(bright));
    this.handle.visible = false;
    this.handle.renderOrder = 9;
    this.string = new Line(new BufferGeometry(), new LineBasicMaterial(bright));
    Object.assign(this.string, { visible: false, frustumCulled: false, renderOrder: 8 });
    this.page.stage.scene.add(this.handle, this.string);
    const aim = (event) => {
      const box = canvas.getBoundingClientRect();
      const across = (event.clientX - box.left) / box.width;
      const down = (event.clientY - box.top) / box.height;
      ray.setFromCamera(new Vector2(2 * across - 1, 1 - 2 * down), this.page.stage.camera);
    };
    canvas.addEventListener("pointerdown", (event) => {
      aim(event);
      const hit = this.#hit(ray.ray);
      if (!hit) return;
      this.page.stage.controls.enabled = false;
      canvas.setPointerCapture(event.pointerId);
      const view = this.page.stage.camera.getWorldDirection(new Vector3());
      const plane = new Plane().setFromNormalAndCoplanarPoint(view, hit.point);
      this.grab = { ...hit, plane, goal: hit.point.clone(), since: performance.now() };
    }, { capture: true });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.grab) return;
      aim(event);
      ray.ray.intersectPlane(this.grab.plane, this.grab.goal);
    });
    const release = () => {
      if (!this.grab) return;
      const { body, point, goal, since } = this.grab;
      this.grab = null;
      this.handle.visible = this.string.visible = false;
      this.page.stage.controls.enabled = true;
      this.page.skill.force = null;
      if (performance.now() - since < 300 && goal.distanceTo(point) < 0.06) this.shove(body, point);
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
  }

  /** A short push away from the viewer, level with the ground. */
  shove(body, point, strength = PUSH) {
    const way = this.page.stage.camera.getWorldDirection(new Vector3()).setY(0).setLength(strength * this.page.skill.mass);
    this.page.skill.push(body, toPhysics(point), toPhysics(way), PUSH_S);
    this.page.playing = true;
  }

  /** Pull with the hand that holds the character. */
  pull() {
    if (!this.grab) return;
    const { body, local, goal } = this.grab;
    const at = this.page.figure.bones[body].localToWorld(local.clone());
    const force = goal.clone().sub(at).multiplyScalar(PULL * this.page.skill.mass).clampLength(0, 8 * this.page.skill.mass);
    if (force.length() > 1) this.page.skill.push(body, toPhysics(at), toPhysics(force));
  }

  /** The body whose bone or flesh the ray passes first, within a hand's breadth. */
  #hit(ray) {
    let best = null;
    const { bodies } = this.page.skill.controller.skeleton;
    bodies.forEach(({ geom }, body) => {
      const bone = this.page.figure.bones[body];
      const centre = bone.localToWorld(new Vector3(geom.pos[1], geom.pos[2], geom.pos[0]));
      const reach = Math.max(0.07, Math.max(...geom.size) * (geom.shape === "capsule" ? 0.95 : 1.1));
      const point = ray.intersectSphere({ center: centre, radius: reach }, new Vector3());
      if (!point) return;
      const distance = point.distanceTo(ray.origin);
      if (!best || distance < best.distance) best = { body, distance, point, local: bone.worldToLocal(point.clone()) };
    });
    return best;
  }

  /** Show handle and string where the hand is. */
  draw() {
    if (!this.grab) return;
    const { body, local, goal } = this.grab;
    this.handle.visible = this.string.visible = true;
    this.handle.position.copy(goal);
    this.string.geometry.setFromPoints([this.page.figure.bones[body].localToWorld(local.clone()), goal]);
  }
}

const toPhysics = (v) => [v.z, v.x, v.y];
