"""Recovers the travel of a motion that was made in place: a walk whose feet slide backwards under a body that stays.

A game engine moves the character itself, so that the cycles of most packs have no travel. A foot that is low should stand.
In each frame the travel is the velocity that holds the low points of the feet still (weighted least squares, Cauchy weights).
If need be it includes a turn about the vertical. Where no foot is low, it is interpolated.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from characters.roles import SIDES, swap_part
from mimic.core.rotations import quat_from_rotvec, quat_mul, quat_rotate
from retarget.configuration import KinematicTree
from retarget.contacts import smoothed
from retarget.grounding import grounded_targets
from retarget.ik_objective import first_configuration, soles
from retarget.mapping import Mapping
from retarget.retarget_rig import RetargetRig
from retarget.source import Source
from retarget.targets import Targets

RootMotion = Literal["auto", "keep", "from-feet", "none"]
ROOT_MOTIONS: tuple[str, ...] = get_args(RootMotion)

_LEG = 0.8  # [m] to which the figure's legs are scaled for the limits below
_RISE = 0.05  # [m] a point of a standing foot may be above its lowest height
_SLOW, _STEADY = 0.3, 0.6  # [m/s] of travel, and the share of steady frames, from which a motion counts as in place
_ONWARD = 0.9  # of the mean speed: a body that never turns back
_STAYS = 0.25  # of the recovered speed: a body that moves more travels by itself
_CLOSED = 0.1  # [m] median distance of the joints at the end of a cycle from its start
_TURNS = math.radians(45)
_SMOOTHING_S, _TRAVEL_SMOOTHING_S = 0.06, 0.12  # a body that travels keeps its speed longer
_FIXED = 0.005  # [m]: a pelvis without keys of its own moves less


@dataclass(frozen=True)
class Travel:
    """A recording with its travel, the way it was found ("keep", "from-feet" or "none"), and notes in words."""

    source: Source
    root_motion: str
    notes: tuple[str, ...] = ()


def with_root_motion(rig: RetargetRig, source: Source, mapping: Mapping, wanted: RootMotion) -> Travel:
    """Return the recording with the travel that ``wanted`` asks for; "auto" recovers it for a motion in place only.

    The recording's feet decide whether it was made in place. The travel is that of the character's own feet in the
    recording's pose, which may be much shorter than the recording's.
    """
    if wanted == "keep":
        return Travel(source, "keep")
    if wanted == "none":
        return Travel(_without_travel(source, mapping), "none", ("root motion: taken out (--root-motion none)",))
    scale = _LEG / max(_leg_length(source, mapping), 1e-9)
    roles = _foot_roles(rig, mapping)
    points = source.pos_w[:, [mapping.joints[role] for role in roles]] * scale
    feet, weights = _standing(points) if roles else (points[..., :2], points.new_zeros(0))
    if not weights.any():
        if wanted == "from-feet":
            return Travel(source, "keep", ("root motion: no foot is seen to stand, so none can be recovered",))
        return Travel(source, "keep")
    dt = source.times.diff()
    velocity, turn = _travel(feet, weights, dt)
    pelvis = source.pos_w[:, mapping.joints["pelvis"], :2] * scale
    fixed = float((pelvis - pelvis[:1]).norm(dim=-1).max()) < _FIXED and not rig.digitigrade
    travels = _in_place(source, mapping, scale, velocity, turn, dt)
    if wanted == "auto" and not fixed and not travels:
        return Travel(source, "keep")
    targets = grounded_targets(rig, source, mapping)
    own = _own_feet(rig, targets, roles)
    velocity, turn = _travel(own[..., :2], weights, dt, _TRAVEL_SMOOTHING_S if travels else _SMOOTHING_S)
    moved = _moved(source, velocity / targets.scale, turn, dt)
    note = "root motion: the file is in place; its travel is recovered from the feet (--root-motion keep undoes it)"
    return Travel(moved, "from-feet", (note,))


def _leg_length(source: Source, mapping: Mapping) -> float:
    bones = [("hip", "knee"), ("knee", "ankle")]
    joints = mapping.joints
    return sum(
        float((source.pos_w[:, joints[f"{side}_{a}"]] - source.pos_w[:, joints[f"{side}_{b}"]]).norm(dim=-1).median())
        for side in SIDES
        for a, b in bones
    ) / len(SIDES)


def _foot_roles(rig: RetargetRig, mapping: Mapping) -> list[str]:
    """Return the roles that stand and that the recording has, left and right of each: paws, or heels and toes."""
    parts = ("toe", "finger") if rig.digitigrade else ("ankle", "toe")
    pairs = [[f"{side}_{part}" for side in SIDES] for part in parts]
    return [role for pair in pairs if all(role in mapping.joints for role in pair) for role in pair]


def _standing(pos: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions (T, K, 2) of the feet's points over the ground, and weights (T - 1, K): how low they are.

    ``pos`` (T, K, 3) are the points, at a scale of legs of 0.8 m, left and right in turn.
    """
    level = torch.cat([pos[:, i : i + 2, 2].amin().expand(2) for i in range(0, pos.shape[1], 2)])
    low = (1 - (pos[..., 2] - level) / _RISE).clamp_min(0.0)
    return pos[..., :2], torch.minimum(low[1:], low[:-1])


