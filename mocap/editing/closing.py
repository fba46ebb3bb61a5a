"""Closes a motion into a cycle: measures the difference between its end and its start, and removes it in two ways.

``close_loop`` changes both ends and matches the velocity too; it is meant for recordings. ``blend_end`` changes the end
alone, so that the cycle starts exactly as it was simulated.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mimic.core.rotations import (
    heading_angle,
    quat_angle,
    quat_conj,
    quat_from_rotvec,
    quat_from_yaw,
    quat_mul,
    quat_normalize,
    quat_rotate_inverse,
    quat_to_rotvec,
)
from mocap.editing.cycles import FLAT, KEEPS_TURNING_RAD, extract_cycle
from mocap.motion import Motion

_BLEND_S = 0.3  # on each side of the seam
_BLEND_SHARE = 0.4  # of the cycle, at most
_END_SHARE = 0.3  # of the cycle: the part that ``blend_end`` changes
_CLOSED_DEG, _CLOSED_MM = 0.1, 0.1


@dataclass(frozen=True)
class Seam:
    """The differences between the last frame of a motion and its first.

    Attributes:
        joint: largest difference in rotation of any joint [rad].
        pose: largest difference in rotation of any joint, or of the root's tilt [rad].
        velocity: largest jump of a joint's velocity from the end to the start [rad/s], above that joint's largest jump
            between two frames; 0 if there is no such jump.
        turn: change of heading [rad].
        height: change of the root's height [m].
    """

    joint: float
    pose: float
    velocity: float
    turn: float
    height: float

    def to_json(self) -> dict[str, float]:
        """Return rounded values for JSON, under the names that scripts rely on."""
        return {
            "pose_deg": round(math.degrees(self.pose), 2),
            "velocity_rad_s": round(self.velocity, 2),
            "turn_deg": round(math.degrees(self.turn), 1),
            "height_mm": round(1000 * self.height, 1),
        }

    @property
    def closed(self) -> bool:
        """Whether the cycle is closed already: within 0.1 degrees and 0.1 mm, with no jump in velocity."""
        seam = self.to_json()
        return (
            seam["pose_deg"] < _CLOSED_DEG
            and seam["velocity_rad_s"] == 0.0
            and abs(seam["height_mm"]) < _CLOSED_MM
            and (seam["turn_deg"] == 0.0 or abs(seam["turn_deg"]) > math.degrees(KEEPS_TURNING_RAD))
        )


def seam_of(motion: Motion) -> Seam:
    """Measure the seam between the last and the first frame of a motion that is to become a cycle."""
    root, joints, dt = motion.root_quat_w, motion.joint_quat, motion.times.diff()
    yaw = heading_angle(quat_mul(root[-1], quat_conj(root[0])))
    end = quat_mul(quat_conj(quat_from_yaw(yaw)), root[-1])
    joint, tilt = quat_angle(joints[-1], joints[0]), quat_angle(end, root[0])
    velocity = quat_to_rotvec(quat_mul(quat_conj(joints[:-1]), joints[1:])) / dt[:, None, None]
    usual = velocity.diff(dim=0).norm(dim=-1).amax(0) if len(velocity) > 1 else torch.zeros(joints.shape[1])
    across = ((velocity[0] - velocity[-1]).norm(dim=-1) - usual).clamp_min(0.0)
    return Seam(
        joint=float(joint.max()),
        pose=max(float(joint.max()), float(tilt)),
        velocity=float(across.max()),
        turn=float(yaw),
        height=float(motion.root_pos_w[-1, 2] - motion.root_pos_w[0, 2]),
    )


def close_loop(motion: Motion) -> Motion:
    """Bend a motion so that its last frame has the pose, height and velocity of its first.

    Each end takes half of the difference, faded out over 0.3 s. Travel over the ground stays. The heading is closed too,
    unless the cycle turns by more than 20 degrees: such a cycle keeps turning. Of a motion that is closed already, only
    the last frame changes.
    """
    if seam_of(motion).closed:
        return extract_cycle(motion, motion, 0)
    steps, root, joints, pos = motion.times.diff(), motion.root_quat_w, motion.joint_quat, motion.root_pos_w
    yaw = heading_angle(quat_mul(root[-1], quat_conj(root[0])))
    turn = quat_from_yaw(yaw if abs(float(yaw)) > KEEPS_TURNING_RAD else torch.zeros_like(yaw))
    begin, end = _end_velocities(joints, steps, world_axes=False)
    joint_gap = quat_to_rotvec(quat_mul(quat_conj(joints[0]), joints[-1]))
    joint_fix = _fade(motion.times, joint_gap, end - begin)
    begin, end = _end_velocities(root, steps, world_axes=True)
    root_gap = quat_to_rotvec(quat_mul(quat_mul(quat_conj(turn), root[-1]), quat_conj(root[0])))
    root_fix = _fade(motion.times, root_gap, quat_rotate_inverse(turn, end) - begin)
    rate = quat_rotate_inverse(turn, (pos[-1] - pos[-2]) / steps[-1]) - (pos[1] - pos[0]) / steps[0]
    closed_pos = pos + _fade(motion.times, (pos[-1] - pos[0]) * (1 - FLAT), rate)
    closed_root = quat_normalize(quat_mul(quat_from_rotvec(root_fix), root))
    closed_joints = quat_normalize(quat_mul(joints, quat_from_rotvec(joint_fix)))
    closed_root[-1], closed_joints[-1] = quat_mul(turn, closed_root[0]), closed_joints[0]
    closed_pos[-1, 2] = closed_pos[0, 2]
    return replace(motion, root_pos_w=closed_pos, root_quat_w=closed_root, joint_quat=closed_joints, loop=True)


def blend_end(motion: Motion, turns: bool = False) -> Motion:
    """Bend the last 30 % of a motion so that it ends in the pose and at the height of its first frame.

    Travel over the ground stays; with ``turns`` the change of heading stays too.
    """
    share = ((motion.times / motion.duration - (1 - _END_SHARE)) / _END_SHARE).clamp(0, 1)
    weight = share.square() * (3 - 2 * share)
    root_goal = motion.root_quat_w[0]
    if turns:
        heading = heading_angle(motion.root_quat_w[[0, -1]])
        root_goal = quat_mul(quat_from_yaw(heading[1] - heading[0]), root_goal)
    lift = (motion.root_pos_w[0, 2] - motion.root_pos_w[-1, 2]) * weight
    return replace(
        motion,
        root_pos_w=motion.root_pos_w + lift[:, None] * (1 - FLAT),
        root_quat_w=_towards(motion.root_quat_w, root_goal, weight),
        joint_quat=_towards(motion.joint_quat, motion.joint_quat[0], weight[:, None]),
    )


def _fade(times: Tensor, gap: Tensor, rate: Tensor) -> Tensor:
    """Return corrections (T, ...) that remove the jump from the end to the start, at most 0.3 s long on each side.

    ``gap`` (...) is the value at the end minus that at the start, ``rate`` (...) the same for the velocity.
    """
    window = min(_BLEND_S, _BLEND_SHARE * float(times[-1]))
    shape = (-1,) + (1,) * gap.dim()
    since, until = times.view(shape), (times[-1] - times).view(shape)
    slope = rate / 2 * window
    return _hermite(since / window, gap / 2, slope) + _hermite(until / window, -gap / 2, slope)


def _hermite(u: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """Evaluate the cubic in ``u`` with this value and slope at 0, and with value and slope 0 at 1 and beyond."""
    u = u.clamp(0.0, 1.0)
    return value * (2 * u**3 - 3 * u**2 + 1) + slope * (u**3 - 2 * u**2 + u)


def _end_velocities(quat: Tensor, steps: Tensor, world_axes: bool) -> tuple[Tensor, Tensor]:
    """Return the angular velocities (..., 3) [rad/s] of the first and the last step, in world or in body axes.

    ``quat`` is (T, ..., 4), and ``steps`` (T - 1,) are the times between its frames [s].
    """
    found = []
    for a, b, dt in ((quat[0], quat[1], steps[0]), (quat[-2], quat[-1], steps[-1])):
        turned = quat_mul(b, quat_conj(a)) if world_axes else quat_mul(quat_conj(a), b)
        found.append(quat_to_rotvec(turned) / dt)
    return found[0], found[1]


def _towards(quat: Tensor, goal: Tensor, weight: Tensor) -> Tensor:
    """Turn ``quat`` (T, ..., 4) by the share ``weight`` (0 to 1) of the rotation from its last frame to ``goal``."""
    lack = quat_to_rotvec(quat_mul(quat_conj(quat[-1]), goal))
    turned = quat_mul(quat, quat_from_rotvec(weight[..., None] * lack))
    return quat_normalize(turned).contiguous()
