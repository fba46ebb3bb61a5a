// A character that follows commands: physics, policy, conductor, and what happens after a fall.
import { conj, heading, mul, quatAt, rotate, toRotvec } from "evaluator";
import { loadLibrary } from "library";
import { Skill, bytesOf } from "skill";

const LIE_S = 2; // a fallen character that has no getup clip lies so long before it is put back on its feet
const UP_SHARE = 0.85; // of the standing root height, above which a character that was down has stood up (play/performer.py)
const FASTEST = 1000; // [m/s, rad/s]: a simulation that is faster has failed
const LEAVE_S = 0.5; // so long before the end of a clip that plays once the gait is asked for: before the conductor does (leave_s)
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
    Object.assign(this, { clock, substep: 0, fallen: null, fallenAt: 0, down: null, force: null, asked: null, help: 0 });
    this.place = [place, yaw];
    this.time ??= 0;
    Object.assign(this, { clip: clock.now.clip, since: this.time });
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

  /** Ask for a clip by name; a character that is down does it once it stands. */
  play(name) {
    const clip = this.controller.library.index(name);
    if (!this.down) this.clock.play(clip);
    this.asked = name;
  }

  /** Lead it: speed [m/s] and yaw rate [rad/s]; a clip that was asked for is done once before. */
  steer(speed, yawRate) {
    if (!Number.isFinite(speed) || !Number.isFinite(yawRate)) [speed, yawRate] = [0, 0];
    this.stick = [speed, yawRate];
    if (!this.asked && !this.down && this.canSteer) this.clock.steer(speed, yawRate);
  }

  /** Leave the clip that was asked for. */
  stop() {
    this.asked = null;
    if (!this.down) this.canSteer ? this.clock.steer(...this.stick) : this.clock.play(this.controller.library.index(this.rest));
  }

  step() {
    super.step();
    const { data } = this;
    if (!sound(data)) return this.#putBack();
    if (this.substep) return;
    this.place = [[data.qpos[0], data.qpos[1]], heading(quatAt(data.qpos, 3))];
    const { clip } = this.clock.now;
    if (clip !== this.clip) Object.assign(this, { clip, since: this.time });
    if (this.fallen) return this.#fall();
    const rising = this.controller.library.recovery.getups.includes(clip);
    if (this.down && (!rising || data.qpos[2] > UP_SHARE * this.controller.standingHeight)) this.#stand();
    this.#leave();
  }

  /** It lies: it gets up by a getup clip, or is put back on its feet. */
  #fall() {
    const { clock, controller, data: { qpos } } = this;
    if (!this.down && this.asked && !controller.library.clips[controller.library.index(this.asked)].loop) this.asked = null;
    this.down = this.fallen; // what it fell on, until it stands
    if (controller.getUp(clock, qpos)) {
      Object.assign(this, { fallen: null, clip: clock.now.clip, since: this.time });
    } else if (this.time - this.fallenAt >= LIE_S) {
      this.#putBack();
    }
  }

  /** Put it on its feet where it was last, and return to what was asked of it. */
  #putBack() {
    const { asked } = this;
    this.restart(...this.place);
    this.helpedAt = this.time;
    if (asked) this.play(asked);
  }

  /** It has stood up, or its getup clip is over: it returns to what was asked of it. */
  #stand() {
    this.down = null;
    if (this.asked) this.play(this.asked);
  }

  /** Back to the stick where a clip that plays once is nearly over, or one that loops was done once and the stick is held. */
  #leave() {
    if (!this.asked || this.down) return;
    const { clips } = this.controller.library;
    const { now, next } = this.clock;
    if (next || clips[now.clip].name !== this.asked) return;
    const { loop, seconds } = clips[now.clip];
    const left = loop ? seconds - (this.time - this.since) : (1 - now.phase) * seconds;
    if (left < LEAVE_S && (!loop || this.stick.some((x) => x !== 0))) this.stop();
  }

  /** What it fell on, if it lies by Python's rule; or null. */
  touching() {
    return this.controller.lies(this.clock) ? this.controller.fellOn(this.data.qpos) : null;
  }

  /** The helping hand: a limited force and torque at the root, towards the reference. */
  support() {
    this.help = 0;
    if (!this.helping || this.down) return;
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
    if (this.fallen) return "down";
    const { library } = this.controller;
    const { now, next, speed, yawRate, steering } = this.clock;
    if (library.recovery.getups.includes(now.clip)) return "getting up";
    const name = words(library.clips[now.weight > 0.5 ? now.other : now.clip].name);
    if (next) return `${name} → ${words(library.clips[next.clip].name)}`;
    if (!steering) return name;
    if (speed < 0.05 && Math.abs(yawRate) > 0.2) return "turn";
    return `${name}${speed > 0.05 ? ` ${speed.toFixed(1)} m/s` : ""}`;
  }
}

/** Whether the simulation has not failed: finite, and nowhere faster than FASTEST. */
function sound({ qpos, qvel }) {
  return qpos.every(Number.isFinite) && qvel.every((v) => Math.abs(v) < FASTEST);
}

function limited(v, most) {
  const length = Math.hypot(...v);
  return length > most ? v.map((x) => (x * most) / length) : v;
}