def _own_feet(rig: RetargetRig, targets: Targets, roles: list[str]) -> Tensor:
    """Return the positions (T, K, 3) [m] of the soles that stand for ``roles``, in the targets' pose."""
    tree = KinematicTree(rig.character)
    bodies = tree.forward(first_configuration(rig, targets))
    surfaces = {sole.role: sole.surface for sole in soles(rig, targets)}
    points = []
    for role in roles:
        surface = surfaces.get(role) or surfaces[swap_part(role, "toe", "ankle")]
        points.append(tree.points(bodies, surface.body, surface.at).mean(1))
    return torch.stack(points, 1)


def _travel(feet: Tensor, weights: Tensor, dt: Tensor, smoothing: float = _SMOOTHING_S) -> tuple[Tensor, Tensor]:
    """Return velocity (T - 1, 2) [m/s] and turn (T - 1,) [rad/s] of the body that keep the feet's low points still.

    The velocity is in the axes of the body, which turns. The turn is 0 unless all turns add up to at least 45 degrees.
    """
    seen = (feet[1:] - feet[:-1]) / dt[:, None, None]
    middle = (feet[1:] + feet[:-1]) / 2
    best = seen.flatten(0, 1)[weights.flatten() > 0].median(0).values
    spread = 0.1 + 0.25 * float(best.norm())
    robust = weights / (1 + ((seen - best) / spread).square().sum(-1))
    for _ in range(4):
        velocity, turn = _rigid(seen, middle, robust)
        left = seen + velocity[:, None] + turn[:, None, None] * _across(middle)
        robust = weights / (1 + (left / spread).square().sum(-1))
    known = robust.sum(1) > 0.05
    if abs(float((turn * dt)[known].sum())) < _TURNS or turn.mean().abs() < _STEADY * turn.abs().mean():
        velocity, turn = -_mean(seen, robust), torch.zeros_like(turn)
    rows = torch.cat((velocity, turn[:, None]), 1)
    return _filled(rows, known, float(dt.median()), smoothing)


