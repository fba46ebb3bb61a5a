/**
 * The motion graph in JavaScript: commands become a continuous reference. SPDX: Apache-2.0
 *
 * `Library` holds the tables of library.json and library.bin, `Conductor` is one character's reference. The same
 * algorithm as mimic/motion_graph; positions in metres, angles in radians, quaternions wxyz.
 */
import { conj, fromRotvec, mul, normalize, toRotvec, yawQuat } from "./mimic.mjs";

const NEVER = Infinity;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const lerp = (a, b, share) => a.map((x, i) => x + share * (b[i] - x));
const wrapped = (phase) => phase - Math.floor(phase);
const turned = ([x, y], angle) => {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [cos * x - sin * y, sin * x + cos * y];
};

/** The clips of a library, ready for look-ups. */
export class Library {
  constructor(described, tensors) {
    Object.assign(this, { clips: described.clips, gaits: described.gaits, numbers: described.conductor, recovery: described.recovery, tensors });
    [, this.width] = tensors.table.shape;
  }

  index(name) {
    const found = this.clips.findIndex((clip) => clip.name === name);
    if (found < 0) throw new Error(`no clip '${name}'; there are ${this.clips.map((clip) => clip.name).join(", ")}`);
    return found;
  }

  /** Position (3), quaternion (4), servo targets (A) and heading at a phase in [0, 1] of a clip. */
  lookUp(clip, phase) {
    const { first, rows } = this.clips[clip];
    const x = phase * (rows - 1);
    const row = clamp(Math.floor(x), 0, rows - 2);
    const at = (first + row) * this.width;
    const { data } = this.tensors.table;
    return Array.from({ length: this.width }, (_, k) => {
      const here = data[at + k];
      return here + (x - row) * (data[at + this.width + k] - here);
    });
  }

  /** A row of the table. */
  row(index) {
    return Array.from(this.tensors.table.data.slice(index * this.width, (index + 1) * this.width));
  }

  /** The next jump on the way from a moment of a clip to another: control steps to wait, the clip to enter, and its phase. */
  jump(clip, phase, target, soonest) {
    const { seconds, poses, loop } = this.clips[clip];
    const later = roundHalfEven((phase * seconds) / this.numbers.step_s) + soonest;
    const pose = loop ? later % poses.rows : Math.min(later, poses.rows - 1);
    const at = (poses.first + pose) * this.clips.length + target;
    const [wait, next, entry] = ["wait", "clip", "phase"].map((name) => this.tensors[`entries.${name}`].data[at]);
    return { wait: wait + soonest, clip: next, phase: entry };
  }

  speed(clip) {
    const { travel, seconds } = this.clips[clip];
    return Math.hypot(...travel) / seconds;
  }
}

/** One clip, or two gaits blended in phase, led along a bent path; an offset at its start decays (mimic/motion_graph/segment.py). */
export class Segment {
  constructor(library, clip, phase) {
    const still = new Array(library.width - 4).fill(0); // height, root rotation vector, servo targets
    Object.assign(this, {
      library, clip, other: clip, weight: 0, phase, scale: 1, rate: 1, place: [0, 0], yaw: 0, yawRate: 0, hold: 0, age: 0,
      offset: still, offsetRate: still, slip: [0, 0], halfLife: library.numbers.half_life_s,
    });
  }

  get period() {
    const { clips } = this.library;
    const [a, b] = [clips[this.clip].seconds, clips[this.other].seconds];
    return (a + this.weight * (b - a)) / this.rate;
  }

