/**
 * mimic controller bundles in JavaScript: one module, no dependencies, for browsers and Node. SPDX: Apache-2.0
 *
 *     import { loadController } from "./mimic.mjs";
 *     const c = await loadController(async (name) => (await fetch(`bundle/${name}`)).arrayBuffer());
 *     let { qpos, qvel, clock } = c.startState(0);       // put qpos and qvel into your MuJoCo
 *     // every c.controlDt seconds:
 *     const target = c.control(qpos, qvel, clock);       // = c.target(c.act(c.observe(qpos, qvel, clock)), clock)
 *     for (let i = 0; i < c.substeps; i++) {             // every c.simDt seconds
 *       data.ctrl.set(c.motors(target, data.qpos, data.qvel));
 *       mujoco.mj_step(model, data);
 *     }
 *     c.advance(clock, data.qpos);                       // true: a clip that does not loop is over
 *
 * State is MuJoCo's: qpos (nq) and qvel (nv) as skeleton.json says, z up, metres, radians, quaternions wxyz; any array
 * will do. A clock is {clipTime [s], origin [x, y, z in m], yaw [rad]}: where in the clip we are, and where the clip
 * lies in the world. Everything is computed in double precision from float32 numbers.
 *
 *   loadController(read)           read(name) gives (a promise of) the bytes of a file of the bundle
 *   c.startState(clipTime, origin, yaw)  state and clock of the clip at a moment, to the nearest frame of reference.json
 *   c.observe(qpos, qvel, clock)   Float64Array (c.obsDim)
 *   c.act(observation)             Float64Array (c.actDim), the policy's action
 *   c.target(action, clock)        Float64Array (c.actDim) [rad]: rotation vectors of ball joints, angles of hinges
 *   c.motors(target, qpos, qvel)   Float64Array (c.actDim) [N m] for the motors of character.xml; call at every physics
 *                                  step. The engine must damp every joint by kd and give it its armature, as character.xml does.
 *   c.advance(clock, qpos)         one control step on; closes cycles as the task says
 *   c.referencePose(clock)         Float64Array (nq): the clip's own pose now, for a ghost beside the simulation
 *   c.fallen(qpos)                 name of a body that touches the ground and must not, or null
 *   c.skeleton, c.controlConfig, c.observationConfig, c.reference   the JSON files
 */

export const SCHEMA_VERSION = 1;

const JSON_FILES = ["skeleton", "control", "observation", "weights"];

export async function loadController(read) {
  const { parts, weights, tables } = await readParts(read, SCHEMA_VERSION, "reference");
  return new Controller(parts, weights, tables);
}

/** The JSON files of a bundle, and the tensors of the policy and of `motion` (reference or library). */
export async function readParts(read, version, motion) {
  const parts = {};
  for (const name of [...JSON_FILES, motion]) {
    const part = JSON.parse(new TextDecoder().decode(await read(`${name}.json`)));
    if (part.schema_version !== version)
      throw new Error(`${name}.json: schema version ${part.schema_version}, this module reads ${version}`);
    parts[name] = part;
  }
  const weights = unpack(parts.weights.tensors, await read("weights.bin"), "weights.bin");
  const tables = unpack(parts[motion].tensors, await read(`${motion}.bin`), `${motion}.bin`);
  return { parts, weights, tables };
}

/** name -> {data: Float32Array, shape}; copies, so that any offset will do. */
function unpack(index, bytes, file) {
  const view = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  const found = {};
  for (const [name, { offset, shape }] of Object.entries(index)) {
    const count = shape.reduce((a, b) => a * b, 1);
    if (!(offset >= 0 && offset + 4 * count <= view.byteLength)) throw new Error(`${file}: too short for ${name}`);
    const data = new Float32Array(Uint8Array.prototype.slice.call(view, offset, offset + 4 * count).buffer) // a Buffer's own slice copies nothing;
    found[name] = { data, shape };
  }
  return found;
}

