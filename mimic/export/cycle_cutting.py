"""Motions cut for an animator: at any frame rate, as a cycle that closes, in place."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from characters import Character
from mimic.core.errors import InputError
from mimic.core.rotations import (
    heading_angle,
    quat_angle,
    quat_conj,
    quat_from_rotvec,
    quat_from_yaw,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_to_rotvec,
)
from mocap.motion import Motion, check_character

BLEND = 0.3  # of a cycle: its last part makes up for what the seam misses
_FLAT = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)


@dataclass(frozen=True)
class Seam:
    """What the end of a cycle missed its start by, before it was closed: the worst joint [rad], the root's height [m]."""

    joint: float
    height: float


def resample(motion: Motion, character: Character, fps: float) -> Motion:
    """The motion at ``fps`` [1/s], evenly. A cycle becomes a whole number of frames, by up to half a frame longer or
    shorter; any other motion ends with the last whole frame.

    Raises:
        InputError: the motion is shorter than a frame, or is not one of this character.
    """
    check_character(motion, character)
    frames = motion.duration * fps
    count = round(frames) if motion.loop else int(frames + 1e-6)
    if count < 1:
        raise InputError(f"{motion.name}: {motion.duration:.3f} s is less than a frame at {fps:g} frames/s")
    step = motion.duration / count if motion.loop else 1.0 / fps
    at = (torch.arange(count + 1, dtype=torch.float64) * step).clamp(max=motion.duration)
    return replace(motion.resampled(at), times=torch.arange(count + 1, dtype=torch.float64) / fps)


def best_cycle(motion: Motion, character: Character, cycle_s: float) -> Motion:
    """Of the whole cycles of a motion that starts with one, the cycle whose end meets its start best.

    The first cycle counts only where there is no other: the start is the clip's, not yet the simulation's.

    Raises:
        InputError: there is no whole cycle, or the motion is not one of this character.
    """
    check_character(motion, character)
    count = int(motion.duration / cycle_s + 1e-6)
    if count < 1:
        raise InputError(
            f"{motion.name}: {motion.duration:.2f} s of simulation hold no cycle of {cycle_s:.2f} s; "
            "--seconds exports what there is"
        )
    frames = max(2, int(torch.tensor(cycle_s * 120).round()))
    share = torch.linspace(0, cycle_s, frames + 1, dtype=torch.float64)
    starts = range(1, count) if count > 1 else range(1)
    cycles = [motion.resampled((k * cycle_s + share).clamp(max=motion.duration)) for k in starts]
    return min((replace(cycle, loop=True, times=share) for cycle in cycles), key=_mismatch)


def close(motion: Motion, turns: bool = False) -> tuple[Motion, Seam]:
    """A cycle whose last frame is its first, moved on over the ground, and what it missed that by.

    The difference is worked in over the last part of the cycle. Where the root ends up on the ground is the cycle's
    own affair; with ``turns`` the heading too. ``close_loop`` of ``retarget/loop.py`` changes the start as well, and the
    speed: here both stay as they were simulated.
    """
    seam = Seam(
        joint=float(quat_angle(motion.joint_quat[-1], motion.joint_quat[0]).max()),
        height=float((motion.root_pos_w[-1, 2] - motion.root_pos_w[0, 2]).abs()),
    )
    share = ((motion.times / motion.duration - (1 - BLEND)) / BLEND).clamp(0, 1)
    weight = share.square() * (3 - 2 * share)
    root_goal = motion.root_quat_w[0]
    if turns:
        heading = heading_angle(motion.root_quat_w[[0, -1]])
        root_goal = quat_mul(quat_from_yaw(heading[1] - heading[0]), root_goal)
    lift = (motion.root_pos_w[0, 2] - motion.root_pos_w[-1, 2]) * weight
    closed = replace(
        motion,
        root_pos_w=motion.root_pos_w + lift[:, None] * (1 - _FLAT),
        root_quat_w=_towards(motion.root_quat_w, root_goal, weight),
        joint_quat=_towards(motion.joint_quat, motion.joint_quat[0], weight[:, None]),
    )
    return closed, seam


def repeat(cycle: Motion, cycles: int, turns: bool = False) -> Motion:
    """Closed cycles one after another, each where the last one ended; with ``turns`` at the heading it ended with.

    ``unroll`` of ``retarget/loop.py`` turns whatever turns, and its times are good to a microsecond: here they are exact.
    """
    heading = heading_angle(cycle.root_quat_w[[0, -1]])
    turn_each = float(heading[1] - heading[0]) if turns else 0.0
    start = cycle.root_pos_w[0] * _FLAT
    place = start
    times, pos, root = [cycle.times[:1]], [cycle.root_pos_w[:1]], [cycle.root_quat_w[:1]]
    for k in range(cycles):
        turn = quat_from_yaw(torch.tensor(k * turn_each, dtype=torch.float64)).expand_as(cycle.root_quat_w)
        moved = quat_rotate(turn, cycle.root_pos_w - start) + place
        times.append(cycle.times[1:] + k * cycle.duration)
        pos.append(moved[1:])
        root.append(quat_mul(turn, cycle.root_quat_w)[1:])
        place = moved[-1] * _FLAT
    return replace(
        cycle,
        times=torch.cat(times),
        root_pos_w=torch.cat(pos),
        root_quat_w=torch.cat(root).contiguous(),
        joint_quat=torch.cat([cycle.joint_quat[:1], *[cycle.joint_quat[1:]] * cycles]),
        loop=False,
    )


def from_origin(motion: Motion) -> Motion:
    """The motion moved over the ground so that its root starts above the origin."""
    return replace(motion, root_pos_w=motion.root_pos_w - motion.root_pos_w[0] * _FLAT)


def in_place(motion: Motion) -> Motion:
    """The motion without its way over the ground: a cycle loses its mean velocity, any other all horizontal movement."""
    pos = motion.root_pos_w
    if motion.loop:
        way = (pos[-1] - pos[0]) * _FLAT * (motion.times / motion.duration)[:, None]
    else:
        way = (pos - pos[0]) * _FLAT
    return replace(motion, root_pos_w=pos - way)


def _mismatch(cycle: Motion) -> float:
    """How far the end is from the start, in pose and in speed."""
    joint, root, pos = cycle.joint_quat, cycle.root_quat_w, cycle.root_pos_w
    pose = quat_angle(joint[-1], joint[0]).square().sum() + quat_angle(root[-1], root[0]).square()
    rate = 1.0 / float(cycle.times[1])
    first = quat_to_rotvec(quat_mul(quat_conj(joint[0]), joint[1])) * rate
    last = quat_to_rotvec(quat_mul(quat_conj(joint[-2]), joint[-1])) * rate
    return float(pose + 0.01 * (first - last).square().sum() + 10 * (pos[-1, 2] - pos[0, 2]).square())


def _towards(quat: Tensor, goal: Tensor, weight: Tensor) -> Tensor:
    """quat (T, ..., 4) turned by ``weight`` (0..1) of what its last frame lacks to ``goal`` (..., 4)."""
    lack = quat_to_rotvec(quat_mul(quat_conj(quat[-1]), goal))
    turned = quat_mul(quat, quat_from_rotvec(weight[..., None] * lack))
    return quat_normalize(turned).contiguous()