  /** The reference {pos, quat, pose, heading} so many seconds from now. */
  at(ahead) {
    const { library, clip } = this;
    const total = this.phase + Math.max(ahead - this.hold, 0) / this.period;
    const { loop, turn } = library.clips[clip];
    const cycles = loop ? Math.min(Math.floor(total), library.numbers.cycles) : 0;
    const phase = loop ? wrapped(total) : Math.min(total, 1);
    let row = library.lookUp(clip, phase);
    const start = library.lookUp(clip, this.phase);
    let way = this.#path(clip, row, cycles).map((x, k) => x - start[k]);
    if (this.weight > 0) [row, way] = this.#blended(total, row, way);
    const bend = this.yawRate * ahead;
    const fade = Math.log(2) / (library.numbers.slip_half_lives * this.halfLife);
    const slid = (Math.exp(-fade * this.age) - Math.exp(-fade * (this.age + ahead))) / fade;
    const chord = turned(way.map((x) => x * this.scale), this.yaw + 0.5 * bend);
    const yaw = this.yaw + bend + cycles * turn;
    const left = this.#decayed(this.age + ahead);
    const own = mul(fromRotvec(left.slice(1, 4)), normalize(row.slice(3, 7)));
    return {
      pos: [...[0, 1].map((k) => this.place[k] + chord[k] + this.slip[k] * slid), row[2] + left[0]],
      quat: mul(yawQuat(yaw), own),
      pose: row.slice(7, -1).map((x, k) => x + left[4 + k]),
      heading: row.at(-1) + yaw,
    };
  }

  /** Planar displacement since the cycle's start, closed cycles included. */
  #path(clip, row, cycles) {
    const { travel, turn } = this.library.clips[clip];
    let end = turned([row[0], row[1]], cycles * turn);
    for (let n = 0; n < Math.min(cycles, this.library.numbers.cycles); n++) end = end.map((x, k) => x + turned(travel, n * turn)[k]);
    return end;
  }

  /** The gait `other` blended in, at the same point of its stride. */
  #blended(total, row, way) {
    const { library, other } = this;
    const started = this.phase + library.clips[other].shift - library.clips[this.clip].shift;
    const theirs = total + (started - this.phase) - Math.floor(started);
    const cycles = Math.floor(theirs);
    const their = library.lookUp(other, theirs - cycles);
    const start = library.lookUp(other, wrapped(started));
    const theirWay = this.#path(other, their, cycles).map((x, k) => x - start[k]);
    const dot = [3, 4, 5, 6].reduce((sum, k) => sum + row[k] * their[k], 0);
    if (dot < 0) for (const k of [3, 4, 5, 6]) their[k] = -their[k];
    return [lerp(row, their, this.weight), lerp(way, theirWay, this.weight)];
  }

  /** What is left of the offset: e^(-yt) (x + (v + yx) t). */
  #decayed(t) {
    const y = (2 * Math.log(2)) / this.halfLife;
    const fade = Math.exp(-y * t);
    return this.offset.map((x, k) => fade * (x + (this.offsetRate[k] + y * x) * t));
  }

  advance(dt) {
    const later = this.at(dt);
    const total = this.phase + Math.max(dt - this.hold, 0) / this.period;
    this.hold = Math.max(this.hold - dt, 0);
    const { loop, turn } = this.library.clips[this.clip];
    const cycles = loop ? Math.floor(total) : 0;
    this.place = later.pos.slice(0, 2);
    this.yaw += this.yawRate * dt + cycles * turn;
    this.phase = loop ? total - cycles : Math.min(total, 1);
    this.age += dt;
  }

  /** Begin in the pose and velocity of `before`: two references, at the switch and a moment later. */
  join(before) {
    const step = this.library.numbers.difference_s;
    this.yaw += before[0].heading - this.at(0).heading;
    this.place = before[0].pos.slice(0, 2);
    const clean = [this.at(0), this.at(step)];
    const offsets = before.map(({ pos, quat, pose }, i) => {
      const frame = conj(yawQuat(this.yaw + i * this.yawRate * step));
      const turn = toRotvec(mul(mul(frame, quat), conj(mul(frame, clean[i].quat))));
      return [pos[2] - clean[i].pos[2], ...turn, ...pose.map((x, k) => x - clean[i].pose[k])];
    });
    this.offset = offsets[0];
    this.offsetRate = offsets[1].map((x, k) => (x - offsets[0][k]) / step);
    const moved = (poses) => [0, 1].map((k) => poses[1].pos[k] - poses[0].pos[k]);
    const [theirs, ours] = [moved(before), moved(clean)];
    this.slip = [0, 1].map((k) => (theirs[k] - ours[k]) / step);
  }
}

