// One skill in MuJoCo's hands: physics, policy and servo, without pictures.
import { loadController } from "evaluator";

const FALLEN_S = 1.4; // so long a fallen character is left lying
const OVER_S = 0.8; // so long the last pose of a clip that does not loop is held

/** The bytes of a file beside the page. */
export const bytesOf = async (path) => {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
};

/** The bytes of a .gz file, whether or not the server unpacked it on the way. */
export async function unpacked(path) {
  const bytes = await bytesOf(path);
  const [a, b] = new Uint8Array(bytes, 0, 2);
  if (a !== 0x1f || b !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** One skill: its controller, its physics, and where it is. */
export class Skill {
  static async load(mujoco, entry) {
    const read = (name) => bytesOf(`${entry.folder}/${name}`);
    const [controller, xml] = await Promise.all([loadController(read), read("character.xml")]);
    return new Skill(mujoco, entry, controller, new TextDecoder().decode(xml));
  }

  constructor(mujoco, entry, controller, xml) {
    Object.assign(this, { mujoco, entry, controller });
    this.model = mujoco.MjModel.from_xml_string(xml);
    this.data = new mujoco.MjData(this.model);
    this.mass = controller.skeleton.mass;
    this.restart();
  }

  restart(clipTime = 0) {
    const { qpos, qvel, clock } = this.controller.startState(clipTime);
    this.mujoco.mj_resetData(this.model, this.data);
    this.data.qpos.set(qpos);
    this.data.qvel.set(qvel);
    this.mujoco.mj_forward(this.model, this.data);
    Object.assign(this, { clock, time: 0, substep: 0, fallen: null, fallenAt: 0, over: false, overAt: 0, force: null });
  }

  /** One physics step, the control step included where one is due. */
  step() {
    const { controller, data, model } = this;
    if (this.substep === 0) this.target = controller.control(data.qpos, data.qvel, this.clock);
    data.ctrl.set(controller.motors(this.target, data.qpos, data.qvel));
    this.#applyForce();
    this.mujoco.mj_step(model, data);
    this.time += controller.simDt;
    this.substep = (this.substep + 1) % controller.substeps;
    if (this.substep) return;
    if (controller.advance(this.clock, data.qpos) && !this.over) [this.over, this.overAt] = [true, this.time];
    const body = this.fallen ? null : this.touching();
    if (body) [this.fallen, this.fallenAt] = [body, this.time];
  }

  /** A body that touches the ground and must not, or null. */
  touching() {
    return this.controller.fallen(this.data.qpos);
  }

  get done() {
    const lain = this.fallen !== null && this.time - this.fallenAt > FALLEN_S;
    return lain || (this.over && this.time - this.overAt > OVER_S);
  }

  /** Pull at a point of a body: `body` of skeleton.json, `at` and `force` [N] in the world, z up. */
  push(body, at, force, seconds = Infinity) {
    this.force = { body, at, force, until: this.time + seconds };
  }

  #applyForce() {
    const { data, force } = this;
    data.xfrc_applied.fill(0);
    this.support();
    if (!force) return;
    if (this.time >= force.until) return void (this.force = null);
    const id = force.body + 1; // MuJoCo's first body is the world
    const arm = force.at.map((x, k) => x - data.xipos[3 * id + k]);
    const [fx, fy, fz] = force.force;
    const torque = [arm[1] * fz - arm[2] * fy, arm[2] * fx - arm[0] * fz, arm[0] * fy - arm[1] * fx];
    [fx, fy, fz, ...torque].forEach((x, k) => (data.xfrc_applied[6 * id + k] += x));
  }

  /** Forces beside those of the visitor: none. */
  support() {}
}
