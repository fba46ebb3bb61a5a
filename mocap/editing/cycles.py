"""Finds a cycle in a motion, repeats a closed cycle, and extracts one cycle of many.

A cycle's last frame is the first frame of the next cycle. The step from a cycle to the next is a turn about z, then a
displacement over the ground.
"""

from dataclasses import replace

import torch
from torch import Tensor

from characters.character import Character
from mimic.core.errors import ClipError, InputError
from mimic.core.rotations import (
    heading_angle,
    quat_angle,
    quat_conj,
    quat_from_yaw,
    quat_mul,
    quat_rotate,
    quat_rotate_inverse,
    quat_to_rotvec,
)
from mocap.editing.resampling import resample_at
from mocap.motion import Motion, check_character
from mocap.skeleton import character_motion_as_skeleton

FLAT = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)  # keeps what is horizontal
KEEPS_TURNING_RAD = torch.pi / 9  # a cycle that turns by more goes on turning
_SHORTEST_S = 0.4  # of a cycle
_SEARCH_HZ = 30.0
_VELOCITY_S = 0.15  # a difference of velocity counts as that of the poses it makes in this time
_AS_GOOD = 1.3  # times the least difference
_FRAMES_PER_S = 120


def find_cycle(motion: Motion, character: Character) -> tuple[int, int]:
    """Return the first and last frame of the cycle whose ends are most alike in pose and velocity of all bodies.

    The shortest is taken of all cycles whose difference is at most 1.3 times the least. A cycle lasts at least 0.4 s.

    Raises:
        ClipError: the motion is too short to contain a cycle, or belongs to another character.
    """
    stride = max(1, round(motion.fps / _SEARCH_HZ))
    frames = torch.arange(0, motion.num_frames, stride)
    shortest = int(_SHORTEST_S * motion.fps / stride) + 1
    if len(frames) <= shortest + 2:
        raise ClipError(f"{motion.name}: {motion.duration:.2f} s are too short to find a cycle of {_SHORTEST_S} s in")
    features = _pose_features(motion, character)[frames]
    distance = torch.cdist(features, features)
    near_diagonal = torch.ones_like(distance, dtype=torch.bool).tril(shortest - 1)
    distance = distance.masked_fill(near_diagonal, torch.inf)
    length = frames[None] - frames[:, None]
    best = length.where(distance <= _AS_GOOD * distance.min(), motion.num_frames).argmin()
    first, last = divmod(int(best), len(frames))
    return int(frames[first]), int(frames[last])


def best_cycle(motion: Motion, character: Character, cycle_s: float) -> Motion:
    """Return the cycle whose end is most like its start, of a simulated motion with cycles of ``cycle_s`` [s].

    The first cycle is taken only if there is no other, because it starts in the clip's pose, not in a simulated one.

    Raises:
        InputError: the motion contains no whole cycle, or belongs to another character.
    """
    check_character(motion, character)
    count = int(motion.duration / cycle_s + 1e-6)
    if count < 1:
        raise InputError(
            f"{motion.name}: {motion.duration:.2f} s of simulation contain no cycle of {cycle_s:.2f} s; "
            "--seconds exports the motion without closing it"
        )
    frames = max(2, int(torch.tensor(cycle_s * _FRAMES_PER_S).round()))
    share = torch.linspace(0, cycle_s, frames + 1, dtype=torch.float64)
    starts = range(1, count) if count > 1 else range(1)
    cycles = [resample_at(motion, (k * cycle_s + share).clamp(max=motion.duration)) for k in starts]
    return min((replace(cycle, loop=True, times=share) for cycle in cycles), key=_mismatch)


def repeat_cycles(motion: Motion, cycles: int, turns: bool = True) -> Motion:
    """Repeat a closed cycle; each starts where the previous one ended, and with ``turns`` at the heading of that end."""
    last = motion.num_frames - 1
    step = _step_between_cycles(motion, turns)
    rows = torch.arange(cycles * last + 1)
    cycle, frame = rows // last, rows % last
    pos, quat = motion.root_pos_w[frame], motion.root_quat_w[frame]
    for k in range(1, cycles + 1):
        later = (cycle >= k)[:, None]
        moved_pos, moved_quat = _moved(step, pos, quat)
        pos, quat = torch.where(later, moved_pos, pos), torch.where(later, moved_quat, quat)
    return replace(
        motion,
        times=motion.times[frame] + cycle.double() * motion.duration,
        root_pos_w=pos,
        root_quat_w=quat,
        joint_quat=motion.joint_quat[frame],
        loop=False,
    )


