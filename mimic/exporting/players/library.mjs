/**
 * A mimic bundle with a library of clips (schema version 2) in JavaScript, for browsers and Node. SPDX: Apache-2.0
 *
 *     import { loadLibrary } from "./library.mjs";
 *     const c = await loadLibrary(async (name) => (await fetch(`bundle/${name}`)).arrayBuffer());
 *     let { qpos, qvel, clock } = c.startState("walk");  // put qpos and qvel into your MuJoCo
 *     clock.steer(1.2, 0.4);                             // speed [m/s] and yaw rate [rad/s], or:
 *     clock.play(c.library.index("cartwheel"));
 *     // every c.controlDt seconds, as in mimic.mjs:
 *     const target = c.control(qpos, qvel, clock);
 *     // c.substeps physics steps with c.motors(target, qpos, qvel), then:
 *     c.advance(clock, data.qpos);
 *
 * The clock is a `Conductor` here. Everything else is as mimic.mjs says.
 */
import { Conductor, Library } from "./conductor.mjs";
import { Recovery } from "./recovery.mjs";
import { Controller, fromRotvec, mul, conj, readParts, toRotvec, rotateBack } from "./mimic.mjs";

export const LIBRARY_VERSION = 2;

export async function loadLibrary(read) {
  const { parts, weights, tables } = await readParts(read, LIBRARY_VERSION, "library");
  return new LibraryController(parts, weights, new Library(parts.library, tables));
}

export class LibraryController extends Controller {
  constructor(parts, weights, library) {
    super(parts, weights, null);
    this.library = library;
    this.recovery = library.recovery.getups.length ? new Recovery(this) : null;
  }

  /** Let a character that is down get up, from `qpos`; false if the library has no getup clip. */
  getUp(clock, qpos) {
    if (!this.recovery) return false;
    clock.interrupt(this.recovery.gettingUp(qpos));
    clock.downSteps = 0;
    return true;
  }

  /** State and clock at a phase of a clip, at a place [x, y in m] and turned by `yaw` [rad]. */
  startState(name, phase = 0, place = [0, 0], yaw = 0) {
    const clock = Object.assign(new Conductor(this.library), { downSteps: 0 });
    clock.start(this.library.index(name), phase, place, yaw);
    return { qpos: this.referencePose(clock), qvel: this.referenceVelocity(clock), clock };
  }

  look(clock) {
    const { target_steps: steps } = this.observationConfig;
    return { yaw: clock.at(0).heading, phase: clock.now.phase, targets: steps.map((k) => clock.at(k * this.controlDt)) };
  }

  base(clock) {
    return clock.at(this.controlConfig.action.lead_s).pose;
  }

  advance(clock, qpos) {
    clock.advance([qpos[0], qpos[1]], [qpos[3], qpos[4], qpos[5], qpos[6]]);
    const { down_m: low } = this.library.recovery;
    clock.downSteps = qpos[2] < low && clock.at(0).pos[2] > low ? clock.downSteps + 1 : 0;
    return false;
  }

  /** Whether the character has been down for `down_s` although its clip is not (ConductedEnv.fallen). */
  lies(clock) {
    return clock.downSteps >= Math.round(this.library.recovery.down_s / this.controlDt);
  }

  /** Root height [m] of the pose to which the character returns. */
  get standingHeight() {
    return this.library.row(this.library.clips[this.library.numbers.rest].first)[2];
  }

  /** Name of the lowest of the bodies that do not touch the ground at rest: what it fell on. */
  fellOn(qpos) {
    const names = this.library.clips[this.library.numbers.rest].fallen_if_below_ground;
    const heights = this.heights(qpos);
    return names.reduce((low, name) => (heights[name] < heights[low] ? name : low));
  }

  referencePose(clock, ahead = 0) {
    return this.qposOf(clock.at(ahead));
  }

  /** qvel of the reference, by a difference over `step` [s], by default a frame of the recording. */
  referenceVelocity(clock, step = this.library.clips[clock.now.clip].frame_s) {
    const [a, b] = [clock.at(0), clock.at(step)];
    const qvel = new Float64Array(this.skeleton.nv);
    const rate = (v) => v.map((x) => x / step);
    qvel.set(rate(b.pos.map((x, k) => x - a.pos[k])), 0);
    qvel.set(rotateBack(a.quat, rate(toRotvec(mul(b.quat, conj(a.quat))))), 3);
    for (const { kind, dof, dofs, qvel: at } of this.skeleton.joints) {
      const [from, to] = [a, b].map(({ pose }) => pose.slice(dof, dof + dofs));
      if (kind === "ball") qvel.set(rate(toRotvec(mul(conj(fromRotvec(from)), fromRotvec(to)))), at);
      else qvel[at] = (to[0] - from[0]) / step;
    }
    return qvel;
  }
}
