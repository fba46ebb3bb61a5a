// node check_library.mjs BUNDLE: recomputes performance.json with library.mjs; leaves with 1 if anything is off by more than allowed.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { argv, exit } from "node:process";
import { loadLibrary } from "./library.mjs";

const bundle = argv[2] ?? ".";
const controller = await loadLibrary((name) => readFile(join(bundle, name)));
const { tolerance, first, phase, commands, rows } = JSON.parse(await readFile(join(bundle, "performance.json"), "utf8"));
const worst = {};

function compare(what, found, expected) {
  if (found.length !== expected.length) throw new Error(`${what}: ${found.length} numbers instead of ${expected.length}`);
  worst[what] ??= 0;
  const unit = what === "motor" ? Math.max(1, ...Array.from(expected, Math.abs)) : 1; // torques in shares of the largest
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(found[i] - expected[i]) / unit;
    if (!(error <= worst[what])) worst[what] = error; // a NaN compares false, and stays
  }
}

const { clock } = controller.startState(controller.library.clips[first].name, phase);
rows.forEach((row, step) => {
  if (step) controller.advance(clock, row.qpos);
  const command = commands.find((each) => each.step === step);
  if (command?.steer) clock.steer(...command.steer);
  else if (command?.get_up) controller.getUp(clock, row.qpos);
  else if (command && !command.push) clock.play(command.play, command.once); // qvel holds a push already
  compare("fallen", [Number(controller.lies(clock))], [Number(row.fallen)]);
  const { pos, quat, pose, heading } = clock.at(0);
  const sign = [0, 1, 2, 3].reduce((sum, k) => sum + quat[k] * row.reference[3 + k], 0) < 0 ? -1 : 1; // q and -q are one rotation
  compare("reference", [...pos, ...quat.map((x) => sign * x), ...pose, heading], row.reference);
  const observation = controller.observe(row.qpos, row.qvel, clock);
  compare("observation", observation, row.observation);
  const action = controller.act(row.observation);
  compare("action", action, row.action);
  const target = controller.target(row.action, clock);
  compare("target", target, row.pd_target);
  compare("motor", controller.motors(row.pd_target, row.qpos, row.qvel), row.motor);
});

for (const [what, error] of Object.entries(worst)) console.log(`${what.padEnd(12)} ${error.toExponential(2)}`);
const good = Object.values(worst).every((error) => error <= tolerance);
console.log(good ? "OK" : `OFF: more than ${tolerance}`);
exit(good ? 0 : 1);
