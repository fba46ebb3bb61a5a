// The page's physics and policy without the page: prints qpos after every control step as JSON.
// node web_rollout.mjs FOLDER SKILL SECONDS
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
const [folder, skill, seconds] = process.argv.slice(2);
const { default: loadMujoco } = await import(`${folder}/mujoco.min.js`);
const { loadController } = await import(`${folder}/evaluator.js`);
const read = (name) => readFileSync(`${folder}/skills/${skill}/${name}`);
const mujoco = await loadMujoco({ wasmBinary: gunzipSync(readFileSync(`${folder}/mujoco.wasm.gz`)) });
const controller = await loadController(read);
const model = mujoco.MjModel.from_xml_string(read("character.xml").toString());
const data = new mujoco.MjData(model);
const { qpos, qvel, clock } = controller.startState(0);
data.qpos.set(qpos);
data.qvel.set(qvel);
const rows = [Array.from(data.qpos)];
for (let step = 0; step < Math.round(seconds / controller.controlDt); step++) {
  const target = controller.control(data.qpos, data.qvel, clock);
  for (let i = 0; i < controller.substeps; i++) {
    data.ctrl.set(controller.motors(target, data.qpos, data.qvel));
    mujoco.mj_step(model, data);
  }
  rows.push(Array.from(data.qpos));
  if (controller.advance(clock, data.qpos)) break;
}
console.log(JSON.stringify({ version: mujoco.mj_versionString(), rows }));