export class Controller {
  constructor({ skeleton, control, observation, weights, reference }, tensors, table) {
    Object.assign(this, { skeleton, reference, tensors, table });
    this.controlConfig = control;
    this.observationConfig = observation;
    this.controlDt = control.control_dt;
    this.simDt = control.sim_dt;
    this.substeps = control.substeps;
    this.obsDim = observation.dim;
    this.actDim = skeleton.num_actuated;
    this.layers = weights.layers;
    for (const field of observation.fields)
      if (!(field.name in FIELDS)) throw new Error(`observation.json: field '${field.name}' is unknown to this module`);
  }

  startState(clipTime = 0, origin = [0, 0, 0], yaw = 0) {
    const { clip_fps: fps, clip_frames: frames } = this.reference;
    const frame = Math.min(Math.max(Math.round(clipTime * fps), 0), frames - 1);
    const { nq, nv } = this.skeleton;
    const qpos = Float64Array.from(this.table["clip.qpos"].data.subarray(frame * nq, (frame + 1) * nq));
    const qvel = Float64Array.from(this.table["clip.qvel"].data.subarray(frame * nv, (frame + 1) * nv));
    const clock = { clipTime: Math.min(frame / fps, this.reference.duration), origin: [...origin], yaw };
    const turn = yawQuat(yaw);
    qpos.set(add(rotate(turn, qpos.subarray(0, 3)), origin), 0);
    qpos.set(mul(turn, normalize(qpos.subarray(3, 7))), 3);
    qvel.set(rotate(turn, qvel.subarray(0, 3)), 0);
    return { qpos, qvel, clock };
  }

  control(qpos, qvel, clock) {
    return this.target(this.act(this.observe(qpos, qvel, clock)), clock);
  }

  observe(qpos, qvel, clock) {
    const seen = new Seen(this, qpos, qvel, this.look(clock));
    const out = new Float64Array(this.obsDim);
    for (const { name, start, length } of this.observationConfig.fields) {
      const values = FIELDS[name](seen);
      if (values.length !== length) throw new Error(`observation.json: field '${name}' has not ${length} numbers`);
      out.set(values, start);
    }
    return out;
  }

  /** What the policy sees of the clip: its yaw [rad], the phase, and the poses ahead. */
  look(clock) {
    const targets = this.observationConfig.target_steps.map((steps) => {
      const { clipTime, origin, yaw } = this.ahead(clock, steps * this.controlDt);
      return { ...this.root(clipTime, origin, yaw), pose: this.lookUp("pd_target", clipTime) };
    });
    return { yaw: clock.yaw, phase: clock.clipTime / this.reference.duration, targets };
  }

  act(observation) {
    const { shift, scale, bound } = this.tensors;
    let x = new Float64Array(this.obsDim);
    for (let i = 0; i < x.length; i++) {
      const limit = bound.data[i];
      x[i] = Math.max(-limit, Math.min(limit, (observation[i] - shift.data[i]) * scale.data[i]));
    }
    for (let layer = 0; layer < this.layers; layer++) {
      const weight = this.tensors[`weight.${layer}`];
      const bias = this.tensors[`bias.${layer}`].data;
      const [outputs, inputs] = weight.shape;
      const y = new Float64Array(outputs);
      for (let o = 0; o < outputs; o++) {
        let sum = bias[o];
        for (let i = 0, at = o * inputs; i < inputs; i++) sum += weight.data[at + i] * x[i];
        y[o] = layer < this.layers - 1 && sum < 0 ? 0 : sum;
      }
      x = y;
    }
    return x;
  }

  target(action, clock) {
    const { mode, scale, offset } = this.controlConfig.action;
    const base = mode === "reference" ? this.base(clock) : offset;
    return Float64Array.from(action, (a, i) => base[i] + scale[i] * a);
  }

  /** The reference's pose as servo targets, as far ahead as the servo lags. */
  base(clock) {
    return this.lookUp("pd_target", this.ahead(clock, this.controlConfig.action.lead_s).clipTime);
  }