def _rigid(seen: Tensor, at: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return velocity and turn that cancel the velocities ``seen`` (T, K, 2) of points ``at`` (T, K, 2) best."""
    centre = _mean(at, weights)
    arm = at - centre[:, None]
    along = _across(arm)
    damping = 1e-3
    turn = -(weights * ((seen - _mean(seen, weights)[:, None]) * along).sum(-1)).sum(1) / (
        (weights * arm.square().sum(-1)).sum(1) + damping
    )
    return -_mean(seen, weights) - turn[:, None] * _across(centre), turn


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (weights[..., None] * values).sum(1) / weights.sum(1).clamp_min(1e-6)[:, None]


def _across(v: Tensor) -> Tensor:
    """Return the vectors (..., 2) turned by a quarter to the left."""
    return torch.stack((-v[..., 1], v[..., 0]), -1)


def _filled(rows: Tensor, known: Tensor, dt: float, smoothing: float) -> tuple[Tensor, Tensor]:
    """Interpolate ``rows`` (T, 3) where ``known`` (T,) is False, smooth them, and return velocity (T, 2) and turn (T,)."""
    frames = known.nonzero()[:, 0].double()
    at = torch.arange(len(rows), dtype=torch.float64)
    after = torch.searchsorted(frames, at).clamp(max=len(frames) - 1)
    before = (after - 1).clamp_min(0)
    span = (frames[after] - frames[before]).clamp_min(1.0)
    share = ((at - frames[before]) / span).clamp(0.0, 1.0)[:, None]
    values = rows[known]
    rows = torch.lerp(values[before], values[after], share)
    smooth = smoothed(rows, torch.arange(len(rows), dtype=torch.float64) * dt, smoothing)
    return smooth[:, :2], smooth[:, 2]


def _in_place(source: Source, mapping: Mapping, scale: float, velocity: Tensor, turn: Tensor, dt: Tensor) -> bool:
    """Whether the body stays although its feet say that it travels or turns steadily."""
    hips = source.pos_w[:, [mapping.joints[f"{side}_hip"] for side in SIDES]]
    middle = hips.mean(1)[:, :2] * scale
    mean = velocity.mean(0)
    own = float((middle[-1] - middle[0]).norm() / dt.sum())
    steady = ((velocity - mean).norm(dim=-1) < 0.5 * mean.norm()).double().mean() > _STEADY
    onward = float(mean.norm()) > _ONWARD * float(velocity.norm(dim=-1).mean())
    travels = (bool(steady) or onward) and float(mean.norm()) > max(
        _SLOW, _STEADY * float(velocity.norm(dim=-1).mean())
    )
    across = (hips[:, 0] - hips[:, 1])[:, :2]
    heading = torch.atan2(across[:, 1], across[:, 0])
    turned = abs(float(torch.remainder(heading[-1] - heading[0] + math.pi, 2 * math.pi) - math.pi))
    turns = abs(float((turn * dt).sum())) >= _TURNS and turned < _TURNS / 2
    shape = (source.pos_w - hips.mean(1, keepdim=True)) * scale
    cycle = float((shape[-1] - shape[0]).norm(dim=-1).median()) < _CLOSED
    return (travels and cycle and own < _STAYS * float(mean.norm())) or turns


def _moved(source: Source, velocity: Tensor, turn: Tensor, dt: Tensor) -> Source:
    """Return the recording that travels at ``velocity`` (T - 1, 2) and turns by ``turn`` (T - 1,)."""
    zero = torch.zeros(1, dtype=torch.float64)
    angle = torch.cat((zero, (turn * dt).cumsum(0)))
    middle = (angle[1:] + angle[:-1]) / 2
    cos, sin = middle.cos(), middle.sin()
    x, y = velocity.unbind(-1)
    step = torch.stack((cos * x - sin * y, sin * x + cos * y), -1) * dt[:, None]
    way = torch.cat((torch.zeros(1, 2, dtype=torch.float64), step.cumsum(0)))
    quat = quat_from_rotvec(torch.stack((torch.zeros_like(angle), torch.zeros_like(angle), angle), -1))
    pos = quat_rotate(quat[:, None].expand(-1, len(source.names), 4), source.pos_w)
    pos = pos + torch.cat((way, torch.zeros(len(way), 1, dtype=torch.float64)), 1)[:, None]
    turned = None if source.quat_w is None else quat_mul(quat[:, None].expand_as(source.quat_w), source.quat_w)
    return replace(source, pos_w=pos, quat_w=turned, hand_keyed=True)


def _without_travel(source: Source, mapping: Mapping) -> Source:
    """Return the recording without its mean horizontal velocity."""
    hips = source.pos_w[:, [mapping.joints[f"{side}_hip"] for side in SIDES]].mean(1)
    way = (hips[-1] - hips[0]) * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    share = source.times / source.times[-1]
    return replace(source, pos_w=source.pos_w - (share[:, None] * way)[:, None])