def extract_cycle(motion: Motion, like: Motion, cycles: int) -> Motion:
    """Move a cycle ``motion`` back over the ``cycles`` cycles before it, and close it exactly.

    ``motion`` was cut from a repetition of the cycle ``like``, which is also the step that it is moved by. Its last frame
    becomes its first frame, one such step ahead.
    """
    turn, along = step = _step_between_cycles(like, turns=True)
    pos, quat, joints = motion.root_pos_w.clone(), motion.root_quat_w.clone(), motion.joint_quat.clone()
    back = quat_conj(turn), -quat_rotate_inverse(turn, along)
    for _ in range(cycles):
        pos, quat = _moved(back, pos, quat)
    pos[-1:], quat[-1:] = _moved(step, pos[:1], quat[:1])
    joints[-1] = joints[0]
    return replace(motion, root_pos_w=pos, root_quat_w=quat, joint_quat=joints, loop=True)


def heading_change(motion: Motion) -> float:
    """Return the heading's change [rad] from the first frame to the last, positive to the left, at most half a turn."""
    return float(_heading_between(motion))


def keeps_turning(motion: Motion) -> bool:
    """Whether a cycle turns by more than 20 degrees, so that the next cycle begins at the heading of its end."""
    return abs(heading_change(motion)) > KEEPS_TURNING_RAD


def _pose_features(motion: Motion, character: Character) -> Tensor:
    """Return (T, 6 B): positions [m] of all bodies in the root's heading frame, then their velocities times 0.15 s."""
    bodies = character_motion_as_skeleton(motion, character).positions_w()
    heading = quat_from_yaw(heading_angle(motion.root_quat_w))[:, None]
    local = quat_rotate_inverse(heading, bodies - motion.root_pos_w[:, None])
    local[..., 2] += motion.root_pos_w[:, None, 2]
    velocity = torch.gradient(local, spacing=(motion.times,), dim=0)[0]
    return torch.cat((local.flatten(1), _VELOCITY_S * velocity.flatten(1)), 1)


def _heading_between(motion: Motion) -> Tensor:
    return heading_angle(quat_mul(motion.root_quat_w[-1], quat_conj(motion.root_quat_w[0])))


def _step_between_cycles(motion: Motion, turns: bool) -> tuple[Tensor, Tensor]:
    """Return the step from a closed cycle's first frame to its last: a turn about z (4,), a displacement (3,) [m]."""
    yaw = _heading_between(motion)
    turn = quat_from_yaw(yaw if turns else torch.zeros_like(yaw))
    pos = motion.root_pos_w
    return turn, (pos[-1] - quat_rotate(turn, pos[0])) * FLAT


def _moved(step: tuple[Tensor, Tensor], pos: Tensor, quat: Tensor) -> tuple[Tensor, Tensor]:
    turn, along = step
    return quat_rotate(turn.expand(len(pos), 4), pos) + along, quat_mul(turn.expand_as(quat), quat)


def _mismatch(cycle: Motion) -> float:
    """Return the weighted squared differences between a cycle's end and start, in pose, velocity and height."""
    joint, root, pos = cycle.joint_quat, cycle.root_quat_w, cycle.root_pos_w
    pose = quat_angle(joint[-1], joint[0]).square().sum() + quat_angle(root[-1], root[0]).square()
    rate = 1.0 / float(cycle.times[1])
    first = quat_to_rotvec(quat_mul(quat_conj(joint[0]), joint[1])) * rate
    last = quat_to_rotvec(quat_mul(quat_conj(joint[-2]), joint[-1])) * rate
    return float(pose + 0.01 * (first - last).square().sum() + 10 * (pos[-1, 2] - pos[0, 2]).square())