/** The reference of one character, which follows commands (mimic/motion_graph/conductor.py). */
export class Conductor {
  constructor(library) {
    this.library = library;
    this.start(0, 0);
  }

  /** Begin a clip at a phase, at a place [x, y in m] and turned by `yaw` [rad]. */
  start(clip, phase, place = [0, 0], yaw = 0) {
    this.now = Object.assign(new Segment(this.library, clip, phase), { place: [...place], yaw });
    Object.assign(this, { target: clip, once: false, then: null, next: null, wait: NEVER, steering: false, speed: 0, yawRate: 0, wanted: [0, 0] });
  }

  /** Ask for a clip; `once`: for one cycle of it. */
  play(clip, once = false) {
    Object.assign(this, { steering: false, target: clip, once, then: null });
    this.#travel();
  }

  /** Go on with `segment` at once; the clip that was wanted follows when its clip is over. */
  interrupt(segment) {
    if (this.library.clips[this.target].loop && !this.once) this.then = this.target;
    Object.assign(this, { now: segment, next: null, wait: NEVER, target: segment.clip, once: true });
  }

  /** Ask for a speed [m/s] and a yaw rate [rad/s] of the gaits. */
  steer(speed, yawRate) {
    if (!Number.isFinite(speed) || !Number.isFinite(yawRate)) throw new Error(`steer needs two finite numbers, not ${speed}, ${yawRate}`);
    if (!this.library.gaits.length) throw new Error("this library has no two gaits, so it cannot be steered");
    this.wanted = [speed, yawRate];
    if (this.steering) return;
    const [here, later] = [this.now.at(0), this.now.at(0.5)];
    const fastest = this.library.speed(this.library.gaits.at(-1));
    const speedNow = Math.min(2 * Math.hypot(later.pos[0] - here.pos[0], later.pos[1] - here.pos[1]), fastest);
    const { lower, upper, weight } = this.#gait(speedNow, 0);
    this.play(weight < 0.5 ? lower : upper);
    Object.assign(this, { steering: true, speed: this.library.speed(this.target), yawRate: 0 });
  }

  /** The reference {pos, quat, pose, heading} so many seconds from now, a coming switch included. */
  at(ahead) {
    const switchS = this.wait * this.library.numbers.step_s;
    return ahead + 1e-9 >= switchS ? this.next.at(Math.max(ahead - switchS, 0)) : this.now.at(ahead);
  }

  /** One control step on; place and heading of the reference follow the simulated root [x, y] and its quaternion slowly. */
  advance(root, quat) {
    this.now.advance(this.library.numbers.step_s);
    this.wait -= 1;
    if (this.wait <= 0) this.#enter();
    this.#follow(root, quat);
    if (this.left < this.library.numbers.leave_s && !this.next) {
      Object.assign(this, { target: this.then ?? this.library.numbers.rest, once: false, then: null });
      this.#travel();
    }
    if (this.steering && !this.next && this.library.gaits.includes(this.now.clip)) this.#followStick();
  }

  /** Time [s] until the wanted clip has been played; infinite if it is not left. */
  get left() {
    const { now, once, library } = this;
    const { loop } = library.clips[now.clip];
    if (now.clip !== this.target || !(once || !loop)) return Infinity;
    return loop ? now.period - now.age : (1 - now.phase) * now.period;
  }

