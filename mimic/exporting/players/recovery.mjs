/**
 * Getting up in JavaScript (mimic/motion_graph/recovery.py): a character that is down enters a getup clip at the lying
 * pose nearest to its own, after the best turn about the vertical. SPDX: Apache-2.0
 */
import { Segment } from "./conductor.mjs";
import { conj, mul, normalize, quatAt, toRotvec, yawQuat } from "./mimic.mjs";

export class Recovery {
  /** `controller`: a LibraryController, whose library has getup clips. */
  constructor(controller) {
    const { library } = controller;
    const { getups, lying_m: lying, every_s: every } = library.recovery;
    Object.assign(this, { controller, library, poses: [] });
    for (const clip of getups) {
      const { first, rows, seconds } = library.clips[clip];
      const apart = Math.max(1, Math.round((every / seconds) * (rows - 1)));
      for (let k = 0; k < rows; k += apart) {
        const row = library.row(first + k);
        if (row[2] < lying) this.poses.push({ clip, phase: k / (rows - 1), row, bodies: this.#bodies(controller.qposOf(poseOf(row))) });
      }
    }
  }

  /** The segment that begins in the pose `qpos` and gets up. */
  gettingUp(qpos) {
    const ours = this.#bodies(qpos);
    let best = { cost: Infinity };
    for (const pose of this.poses) {
      let [dot, cross, cost] = [0, 0, 0];
      pose.bodies.forEach(([x, y, z], b) => {
        const [u, v, w] = ours[b];
        dot += x * u + y * v;
        cross += x * v - y * u;
        cost += x * x + y * y + u * u + v * v + (z - w) ** 2;
      });
      cost -= 2 * Math.hypot(dot, cross);
      if (cost < best.cost) best = { cost, pose, yaw: Math.atan2(cross, dot) };
    }
    const { pose: { clip, phase, row }, yaw } = best;
    const { settle_s: hold, half_life_s: halfLife } = this.library.recovery;
    const own = mul(conj(yawQuat(yaw)), quatAt(qpos, 3));
    const turned = toRotvec(mul(own, conj(normalize(row.slice(3, 7)))));
    const targets = this.#targets(qpos).map((x, k) => x - row[7 + k]);
    const segment = new Segment(this.library, clip, phase);
    return Object.assign(segment, { place: [qpos[0], qpos[1]], yaw, hold, halfLife, offset: [qpos[2] - row[2], ...turned, ...targets] });
  }

  /** Positions of the bodies: relative to the root in the plane, and above the ground. */
  #bodies(qpos) {
    return this.controller.kinematics(qpos).pos.map(([x, y, z]) => [x, y, z + qpos[2]]);
  }

  #targets(qpos) {
    const { joints } = this.controller.skeleton;
    const out = new Array(this.library.width - 8).fill(0);
    for (const { kind, dof, qpos: at } of joints) {
      const own = kind === "ball" ? toRotvec(quatAt(qpos, at)) : [qpos[at]];
      own.forEach((x, k) => (out[dof + k] = x));
    }
    return out;
  }
}

function poseOf(row) {
  return { pos: row.slice(0, 3), quat: normalize(row.slice(3, 7)), pose: row.slice(7, -1) };
}
