"""Targets of arms and legs, and contacts of hands and feet with the ground.

A limb keeps the directions of the recording's bones at the character's lengths. Its end keeps the recording's reach:
the vector from the limb's base to its end, in proportion to the limb's length. The orientations of its bodies follow
from the directions and from the bending axis of the knee or elbow.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from characters.roles import SIDES, part_of, side_of
from mimic.core.rotations import quat_conj, quat_from_matrix, quat_from_rotvec, quat_mul, quat_rotate, quat_slerp
from retarget.frames import (
    UP,
    fit_constant_offset,
    frame,
    orthogonal,
    rotation_between_frames,
    shortest_rotation,
    smoothstep,
    unit,
)
from retarget.partial_targets import PartialTargets
from retarget.scaled_source import ScaledSource

_HAND_REACH = 0.14  # [m] a wrist may be above ground with the hand on it


def limb(scaled: ScaledSource, base: str, start: Tensor, trunk: Tensor) -> PartialTargets:
    """Return the targets of a limb's joints beyond ``base``, its hip or shoulder, and of the foot or paw at its end.

    The hip or shoulder is at ``start`` (T, 3) [m], on a body with the orientation ``trunk`` (T, 4).
    """
    rig, roles = scaled.rig, scaled.limb_roles(base)
    directions = [unit(scaled.pos(b) - scaled.pos(a)) for a, b in itertools.pairwise(roles)]
    pos = _joints(scaled, base, start, directions)
    bend, bend0 = _bend_axes(scaled, base, directions, trunk)
    quat: dict[int, Tensor] = {}
    for a, b, direction in zip(roles, roles[1:], directions, strict=False):
        rest = frame(rig.rest(b) - rig.rest(a), bend0)
        quat[rig.body_of(a)] = rotation_between_frames(rest, frame(direction, bend))
    targets, leg = PartialTargets(pos, quat), part_of(base) == "hip"
    outward = bend if leg else -bend
    if rig.digitigrade:
        return targets | _paw(scaled, roles[-1], outward, quat[rig.body_of(roles[-2])])
    return targets | _foot(scaled, side_of(base), outward, pos[roles[-1]]) if leg else targets


def hands(scaled: ScaledSource) -> PartialTargets:
    """Return the contacts of a person's hands: a hand stands on the ground while its wrist is low and slow."""
    wrists = [f"{side}_wrist" for side in SIDES]
    return PartialTargets(contact={wrist: scaled.contact(wrist, 0.0, _HAND_REACH) for wrist in wrists})