  motors(target, qpos, qvel) {
    const out = new Float64Array(this.actDim);
    this.skeleton.joints.forEach((joint, j) => {
      const { kp, kd, torque_limit: limit } = this.controlConfig.joints[j];
      const velocity = qvel.subarray ? qvel.subarray(joint.qvel, joint.qvel + joint.dofs) : qvel.slice(joint.qvel, joint.qvel + joint.dofs);
      const goal = target.slice(joint.dof, joint.dof + joint.dofs);
      const error = joint.kind === "ball" ? toRotvec(mul(conj(quatAt(qpos, joint.qpos)), fromRotvec(goal))) : [goal[0] - qpos[joint.qpos]];
      const wanted = error.map((e, k) => kp * e - kd * velocity[k]);
      const share = limit / Math.max(limit, Math.hypot(...wanted));
      wanted.forEach((w, k) => (out[joint.dof + k] = w * share + kd * velocity[k]));
    });
    return out;
  }

  advance(clock, qpos) {
    const { duration, loop } = this.reference;
    const task = this.controlConfig.task;
    clock.clipTime += this.controlDt;
    if (!loop) {
      clock.clipTime = Math.min(clock.clipTime, duration);
      return clock.clipTime >= duration - 1e-9;
    }
    if (clock.clipTime < duration) return false;
    Object.assign(clock, this.nextCycle(clock));
    if (task.sync_root_yaw) clock.yaw = heading(quatAt(qpos, 3)) - heading(this.root(clock.clipTime, [0, 0, 0], 0).quat);
    if (task.sync_root_pos) {
      const { pos } = this.root(clock.clipTime, [0, 0, 0], clock.yaw);
      clock.origin = [qpos[0] - pos[0], qpos[1] - pos[1], 0];
    }
    return false;
  }

  referencePose(clock) {
    return this.qposOf({ ...this.root(clock.clipTime, clock.origin, clock.yaw), pose: this.lookUp("pd_target", clock.clipTime) });
  }

  /** A pose {pos, quat, pose as servo targets} in the layout of qpos. */
  qposOf({ pos, quat, pose }) {
    const qpos = new Float64Array(this.skeleton.nq);
    qpos.set(pos, 0);
    qpos.set(quat, 3);
    for (const joint of this.skeleton.joints) {
      if (joint.kind === "ball") qpos.set(fromRotvec(pose.slice(joint.dof, joint.dof + 3)), joint.qpos);
      else qpos[joint.qpos] = pose[joint.dof];
    }
    return qpos;
  }

  fallen(qpos) {
    return this.touching(qpos, this.controlConfig.task.fallen_if_below_ground);
  }

  /** The first of the bodies `names` that touches the ground, or null. */
  touching(qpos, names) {
    const { contact_height: height } = this.controlConfig.task;
    if (!names.length) return null;
    const heights = this.heights(qpos);
    return this.skeleton.bodies.map(({ name }) => name).find((name) => names.includes(name) && heights[name] < height) ?? null;
  }

  /** Height [m] of the lowest point of each body, by name. */
  heights(qpos) {
    const { pos, quat } = this.kinematics(qpos);
    const root = qpos.slice(0, 3);
    return Object.fromEntries(this.skeleton.bodies.map(({ name, geom }, b) => [name, lowest(geom, add(pos[b], root), quat[b])]));
  }

  /** The clock so many seconds from now, as far as can be foreseen. */
  ahead(clock, seconds) {
    const { duration, loop } = this.reference;
    let later = { ...clock, clipTime: clock.clipTime + seconds };
    if (!loop) return { ...later, clipTime: Math.min(later.clipTime, duration) };
    for (let i = Math.ceil(seconds / duration) + 1; i > 0 && later.clipTime >= duration; i--) later = this.nextCycle(later);
    return later;
  }

  nextCycle({ clipTime, origin, yaw }) {
    const { displacement, first_pos: first, yaw: turn } = this.reference.cycle;
    const end = rotate(yawQuat(yaw), add(first, displacement));
    const start = rotate(yawQuat(yaw + turn), first);
    return { clipTime: clipTime - this.reference.duration, origin: sub(add(end, origin), start), yaw: yaw + turn };
  }

