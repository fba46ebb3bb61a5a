"""Closes a motion into a cycle: finds where it comes back to itself, blends pose and velocity across the seam, unrolls it."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from characters.character import Character
from mimic.core.errors import ClipError
from mimic.core.rotations import (
    heading_angle,
    quat_angle,
    quat_conj,
    quat_from_rotvec,
    quat_from_yaw,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_rotate_inverse,
    quat_to_rotvec,
)
from mocap.motion import Motion
from retarget.configuration import Configuration, KinematicTree

_SHORTEST_S = 0.4  # of a cycle
_BLEND_S = 0.3  # on each side of the seam
_BLEND_SHARE = 0.4  # of the cycle, at most
_SEARCH_HZ = 30.0
_VELOCITY_S = 0.15  # a difference of velocity counts as that of the poses it makes in this time
_AS_GOOD = 1.3  # times the least difference
_CLOSED_DEG, _CLOSED_MM = 0.1, 0.1
_TURNS = torch.pi / 9  # [rad] a cycle that turns by more goes on turning


def find_cycle(motion: Motion, character: Character) -> tuple[int, int]:
    """First and last frame of the cycle whose ends are most alike, in pose and velocity of all bodies; of several nearly
    as good, the shortest.

    Raises ClipError where the motion is too short to hold one.
    """
    stride = max(1, round(motion.fps / _SEARCH_HZ))
    frames = torch.arange(0, motion.num_frames, stride)
    shortest = int(_SHORTEST_S * motion.fps / stride) + 1
    if len(frames) <= shortest + 2:
        raise ClipError(f"{motion.name}: {motion.duration:.2f} s are too short to find a cycle in")
    tree = KinematicTree(character)
    configuration = Configuration.of(motion)
    bodies = tree.forward(configuration)
    heading = quat_from_yaw(heading_angle(configuration.root_quat))[:, None]
    local = quat_rotate_inverse(heading, bodies.pos - configuration.root_pos[:, None])
    local[..., 2] += configuration.root_pos[:, None, 2]
    velocity = torch.gradient(local, spacing=(motion.times,), dim=0)[0]
    features = torch.cat((local.flatten(1), _VELOCITY_S * velocity.flatten(1)), 1)[frames]
    distance = torch.cdist(features, features)
    near_diagonal = torch.ones_like(distance, dtype=torch.bool).tril(shortest - 1)
    distance = distance.masked_fill(near_diagonal, torch.inf)
    length = frames[None] - frames[:, None]
    best = length.where(distance <= _AS_GOOD * distance.min(), motion.num_frames).argmin()
    first, last = divmod(int(best), len(frames))
    return int(frames[first]), int(frames[last])


def seam_of(motion: Motion) -> dict[str, float]:
    """Differences between the last frame and the first, and in velocity beyond what happens between other frames."""
    root, joints, dt = motion.root_quat_w, motion.joint_quat, motion.times.diff()
    yaw = heading_angle(quat_mul(root[-1], quat_conj(root[0])))
    end = quat_mul(quat_conj(quat_from_yaw(yaw)), root[-1])
    pose = torch.cat((quat_angle(joints[-1], joints[0]), quat_angle(end, root[0])[None]))
    velocity = quat_to_rotvec(quat_mul(quat_conj(joints[:-1]), joints[1:])) / dt[:, None, None]
    usual = velocity.diff(dim=0).norm(dim=-1).amax(0) if len(velocity) > 1 else torch.zeros(joints.shape[1])
    across = ((velocity[0] - velocity[-1]).norm(dim=-1) - usual).clamp_min(0.0)
    return {
        "pose_deg": round(float(torch.rad2deg(pose).max()), 2),
        "velocity_rad_s": round(float(across.max()), 2),
        "turn_deg": round(float(torch.rad2deg(yaw)), 1),
        "height_mm": round(1000 * float(motion.root_pos_w[-1, 2] - motion.root_pos_w[0, 2]), 1),
    }


def close_loop(motion: Motion) -> Motion:
    """The motion bent so that its last frame is its first, displaced, and moves on at the same velocity.

    The difference is shared between the two ends and faded out over 0.3 s on each side. Heading is closed too, unless the
    cycle turns by more than 20 degrees: then it keeps turning. A motion that is closed already is only made exactly so.
    """
    if _is_closed(seam_of(motion)):
        return extract_cycle(motion, motion, 0)
    times = motion.times
    window = min(_BLEND_S, _BLEND_SHARE * motion.duration)
    steps = times.diff()
    root, joints = motion.root_quat_w, motion.joint_quat
    yaw = heading_angle(quat_mul(root[-1], quat_conj(root[0])))
    turn = quat_from_yaw(yaw if abs(float(yaw)) > _TURNS else torch.zeros_like(yaw))

    def fade(gap: Tensor, rate: Tensor) -> Tensor:
        """Corrections (T, ...) for a gap in value and rate between the end and the start."""
        shape = (-1,) + (1,) * gap.dim()
        since, until = times.view(shape), (times[-1] - times).view(shape)
        return _hermite(since / window, gap / 2, rate / 2 * window) + _hermite(
            until / window, -gap / 2, rate / 2 * window
        )

    def velocity(q: Tensor, left: bool) -> tuple[Tensor, Tensor]:
        """Rotation velocity at the start and at the end."""
        pairs = ((q[0], q[1], steps[0]), (q[-2], q[-1], steps[-1]))
        found = [
            quat_to_rotvec(quat_mul(b, quat_conj(a)) if left else quat_mul(quat_conj(a), b)) / dt for a, b, dt in pairs
        ]
        return found[0], found[1]

    begin, end = velocity(joints, left=False)
    joint_fix = fade(quat_to_rotvec(quat_mul(quat_conj(joints[0]), joints[-1])), end - begin)
    begin, end = velocity(root, left=True)
    unturned = quat_mul(quat_conj(turn), root[-1])
    root_fix = fade(quat_to_rotvec(quat_mul(unturned, quat_conj(root[0]))), quat_rotate_inverse(turn, end) - begin)
    pos = motion.root_pos_w
    gap = (pos[-1] - pos[0]) * torch.tensor([0.0, 0.0, 1.0])
    rate = quat_rotate_inverse(turn, (pos[-1] - pos[-2]) / steps[-1]) - (pos[1] - pos[0]) / steps[0]
    closed_root = quat_normalize(quat_mul(quat_from_rotvec(root_fix), root))
    closed_joints = quat_normalize(quat_mul(joints, quat_from_rotvec(joint_fix)))
    closed_pos = pos + fade(gap, rate)
    closed_root[-1], closed_joints[-1] = quat_mul(turn, closed_root[0]), closed_joints[0]
    closed_pos[-1, 2] = closed_pos[0, 2]
    return replace(motion, root_pos_w=closed_pos, root_quat_w=closed_root, joint_quat=closed_joints, loop=True)


def _is_closed(seam: dict[str, float]) -> bool:
    return (
        seam["pose_deg"] < _CLOSED_DEG
        and seam["velocity_rad_s"] == 0.0
        and abs(seam["height_mm"]) < _CLOSED_MM
        and (seam["turn_deg"] == 0.0 or abs(seam["turn_deg"]) > math.degrees(_TURNS))
    )


def repeat_cycles(motion: Motion, cycles: int) -> Motion:
    """So many cycles of a closed motion, one after the other, each going on from where the one before it ended."""
    last = motion.num_frames - 1
    step = _between_cycles(motion)
    rows = torch.arange(cycles * last + 1)
    cycle, frame = rows // last, rows % last
    times, pos, quat = (
        motion.times[frame] + cycle * motion.duration,
        motion.root_pos_w[frame],
        motion.root_quat_w[frame],
    )
    for k in range(1, cycles + 1):
        later = (cycle >= k)[:, None]
        moved_pos, moved_quat = _moved(step, pos, quat)
        pos, quat = torch.where(later, moved_pos, pos), torch.where(later, moved_quat, quat)
    return replace(
        motion, times=times, root_pos_w=pos, root_quat_w=quat, joint_quat=motion.joint_quat[frame], loop=False
    )


def extract_cycle(motion: Motion, like: Motion, cycles: int) -> Motion:
    """A cycle cut from ``repeat_cycles(like, ...)`` after so many others, back at the place of the first; closed exactly."""
    turn, along = step = _between_cycles(like)
    pos, quat, joints = motion.root_pos_w, motion.root_quat_w, motion.joint_quat.clone()
    back = quat_conj(turn), -quat_rotate_inverse(turn, along)
    for _ in range(cycles):
        pos, quat = _moved(back, pos, quat)
    pos[-1:], quat[-1:] = _moved(step, pos[:1], quat[:1])
    joints[-1] = joints[0]
    return replace(motion, root_pos_w=pos, root_quat_w=quat, joint_quat=joints, loop=True)


def _between_cycles(motion: Motion) -> tuple[Tensor, Tensor]:
    """What takes the first frame of a closed motion to its last: a turn about z (4,), then a displacement (3,)."""
    root = motion.root_quat_w
    turn = quat_from_yaw(heading_angle(quat_mul(root[-1], quat_conj(root[0]))))
    pos = motion.root_pos_w
    return turn, (pos[-1] - quat_rotate(turn, pos[0])) * torch.tensor([1.0, 1.0, 0.0])


def _moved(step: tuple[Tensor, Tensor], pos: Tensor, quat: Tensor) -> tuple[Tensor, Tensor]:
    turn, along = step
    return quat_rotate(turn.expand(len(pos), 4), pos) + along, quat_mul(turn.expand_as(quat), quat)


def turn_of(motion: Motion) -> float:
    """How far the heading is turned from the first frame to the last [deg]."""
    turned = heading_angle(quat_mul(motion.root_quat_w[-1], quat_conj(motion.root_quat_w[0])))
    return float(torch.rad2deg(turned))


def goes_on_turning(motion: Motion) -> bool:
    """Whether each cycle turns by so much that the next is meant to begin there."""
    return abs(math.radians(turn_of(motion))) > _TURNS


def _hermite(u: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """A cubic with this value and slope at u = 0, and neither at u = 1 and beyond."""
    u = u.clamp(0.0, 1.0)
    return value * (2 * u**3 - 3 * u**2 + 1) + slope * (u**3 - 2 * u**2 + u)
