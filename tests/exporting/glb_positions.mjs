// Reads a GLB with three.js and prints, for every animation, its name and where every bone and every hundredth vertex
// of the skin is at the given times.
// node glb_positions.mjs THREE.js FILE.glb [TIME...]
import { readFileSync } from "node:fs";
const [library, path, ...times] = process.argv.slice(2);
globalThis.self = globalThis; // a browser's name for it, which the loader expects
const { AnimationMixer, GLTFLoader, LoopOnce, Vector3 } = await import(library);
const bytes = readFileSync(path);
const gltf = await new GLTFLoader().parseAsync(new Uint8Array(bytes).buffer, "");
let skin;
gltf.scene.traverse((node) => { if (node.isSkinnedMesh) skin ??= node; });
const report = gltf.animations.map((clip) => {
  const mixer = new AnimationMixer(gltf.scene);
  const action = mixer.clipAction(clip).setLoop(LoopOnce);
  action.clampWhenFinished = true; // the last frame is the last, not the first of the next round
  action.play();
  const positions = times.map((time) => {
    mixer.setTime(Number(time));
    gltf.scene.updateMatrixWorld(true);
    const vertices = [];
    const { position } = skin.geometry.attributes;
    for (let i = 0; i < position.count; i += 100)
      vertices.push(skin.applyBoneTransform(i, new Vector3().fromBufferAttribute(position, i)).toArray());
    return { bones: skin.skeleton.bones.map((bone) => bone.getWorldPosition(new Vector3()).toArray()), vertices };
  });
  mixer.stopAllAction();
  mixer.uncacheRoot(gltf.scene);
  const [bones, vertices] = ["bones", "vertices"].map((part) => positions.map((each) => each[part]));
  return { name: clip.name, duration: clip.duration, keys: Array.from(clip.tracks[0].times), bones, vertices };
});
console.log(JSON.stringify({ bones: skin.skeleton.bones.map((bone) => bone.name), animations: report }));
