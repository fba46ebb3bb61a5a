// node check.mjs BUNDLE: recomputes testvectors.json with mimic.mjs; leaves with 1 if anything is off by more than allowed.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { convert, loadController, SCHEMA_VERSION } from "./mimic.mjs";

const bundle = argv[2] ?? ".";
const json = async (name) => JSON.parse(await readFile(join(bundle, name), "utf8"));
const worst = {};

function compare(what, found, expected) {
  if (found.length !== expected.length) throw new Error(`${what}: ${found.length} numbers instead of ${expected.length}`);
  worst[what] ??= 0;
  // the torque is compared in shares of the largest: it is kp times an angle
  const unit = what === "motor" ? Math.max(1, ...Array.from(expected, Math.abs)) : 1;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(found[i] - expected[i]) / unit;
    if (!(error <= worst[what])) worst[what] = error; // a NaN compares false, and stays
  }
}

const { schema_version: version } = await json("manifest.json");
if (version !== SCHEMA_VERSION) throw new Error(`schema version ${version}, this program reads ${SCHEMA_VERSION}`);
const controller = await loadController((name) => readFile(join(bundle, name)));
const vectors = await json("testvectors.json");
const clockOf = (row) => ({ clipTime: row.clip_time, origin: row.origin, yaw: row.yaw });

for (const row of [...vectors.states, ...vectors.rollout.rows]) {
  const observation = controller.observe(row.qpos, row.qvel, clockOf(row));
  const action = controller.act(observation);
  const target = controller.target(action, clockOf(row));
  compare("observation", observation, row.observation);
  compare("action", action, row.action);
  compare("target", target, row.pd_target);
  compare("motor", controller.motors(target, row.qpos, row.qvel), row.motor);
}
const clock = clockOf(vectors.rollout.rows[0]);
for (const row of vectors.rollout.rows.slice(1)) {
  controller.advance(clock, row.qpos);
  compare("clock", [clock.clipTime, ...clock.origin, clock.yaw], [row.clip_time, ...row.origin, row.yaw]);
}
const { engines } = await json("conventions.json");
for (const row of vectors.frames) {
  const engine = engines[row.engine];
  const { vector, quaternion } = row;
  compare("frames", convert.position(engine, vector), row.position);
  compare("frames", convert.angular(engine, vector), row.angular);
  compare("frames", convert.rotation(engine, quaternion), row.rotation);
  compare("frames", convert.positionBack(engine, row.position), vector);
  compare("frames", convert.angularBack(engine, row.angular), vector);
  compare("frames", convert.rotationBack(engine, row.rotation), quaternion);
}

for (const [what, error] of Object.entries(worst)) console.log(`${what.padEnd(12)} ${error.toExponential(2)}`);
const good = Object.values(worst).every((error) => error <= vectors.tolerance.vectors);
console.log(good ? "OK" : `OFF: more than ${vectors.tolerance.vectors}`);
exit(good ? 0 : 1);
