"""One clip, or two gaits blended in phase, led along a bent path; at its start it joins the pose before it.

The pose at its start differs from the one before the switch by an offset. A critically damped spring lets the offset
decay (inertialisation, Bollo 2018; closed form: Holden's damped springs). Place and heading are carried over, and
the difference of planar velocity decays without a return.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mimic.core.rotations import (
    quat_conj,
    quat_from_rotvec,
    quat_from_yaw,
    quat_mul,
    quat_normalize,
    quat_to_rotvec,
)
from mimic.motion_graph.library import MotionLibrary

HALF_LIFE_S = 0.12
SLIP_HALF_LIVES = 2.0  # the difference of velocity decays more slowly, for a body that moves needs a step to stop
CYCLES = 3  # that a look ahead may close
DIFFERENCE_S = 1 / 120  # of the finite differences at a switch


@dataclass
class Segment:
    """N segments; each field has N rows.

    Attributes:
        clip, other: (N,) int64, the clip, and the gait that is blended into it.
        weight: (N,) share of ``other``.
        phase: (N,) in [0, 1), of the clip.
        scale: (N,) factor on the displacement.
        rate: (N,) factor on the speed of time.
        place: (N, 2) [m], planar position of the root.
        yaw: (N,) [rad], by which the clip is turned.
        yaw_rate: (N,) [rad/s].
        hold: (N,) [s] for which the clip still stands still.
        age: (N,) [s] since the switch.
        offset, offset_rate: (N, 4 + A) of height, root rotation vector and servo targets, at the switch.
        slip: (N, 2) [m/s], difference of planar velocity at the switch.
        half_life: (N,) [s] of the offset.
    """

    clip: Tensor
    other: Tensor
    weight: Tensor
    phase: Tensor
    scale: Tensor
    rate: Tensor
    place: Tensor
    yaw: Tensor
    yaw_rate: Tensor
    hold: Tensor
    age: Tensor
    offset: Tensor
    offset_rate: Tensor
    slip: Tensor
    half_life: Tensor

    @classmethod
    def at(cls, clip: Tensor, phase: Tensor, actuated: int) -> "Segment":
        """Return segments without an offset, at the world's origin."""
        n = len(clip)
        zero, one = torch.zeros(n), torch.ones(n)
        offset = torch.zeros(n, 4 + actuated)
        return cls(
            clip.clone(), clip.clone(), zero, phase.float(), one, one.clone(), torch.zeros(n, 2), zero.clone(), zero.clone(),
            zero.clone(), zero.clone(), offset, offset.clone(), torch.zeros(n, 2), torch.full((n,), HALF_LIFE_S),
        )  # fmt: skip

    def __getitem__(self, rows: Tensor) -> "Segment":
        return Segment(**{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def assign(self, rows: Tensor, other: "Segment") -> None:
        """Overwrite the segments ``rows`` (indices) in place."""
        for one in fields(self):
            getattr(self, one.name)[rows] = getattr(other, one.name)


@dataclass
class Pose:
    """The reference (N, Q) times ahead: ``row`` (N, Q, 7 + A) of position, quaternion and servo targets; ``heading`` [rad]."""

    row: Tensor
    heading: Tensor


def period(library: MotionLibrary, s: Segment) -> Tensor:
    """Return the time (N,) [s] of a cycle."""
    return torch.lerp(library.seconds[s.clip], library.seconds[s.other], s.weight) / s.rate


def _path(library: MotionLibrary, clip: Tensor, phase: Tensor, row: Tensor, cycles: Tensor) -> Tensor:
    """Return the planar displacement (N, Q, 2) [m] since the cycle's start, ``cycles`` closed cycles included."""
    travel, turn = library.travel[clip], library.turn[clip]
    end = torch.zeros_like(row[..., :2])
    for n in range(CYCLES):
        end = end + torch.where((cycles > n)[..., None], _turned(travel, n * turn), 0.0)
    return end + _turned(row[..., :2], cycles * turn)


def _turned(v: Tensor, angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack((cos * v[..., 0] - sin * v[..., 1], sin * v[..., 0] + cos * v[..., 1]), -1)


def evaluate(library: MotionLibrary, s: Segment, ahead: Tensor) -> Pose:
    """Return the reference ``ahead`` (N, Q) [s] of now."""
    moving = (ahead - s.hold[:, None]).clamp_min(0.0)
    total = s.phase[:, None] + moving / period(library, s)[:, None]
    clip = s.clip[:, None].expand_as(total)
    loops = library.loops[clip]
    cycles = torch.where(loops, total.floor(), 0.0).clamp_max(CYCLES)
    phase = torch.where(loops, total - total.floor(), total.clamp_max(1.0))
    here = library.look_up(clip, phase)
    way = _path(library, clip, phase, here, cycles) - library.look_up(s.clip, s.phase)[:, None, :2]
    weight = s.weight[:, None, None]
    if bool((s.weight > 0).any()):
        here, way = _blended(library, s, total, here, way, weight)
    bend = s.yaw_rate[:, None] * ahead
    fade = math.log(2.0) / (SLIP_HALF_LIVES * s.half_life[:, None])
    slid = (torch.exp(-fade * s.age[:, None]) - torch.exp(-fade * (s.age[:, None] + ahead))) / fade
    chord = _turned(way * s.scale[:, None, None], s.yaw[:, None] + 0.5 * bend)
    place = s.place[:, None] + chord + s.slip[:, None] * slid[..., None]
    yaw = s.yaw[:, None] + bend + cycles * library.turn[clip]
    left = _decayed(s, s.age[:, None] + ahead)
    quat = quat_mul(quat_from_rotvec(left[..., 1:4]), quat_normalize(here[..., 3:7]))
    quat = quat_mul(quat_from_yaw(yaw), quat)
    row = torch.cat([place, here[..., 2:3] + left[..., :1], quat, here[..., 7:-1] + left[..., 4:]], -1)
    return Pose(row, here[..., -1] + yaw)


def _blended(
    library: MotionLibrary, s: Segment, total: Tensor, here: Tensor, way: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Blend the gait ``other`` at the same point of its stride into the row and the displacement."""
    shift = library.shift[s.other] - library.shift[s.clip]
    started = s.phase + shift
    theirs = total + (shift - started.floor())[:, None]
    cycles = theirs.floor()
    clip = s.other[:, None].expand_as(total)
    row = library.look_up(clip, theirs - cycles)
    start = library.look_up(s.other, started - started.floor())[:, None, :2]
    other_way = _path(library, clip, theirs - cycles, row, cycles.clamp_max(CYCLES)) - start
    sign = torch.where((here[..., 3:7] * row[..., 3:7]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    row = torch.cat([row[..., :3], row[..., 3:7] * sign, row[..., 7:]], -1)
    return torch.lerp(here, row, weight), torch.lerp(way, other_way, weight)


def _decayed(s: Segment, age: Tensor) -> Tensor:
    """Return what is left of the offset (N, Q, 4 + A): e^(-yt) (x + (v + yx) t), y = 2 ln 2 / half-life."""
    y = (2.0 * math.log(2.0) / s.half_life)[:, None, None]
    t = age[..., None]
    x, v = s.offset[:, None], s.offset_rate[:, None]
    return torch.exp(-y * t) * (x + (v + y * x) * t)


def advance(library: MotionLibrary, s: Segment, dt: float) -> None:
    """Move the segments on by ``dt`` [s], in place."""
    later = evaluate(library, s, torch.full((len(s.phase), 1), dt))
    moving = (dt - s.hold).clamp_min(0.0)
    total = s.phase + moving / period(library, s)
    loops = library.loops[s.clip]
    cycles = torch.where(loops, total.floor(), 0.0)
    s.place = later.row[:, 0, :2].clone()
    s.yaw = s.yaw + s.yaw_rate * dt + cycles * library.turn[s.clip]
    s.phase = torch.where(loops, total - cycles, total.clamp_max(1.0))
    s.hold = (s.hold - dt).clamp_min(0.0)
    s.age = s.age + dt


def join(library: MotionLibrary, before: Pose, after: Segment) -> None:
    """Place the segments ``after`` where ``before`` ends, and let them begin in its pose and velocity.

    ``before`` (N, 2) holds two moments: that of the switch, and ``DIFFERENCE_S`` later.
    """
    times = torch.tensor([0.0, DIFFERENCE_S]).expand(len(after.phase), 2)
    clean = evaluate(library, after, times)
    after.yaw = after.yaw + before.heading[:, 0] - clean.heading[:, 0]
    after.place = before.row[:, 0, :2].clone()
    clean = evaluate(library, after, times)
    step = DIFFERENCE_S
    yaw = torch.stack((after.yaw, after.yaw + after.yaw_rate * step), 1)
    # in the frame of the clip: exp(r) clip = before
    frame = quat_conj(quat_from_yaw(yaw))
    turned = quat_to_rotvec(
        quat_mul(quat_mul(frame, before.row[..., 3:7]), quat_conj(quat_mul(frame, clean.row[..., 3:7])))
    )
    parts = [before.row[..., 2:3] - clean.row[..., 2:3], turned, before.row[..., 7:] - clean.row[..., 7:]]
    offset = torch.cat(parts, -1)
    after.offset = offset[:, 0]
    after.offset_rate = (offset[:, 1] - offset[:, 0]) / step
    moved = (before.row[:, 1, :2] - before.row[:, 0, :2]) - (clean.row[:, 1, :2] - clean.row[:, 0, :2])
    after.slip = moved / step


def switch_times(first: Tensor) -> Tensor:
    """Return the two moments (N, 2) [s] that `join` needs, of a switch ``first`` (N,) [s] ahead."""
    return torch.stack((first, first + DIFFERENCE_S), 1)