  /** Root of the clip in the world. */
  root(clipTime, origin, yaw) {
    const turn = yawQuat(yaw);
    return {
      pos: add(rotate(turn, this.lookUp("root_pos", clipTime)), origin),
      quat: mul(turn, normalize(this.lookUp("root_quat", clipTime))),
    };
  }

  lookUp(name, clipTime) {
    const { rate, rows } = this.reference.table;
    const { data, shape } = this.table[`table.${name}`];
    const x = clipTime * rate;
    const row = Math.min(Math.max(Math.floor(x), 0), rows - 2);
    const at = row * shape[1];
    return Array.from({ length: shape[1] }, (_, k) => data[at + k] + (x - row) * (data[at + shape[1] + k] - data[at + k]));
  }

  /** Per body: pos from the root and quat in the world; with qvel also linvel and angvel in the world. */
  kinematics(qpos, qvel) {
    const { bodies, joints } = this.skeleton;
    const pos = [], quat = [], linvel = [], angvel = [];
    bodies.forEach((body, b) => {
      if (body.parent < 0) {
        pos.push([0, 0, 0]);
        quat.push(quatAt(qpos, 3));
        if (qvel) linvel.push([qvel[0], qvel[1], qvel[2]]), angvel.push(rotate(quat[0], [qvel[3], qvel[4], qvel[5]]));
        return;
      }
      const p = body.parent;
      const joint = body.joint < 0 ? null : joints[body.joint];
      const arm = rotate(quat[p], body.offset);
      pos.push(add(pos[p], arm));
      quat.push(joint ? mul(quat[p], jointQuat(joint, qpos)) : quat[p]);
      if (!qvel) return;
      linvel.push(add(linvel[p], cross(angvel[p], arm)));
      const spin = !joint ? [0, 0, 0] : joint.kind === "ball" ? [0, 1, 2].map((k) => qvel[joint.qvel + k]) : joint.axis.map((a) => a * qvel[joint.qvel]);
      angvel.push(add(angvel[p], rotate(quat[b], spin)));
    });
    return { pos, quat, linvel, angvel };
  }
}

/** What the fields of an observation look at. */
class Seen {
  constructor(controller, qpos, qvel, { yaw, phase, targets }) {
    Object.assign(this, { controller, qpos, qvel, phase, targets });
    this.rootQuat = quatAt(qpos, 3);
    this.turn = yawQuat(yaw);
    this.linkTurn = controller.observationConfig.frame === "heading" ? yawQuat(heading(this.rootQuat)) : this.turn;
    this.bodies = controller.kinematics(qpos, qvel);
    this.arms = controller.skeleton.bodies.map((body, b) => rotate(this.bodies.quat[b], body.com));
  }

  comVelocity(b) {
    return add(this.bodies.linvel[b], cross(this.bodies.angvel[b], this.arms[b]));
  }
}

const FIELDS = {
  phase: (s) => [2 * s.phase - 1],
  phase_circle: (s) => [Math.sin(2 * Math.PI * s.phase), Math.cos(2 * Math.PI * s.phase)],
  root_height: (s) => [s.qpos[2]],
  root_rot: (s) => rot6(mul(conj(s.turn), s.rootQuat)),
  root_linvel: (s) => rotateBack(s.turn, s.bodies.linvel[0]),
  root_angvel: (s) => rotateBack(s.turn, s.bodies.angvel[0]),
  joint_rot: (s) => s.controller.skeleton.joints.flatMap((joint) => rot6(jointQuat(joint, s.qpos))),
  joint_vel: (s) => Array.from(s.qvel).slice(6),
  body_pos: (s) => s.bodies.pos.slice(1).flatMap((pos) => rotateBack(s.linkTurn, pos)),
  link_pos: (s) => s.bodies.pos.flatMap((pos, b) => rotateBack(s.linkTurn, add(pos, s.arms[b]))),
  link_rot: (s) => s.bodies.quat.flatMap((quat, b) => rot6(mul(conj(b ? s.linkTurn : s.turn), quat))),
  link_linvel: (s) => s.bodies.pos.flatMap((_, b) => rotateBack(b ? s.linkTurn : s.turn, s.comVelocity(b))),
  link_angvel: (s) => s.bodies.angvel.flatMap((spin, b) => rotateBack(b ? s.linkTurn : s.turn, spin)),
  target_root: (s) =>
    s.targets.flatMap(({ pos, quat }) => [...rotateBack(s.turn, sub(pos, s.qpos)), ...rot6(mul(conj(s.turn), quat))]),
  target_pose: (s) => s.targets.flatMap(({ pose }) => pose),
};

