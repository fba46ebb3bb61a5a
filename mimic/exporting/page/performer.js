// A character that follows commands: physics, policy, conductor, and what happens after a fall.
import { conj, heading, mul, quatAt, rotate, toRotvec } from "evaluator";
import { loadLibrary } from "library";
import { Skill, bytesOf } from "skill";

const LIE_S = 2; // a fallen character lies so long before it gets up, or is put back on its feet
const LEAVE_S = 0.5; // so long before the end of a clip that plays once the gait is asked for: before the conductor does (leave_s)
const SETTLED_S = 1.2; // after a switch, bodies that the clip before allowed may still touch the ground
const SUPPORT = { force: 1, torque: 0.2 }; // of the helping hand at most, in weights and weights times a metre
const STIFF = { pull: 120, damp: 20, turn: 30, dampTurn: 3 }; // for every kg

export class Performer extends Skill {
  static async load(mujoco, entry) {
    const read = (name) => bytesOf(`${entry.folder}/${name}`);
    const [controller, xml] = await Promise.all([loadLibrary(read), read("character.xml")]);
    return new Performer(mujoco, entry, controller, new TextDecoder().decode(xml));
  }

  restart(place = [0, 0], yaw = 0) {
    const { controller, mujoco, model, data } = this;
    const { qpos, qvel, clock } = controller.startState(this.rest, 0, place, yaw);
    mujoco.mj_resetData(model, data);
    data.qpos.set(qpos);
    data.qvel.set(qvel);
    mujoco.mj_forward(model, data);
    Object.assign(this, { clock, substep: 0, fallen: null, fallenAt: 0, force: null, asked: null, help: 0 });
    this.time ??= 0;
    Object.assign(this, { clip: clock.now.clip, before: clock.now.clip, since: this.time });
    this.stick ??= [0, 0];
    this.helping ??= true;
    if (this.canSteer) clock.steer(...this.stick);
  }

  /** The clip of a character that does nothing. */
  get rest() {
    const { clips, gaits } = this.controller.library;
    return (clips.find(({ name }) => name === "stand") ?? clips[gaits[0] ?? 0]).name;
  }

  get canSteer() {
    return this.controller.library.gaits.length > 1;
  }

  /** The clips to ask for by name: all but the gaits, which the stick leads, and getting up. */
  get skills() {
    const { clips, gaits } = this.controller.library;
    const others = clips.filter((_, k) => !gaits.includes(k)).map(({ name }) => name);
    return others.filter((name) => name !== this.rest && !name.startsWith("getup"));
  }

  /** Fastest speed [m/s] of the stick: walking, and running. */
  get speeds() {
    const { library } = this.controller;
    const own = library.gaits.map((k) => library.speed(k));
    return [own[Math.min(1, own.length - 1)] * 1.15, own.at(-1)];
  }

  play(name) {
    if (this.fallen) return;
    this.clock.play(this.controller.library.index(name));
    Object.assign(this, { asked: name, askedAt: this.time });
  }

  /** Lead it: speed [m/s] and yaw rate [rad/s]; a clip that was asked for is done once before. */
  steer(speed, yawRate) {
    if (!Number.isFinite(speed) || !Number.isFinite(yawRate)) [speed, yawRate] = [0, 0];
    this.stick = [speed, yawRate];
    if (!this.asked && !this.fallen && this.canSteer) this.clock.steer(speed, yawRate);
  }

  /** Leave the clip that was asked for. */
  stop() {
    this.asked = null;
    if (!this.fallen) this.canSteer ? this.clock.steer(...this.stick) : this.clock.play(this.controller.library.index(this.rest));
  }

  step() {
    super.step();
    if (this.substep) return;
    const { clip } = this.clock.now;
    if (clip !== this.clip) Object.assign(this, { before: this.clip, clip, since: this.time });
    if (this.fallen) return void (this.time - this.fallenAt > LIE_S && this.#getUp());
    this.#leave();
  }

  /** Back to the stick where a clip that plays once is nearly over, or one that loops was done once and the stick is held. */
  #leave() {
    if (!this.asked) return;
    const { clips } = this.controller.library;
    const { now, next } = this.clock;
    if (next || clips[now.clip].name !== this.asked) return;
    const { loop, seconds } = clips[now.clip];
    const left = loop ? seconds - (this.time - this.since) : (1 - now.phase) * seconds;
    if (left < LEAVE_S && (!loop || this.stick.some((x) => x !== 0))) this.stop();
  }

  /** Get up by a getup clip; a character that has none is put back on its feet. */
  #getUp() {
    const { qpos } = this.data;
    if (this.controller.getUp(this.clock, qpos)) {
      Object.assign(this, { fallen: null, asked: null, clip: this.clock.now.clip, before: this.clock.now.clip, since: this.time });
      return;
    }
    this.restart([qpos[0], qpos[1]], heading(quatAt(qpos, 3)));
    this.helpedAt = this.time;
  }

  touching() {
    const clips = this.time - this.since < SETTLED_S ? [this.clip, this.before] : [this.clip];
    return this.controller.fallen(this.data.qpos, [...clips, this.clock.now.clip]);
  }

  /** The helping hand: a limited force and torque at the root, towards the reference. */
  support() {
    this.help = 0;
    if (!this.helping || this.fallen) return;
    const { data, controller, clock, mass } = this;
    const { qpos, qvel } = data;
    const now = this.substep * controller.simDt;
    const step = controller.controlDt;
    const [a, b] = [clock.at(now), clock.at(now + step)];
    const force = a.pos.map((x, k) => STIFF.pull * (x - qpos[k]) + STIFF.damp * ((b.pos[k] - x) / step - qvel[k]));
    const spin = rotate(quatAt(qpos, 3), [qvel[3], qvel[4], qvel[5]]);
    const turn = toRotvec(mul(a.quat, conj(quatAt(qpos, 3))));
    const wanted = toRotvec(mul(b.quat, conj(a.quat)));
    const torque = turn.map((x, k) => STIFF.turn * x + STIFF.dampTurn * (wanted[k] / step - spin[k]));
    const weight = 9.81 * mass;
    const held = limited(force.map((x) => x * mass), SUPPORT.force * weight);
    this.help = Math.hypot(...held) / weight;
    data.xfrc_applied.set([...held, ...limited(torque.map((x) => x * mass), SUPPORT.torque * weight)], 6);
  }

  /** What it is doing, in words. */
  get doing() {
    const words = (name) => name.replace("-authored", "").replaceAll("_", " ");
    if (this.fallen) return `fell: its ${words(this.fallen)} touched the ground`;
    const { library } = this.controller;
    const { now, next, speed, yawRate, steering } = this.clock;
    const name = words(library.clips[now.weight > 0.5 ? now.other : now.clip].name);
    if (next) return `${name} → ${words(library.clips[next.clip].name)}`;
    if (!steering) return name;
    if (speed < 0.05 && Math.abs(yawRate) > 0.2) return "turn";
    return `${name}${speed > 0.05 ? ` ${speed.toFixed(1)} m/s` : ""}`;
  }
}

function limited(v, most) {
  const length = Math.hypot(...v);
  return length > most ? v.map((x) => (x * most) / length) : v;
}