def _joints(scaled: ScaledSource, base: str, start: Tensor, directions: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return by role the positions (T, 3) [m] of a limb's joints after the first, from its bones' directions (T, 3)."""
    roles = scaled.limb_roles(base)
    lengths = [scaled.rig.length(a, b) for a, b in itertools.pairwise(roles)]
    places = [start]
    for length, direction in zip(lengths, directions, strict=True):
        places.append(places[-1] + length * direction)
    # the end keeps the recording's reach, which a different share of upper and lower limb would change
    ratio = scaled.own_length(base) / (scaled.recorded_length(base) * scaled.scale)
    end = start + ratio * (scaled.pos(roles[-1]) - scaled.pos(base))
    shares = torch.tensor(lengths, dtype=torch.float64).cumsum(0) / sum(lengths)
    return {
        role: place + share * (end - places[-1])
        for role, place, share in zip(roles[1:], places[1:], shares.tolist(), strict=True)
    }


def _bend_axes(scaled: ScaledSource, base: str, directions: Sequence[Tensor], trunk: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bending axis of a knee or elbow: in the recording (T, 3), and of the character at rest (3,).

    Where the limb is bent, the axis is the normal of its two bones. Where it is straight, the axis turns with the upper
    bone's recorded rotation, calibrated on the bent frames. Without rotations it follows the shortest swing from rest.
    """
    rig, middle = scaled.rig, scaled.limb_roles(base)[1]
    upper, lower = directions[0], directions[1]
    rest = unit(rig.rest(middle) - rig.rest(base))
    axis0 = rig.bend_axis(middle)
    if axis0 is None:
        axis0 = torch.tensor([0.0, 1.0 if part_of(base) == "hip" else -1.0, 0.0], dtype=torch.float64)
    axis0 = unit(orthogonal(axis0, rest))
    normal = torch.linalg.cross(upper, lower)
    bend = normal.norm(dim=-1, keepdim=True)
    seen = unit(normal)
    rotation = scaled.rotation(base)
    local = None if rotation is None else (quat_rotate(quat_conj(rotation), normal) * bend).sum(0)
    if rotation is not None and local is not None and local.norm() > 1e-3 * len(bend):
        expected = quat_rotate(rotation, unit(local).expand_as(upper))
    else:
        now = quat_rotate(quat_conj(trunk), upper)
        expected = quat_rotate(quat_mul(trunk, shortest_rotation(rest.expand_as(now), now)), axis0.expand_as(upper))
    expected = unit(orthogonal(expected, upper))
    folded = (upper * lower).sum(-1, keepdim=True) < 0
    agreement = smoothstep(((seen * expected).sum(-1, keepdim=True) + 0.3) / 0.6)
    agree = torch.where(folded, 1.0, torch.maximum(agreement, smoothstep((bend - 0.4) / 0.3)))
    trust = smoothstep(torch.where(folded, (bend - 0.03) / 0.1, (bend - 0.15) / 0.35)) * agree
    return unit(torch.lerp(expected, seen, trust)), axis0


def _foot(scaled: ScaledSource, side: str, outward: Tensor, place: Tensor) -> PartialTargets:
    """Return the targets of a person's foot with its ankle at ``place`` (T, 3) [m], and contacts of heel and toe.

    The foot is flat where both stand. ``outward`` (T, 3) is the knee's bending axis, which points to the left.
    """
    rig, ankle, toe = scaled.rig, f"{side}_ankle", f"{side}_toe"
    heel = scaled.pos(ankle)
    heel_stands = toe_stands = scaled.contact(ankle, scaled.level("ankle"))
    if scaled.has(toe):
        toe_stands = scaled.contact(toe, scaled.level("toe"))
        forward = scaled.pos(toe) - heel
    else:
        forward = torch.linalg.cross(outward, UP.expand_as(outward))
    flat = heel_stands & toe_stands
    if flat.sum() < 3:
        flat = heel[:, 2] <= heel[:, 2].quantile(0.1)
    quat = _foot_quat(scaled, side, forward, outward, flat)
    pos = {}
    if toe in rig:
        pos[toe] = place + quat_rotate(quat, (rig.rest(toe) - rig.rest(ankle)).expand_as(heel))
    return PartialTargets(pos, {rig.body_of(ankle): quat}, {ankle: heel_stands, toe: toe_stands})


def _foot_quat(scaled: ScaledSource, side: str, forward: Tensor, outward: Tensor, flat: Tensor) -> Tensor:
    """Return a foot's orientation (T, 4), calibrated to be level where ``flat`` (T,) is True.

    ``forward`` (T, 3) points from heel to toe, ``outward`` (T, 3) to the left.
    """
    rig, ankle, toe = scaled.rig, f"{side}_ankle", f"{side}_toe"
    ahead0 = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    if toe in rig:
        ahead0 = orthogonal(rig.rest(toe) - rig.rest(ankle), UP)
    rotation = scaled.rotation(ankle)
    if rotation is not None:
        level = rotation_between_frames(frame(ahead0, UP), frame(orthogonal(forward, UP), UP))
        return fit_constant_offset(rotation, level, flat.double())
    rise = torch.asin(unit(forward)[..., 2].clamp(-1, 1))
    # about the outward (left) axis a positive turn lowers the toe
    tilt = quat_from_rotvec(unit(outward) * rise[flat].median())
    return rotation_between_frames(
        frame(ahead0, torch.linalg.cross(UP, ahead0)), frame(quat_rotate(tilt, forward), outward)
    )


def _paw(scaled: ScaledSource, tip: str, outward: Tensor, above: Tensor) -> PartialTargets:
    """Return the targets of a paw: flat on the ground; in the air it turns towards ``above`` (T, 4), the bone above it.

    ``outward`` (T, 3) is the knee's or elbow's bending axis, made to point to the left.
    """
    level = scaled.level(part_of(tip))
    left = unit(orthogonal(outward, UP))
    up = UP.expand_as(left)
    flat = quat_from_matrix(torch.stack((torch.linalg.cross(left, up), left, up), -1))
    air = smoothstep((scaled.pos(tip)[:, 2] - level - 0.02) / 0.1)
    quat = quat_slerp(flat, above, 0.6 * air)
    return PartialTargets(quat={scaled.rig.body_of(tip): quat}, contact={tip: scaled.contact(tip, level)})