  #follow(root, quat) {
    const { step_s: dt, follow_s: follow } = this.library.numbers;
    const share = 1 - Math.exp(-dt / follow);
    const [w, , , z] = mul(quat, conj(this.now.at(0).quat));
    const angle = 2 * Math.atan2(z, w);
    const turn = share * Math.atan2(Math.sin(angle), Math.cos(angle));
    const { now, next } = this;
    const away = next && turned(next.place.map((x, k) => x - now.place[k]), turn);
    now.place = now.place.map((x, k) => x + share * (root[k] - x));
    now.yaw += turn;
    if (next) Object.assign(next, { place: now.place.map((x, k) => x + away[k]), yaw: next.yaw + turn });
  }

  /** Plan the next jump on the way to the target; a jump already planned is replaced. */
  #travel(soonest = 0) {
    const { now, library, target } = this;
    const { step_s: dt, difference_s: step, pure } = library.numbers;
    const shift = (k) => library.clips[k].shift;
    const leaving = now.weight < 0.5 ? now.clip : now.other;
    const unchanged = (now.weight < pure || now.weight > 1 - pure) && now.scale === 1 && now.yawRate === 0;
    Object.assign(this, { next: null, wait: NEVER });
    if (leaving === target && unchanged) return;
    const phase = now.weight < 0.5 ? now.phase : wrapped(now.phase + shift(now.other) - shift(now.clip));
    const jump = library.jump(leaving, phase, target, soonest);
    jump.wait += Math.ceil(now.hold / dt - 1e-3); // while a clip is held, its phase stays
    this.next = new Segment(library, jump.clip, jump.phase);
    this.next.join([now.at(jump.wait * dt), now.at(jump.wait * dt + step)]);
    this.wait = jump.wait;
    if (this.wait === 0) this.#enter();
  }

  /** Enter the next segment; if that is only on the way, plan the jump after it. */
  #enter() {
    Object.assign(this, { now: this.next, next: null, wait: NEVER });
    if (this.steering) this.speed = this.library.speed(this.now.clip);
    if (this.now.clip !== this.target) this.#travel(this.library.numbers.settle_steps);
  }

  #followStick() {
    const { step_s: dt, acceleration, turning } = this.library.numbers;
    this.speed += clamp(this.wanted[0] - this.speed, -acceleration * dt, acceleration * dt);
    this.yawRate += clamp(this.wanted[1] - this.yawRate, -turning * dt, turning * dt);
    const { lower, upper, weight, scale, rate } = this.#gait(this.speed, this.yawRate);
    const { now } = this;
    const { clips } = this.library;
    const phase = wrapped(now.phase + clips[lower].shift - clips[now.clip].shift);
    this.target = lower;
    Object.assign(now, { phase, clip: lower, other: upper, weight, scale, rate, yawRate: this.yawRate });
  }

  /** The two gaits to blend, the share of the second, the factor on displacement and that on time. */
  #gait(speed, yawRate) {
    const { library } = this;
    const { gaits, clips, numbers } = library;
    const own = gaits.map((k) => library.speed(k));
    const stepping = Math.max(speed, numbers.steps_of_turning * Math.abs(yawRate));
    const within = Math.min(stepping, own.at(-1));
    const above = own.findIndex((v) => v >= within);
    const i = clamp(above - 1, 0, gaits.length - 2);
    const [stride, nextStride] = [i, i + 1].map((n) => Math.hypot(...clips[gaits[n]].travel));
    const [time, nextTime] = [i, i + 1].map((n) => clips[gaits[n]].seconds);
    const weight = (within * time - stride) / (nextStride - stride - within * (nextTime - time));
    return {
      lower: gaits[i], upper: gaits[i + 1], weight: clamp(weight, 0, 1),
      scale: stepping > 1e-6 ? Math.min(speed, stepping) / stepping : 1,
      rate: clamp(stepping / own.at(-1), 1, numbers.fastest),
    };
  }
}

function roundHalfEven(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 ? low + 1 : low;
}