/** Height of the lowest point of a primitive. */
function lowest(geom, pos, quat) {
  const centre = add(pos, rotate(quat, geom.pos));
  const turn = mul(quat, geom.quat);
  const half = geom.shape === "box" ? geom.size : geom.shape === "capsule" ? [0, 0, geom.size[1]] : [0, 0, 0];
  const reach = half.reduce((sum, h, k) => sum + h * Math.abs(rotate(turn, [+(k === 0), +(k === 1), +(k === 2)])[2]), 0);
  return centre[2] - reach - (geom.shape === "box" ? 0 : geom.size[0]);
}

// Vectors and quaternions (wxyz) as plain arrays.
export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const conj = (q) => [q[0], -q[1], -q[2], -q[3]];
export const quatAt = (array, at) => [array[at], array[at + 1], array[at + 2], array[at + 3]];
export const yawQuat = (yaw) => [Math.cos(yaw / 2), 0, 0, Math.sin(yaw / 2)];
export const heading = ([w, x, y, z]) => Math.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z));
export const rotateBack = (q, v) => rotate(conj(q), v);

export function mul(a, b) {
  return [
    a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
    a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
    a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
    a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
  ];
}

export function rotate(q, v) {
  const axis = [q[1], q[2], q[3]];
  const t = cross(axis, v).map((x) => 2 * x);
  const u = cross(axis, t);
  return [v[0] + q[0] * t[0] + u[0], v[1] + q[0] * t[1] + u[1], v[2] + q[0] * t[2] + u[2]];
}

export function normalize(q) {
  const length = Math.hypot(...q);
  return Array.from(q, (x) => x / length);
}

export function fromRotvec(v) {
  const angle = Math.hypot(v[0], v[1], v[2]);
  const share = angle < 1e-12 ? 0.5 : Math.sin(angle / 2) / angle;
  return [Math.cos(angle / 2), share * v[0], share * v[1], share * v[2]];
}

export function toRotvec(quat) {
  const [w, x, y, z] = quat[0] < 0 ? quat.map((k) => -k) : quat;
  const sine = Math.hypot(x, y, z);
  const share = sine < 1e-12 ? 2 : (2 * Math.atan2(sine, w)) / sine;
  return [share * x, share * y, share * z];
}

/** Images of the x and z axes. */
export function rot6([w, x, y, z]) {
  return [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y), 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)];
}

function jointQuat(joint, qpos) {
  if (joint.kind === "ball") return quatAt(qpos, joint.qpos);
  const half = qpos[joint.qpos] / 2;
  const sine = Math.sin(half);
  return [Math.cos(half), sine * joint.axis[0], sine * joint.axis[1], sine * joint.axis[2]];
}

/**
 * Into an engine's frame: convert(conventions.json's engines.unity, ...) and so on; `back` undoes it.
 * position [m] -> the engine's length units; rotation wxyz -> the engine's order; angular: rad/s, rotation vectors.
 */
export const convert = {
  position: (engine, v) => matmul(engine.position_matrix, v),
  positionBack: (engine, v) => matmul(engine.position_matrix_back, v),
  angular: (engine, v) => matmul(engine.angular_matrix, v),
  angularBack: (engine, v) => matmul(engine.angular_matrix_back, v),
  rotation(engine, [w, ...v]) {
    const turned = matmul(engine.angular_matrix, v);
    return engine.quaternion === "wxyz" ? [w, ...turned] : [...turned, w];
  },
  rotationBack(engine, q) {
    const [w, ...v] = engine.quaternion === "wxyz" ? q : [q[3], q[0], q[1], q[2]];
    return [w, ...matmul(engine.angular_matrix_back, v)];
  },
};

const matmul = (m, v) => m.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
