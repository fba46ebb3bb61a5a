"""Targets of the trunk: pelvis, spine and chest, the first joints of the limbs, then neck, head and tail.

The trunk keeps the recording's curve at the character's length. Each part is attached to the one before it, beginning at
the pelvis.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from characters.roles import SIDES
from mimic.core.rotations import quat_angle, quat_conj, quat_mul, quat_rotate, quat_slerp
from retarget.frames import (
    UP,
    average_quat,
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

_MOST_TURNED = 1.3  # [rad] of a head on average; a rest pose that says more is none


class _Place(NamedTuple):
    """One point of the body: in the scaled recording (T, 3) [m], and of the character at rest (3,) [m]."""

    now: Tensor
    rest: Tensor


class _Back(NamedTuple):
    """The character's chest joint, the upper end of its trunk, and the rotation that ``_tilt`` returned."""

    chest: Tensor  # (T, 3) [m]
    top: Tensor  # (T, 3) [m]
    tilt: Tensor  # (T, 4)


def trunk(scaled: ScaledSource) -> PartialTargets:
    """Return the targets of trunk, head and tail: joint positions, body orientations, and the limbs' first joints."""
    rig = scaled.rig
    hips, top = _Place(scaled.middle("hip"), rig.middle("hip")), _top(scaled)
    targets = _pelvis(scaled, hips, top)
    # a dog's trunk begins at its pelvis, a person's between the hips: the recording's pelvis may be anywhere there
    begin, start = hips, hips.now
    if rig.digitigrade:
        begin, start = _Place(scaled.pos("pelvis"), rig.rest("pelvis")), targets.pos["pelvis"]
    back = _back(scaled, begin, top, start)
    chest = _chest_quat(scaled, back, top.rest)
    targets |= PartialTargets({"chest": back.chest} | _shoulders(scaled, back, top), {rig.body_of("chest"): chest})
    if "spine" in rig and rig.body_of("spine") not in targets.quat:
        spine = _spine_quat(scaled, back.chest - targets.pos["spine"])
        targets |= PartialTargets(quat={rig.body_of("spine"): spine})
    if "neck" in rig:
        neck = back.top + quat_rotate(chest, (rig.rest("neck") - top.rest).expand_as(back.top))
        targets |= _head(scaled, neck, chest)
    if "tail" in rig and scaled.has("tail1"):
        pelvis = targets.quat[rig.body_of("pelvis")]
        targets |= _chain(scaled, ("tail", "tail1", "tail_end"), targets.pos["tail"], pelvis)
    return targets


def _top(scaled: ScaledSource) -> _Place:
    """Return the upper end of the trunk: the midpoint of the shoulders or, for a four-legged body, the neck."""
    rig = scaled.rig
    if rig.digitigrade and scaled.has("neck"):
        return _Place(scaled.pos("neck"), rig.rest("neck"))
    shoulders, rotation = scaled.middle("shoulder"), scaled.rotation("chest")
    if rotation is not None:  # without the collar bones' shrugs
        chest = scaled.pos("chest")
        local = quat_rotate(quat_conj(rotation), shoulders - chest).mean(0)
        shoulders = chest + quat_rotate(rotation, local.expand_as(chest))
    return _Place(shoulders, rig.middle("shoulder"))


def _pelvis(scaled: ScaledSource, hips: _Place, top: _Place) -> PartialTargets:
    """Return the targets of the pelvis and of the joints fixed to it: hips, and first joints of spine and tail."""
    rig = scaled.rig
    quat = _pelvis_quat(scaled, hips, top)
    pos = {
        role: hips.now + quat_rotate(quat, (rig.rest(role) - hips.rest).expand_as(hips.now))
        for role in ("pelvis", "spine", "tail")
        if role in rig
    }
    width = rig.length("left_hip", "right_hip") / scaled.lateral("hip").norm(dim=-1).median()
    for side in SIDES:
        pos[f"{side}_hip"] = hips.now + width * (scaled.pos(f"{side}_hip") - hips.now)
    return PartialTargets(pos, {rig.body_of("pelvis"): quat})


def _pelvis_quat(scaled: ScaledSource, hips: _Place, top: _Place) -> Tensor:
    rig = scaled.rig
    lateral0 = rig.rest("left_hip") - rig.rest("right_hip")
    own_up, own_up0 = scaled.pos("pelvis") - hips.now, rig.rest("pelvis") - hips.rest
    if rig.digitigrade and own_up0.norm() > 0.03 and own_up.norm(dim=-1).median() > 0.03:
        return rotation_between_frames(frame(lateral0, own_up0), frame(scaled.lateral("hip"), own_up))
    rest = frame(lateral0, top.rest - hips.rest)
    wanted = rotation_between_frames(rest, frame(scaled.lateral("hip"), top.now - hips.now))
    rotation = scaled.rotation("pelvis")
    return wanted if rotation is None else fit_constant_offset(rotation, wanted)


def _back(scaled: ScaledSource, begin: _Place, top: _Place, start: Tensor) -> _Back:
    """Scale the spine from ``begin`` to ``top`` to the character's length, starting at ``start`` (T, 3) [m].

    The chest joint is at the same share of the spine's length as in the character.
    """
    chest0 = scaled.rig.rest("chest")
    lower, upper = (chest0 - begin.rest).norm(), (top.rest - chest0).norm()
    share = float(lower / (lower + upper))
    line = [begin.now, *(scaled.points[:, j] for j in scaled.mapping.spine[1:]), top.now]
    bones = torch.stack([(b - a).norm(dim=-1).median() for a, b in itertools.pairwise(line)])
    ends = bones.cumsum(0) / bones.sum()
    i = min(int((ends < share).sum()), len(bones) - 1)
    below = 0.0 if i == 0 else float(ends[i - 1])
    chest = torch.lerp(line[i], line[i + 1], (share - below) / max(float(ends[i]) - below, 1e-9))
    stretch = float((lower + upper) / bones.sum())
    whole = stretch * (top.now - begin.now)
    tilt = _tilt(scaled, top.now, start, whole)
    return _Back(
        chest=start + quat_rotate(tilt, stretch * (chest - begin.now)), top=start + quat_rotate(tilt, whole), tilt=tilt
    )


def _tilt(scaled: ScaledSource, top: Tensor, start: Tensor, whole: Tensor) -> Tensor:
    """Return the rotation (T, 4) of a dog's trunk that puts the shoulders at the height of front legs on the ground.

    The character's trunk may be longer, relative to its legs, than the recording's. Wherever it is not level, the front
    paws would then rise or sink. ``whole`` (T, 3) [m] is the trunk's vector from ``start`` to its upper end before the
    rotation; ``top`` (T, 3) [m] is that end in the scaled recording.
    """
    still = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).expand(len(whole), 4)
    paws = [f"{side}_finger" for side in SIDES if scaled.has(f"{side}_finger")]
    if not scaled.rig.digitigrade or not paws:
        return still
    bases = [f"{side}_shoulder" for side in SIDES]
    own, before = sum(map(scaled.own_length, bases)), sum(map(scaled.recorded_length, bases))
    longer = own / (scaled.scale * before)
    height = top[:, 2] + (longer - 1) * scaled.middle("shoulder")[:, 2] - start[:, 2]
    length = whole.norm(dim=-1)
    rise = height.clamp(-0.95 * length, 0.95 * length)
    ahead = unit(orthogonal(whole, UP)) * (length.square() - rise.square()).sqrt()[:, None]
    lowest = torch.stack([scaled.pos(paw)[:, 2] for paw in paws]).amin(0)
    grounded = 1 - smoothstep((lowest - 0.1) / 0.2)
    return quat_slerp(still, shortest_rotation(whole, ahead + rise[:, None] * UP), grounded)


def _chest_quat(scaled: ScaledSource, back: _Back, top0: Tensor) -> Tensor:
    rig = scaled.rig
    rest = frame(top0 - rig.rest("chest"), rig.rest("left_shoulder") - rig.rest("right_shoulder"))
    wanted = rotation_between_frames(rest, frame(back.top - back.chest, scaled.lateral("shoulder")))
    rotation = scaled.rotation("chest")
    return wanted if rotation is None else fit_constant_offset(rotation, wanted)


def _shoulders(scaled: ScaledSource, back: _Back, top: _Place) -> dict[str, Tensor]:
    """Return the positions (T, 3) [m] of both shoulders by role, beside the upper end of the trunk."""
    own = (scaled.rig.rest("left_shoulder") - top.rest).norm()
    spread = own / (scaled.pos("left_shoulder") - top.now).norm(dim=-1).median()
    roles = [f"{side}_shoulder" for side in SIDES]
    return {role: back.top + quat_rotate(back.tilt, spread * (scaled.pos(role) - top.now)) for role in roles}


def _spine_quat(scaled: ScaledSource, up: Tensor) -> Tensor:
    """Return the orientation (T, 4) of the body between pelvis and chest; ``up`` (T, 3) points to the chest's joint."""
    rig = scaled.rig
    rest = frame(rig.rest("chest") - rig.rest("spine"), rig.rest("left_hip") - rig.rest("right_hip"))
    return rotation_between_frames(rest, frame(up, scaled.lateral("hip")))


def _head(scaled: ScaledSource, neck: Tensor, chest: Tensor) -> PartialTargets:
    """Return the targets of neck and head, from the neck's position (T, 3) [m] and the chest's orientation (T, 4)."""
    rig, body = scaled.rig, scaled.rig.body_of("neck")
    if "head" in rig and rig.body_of("head") != body:
        return PartialTargets({"neck": neck}) | _chain(scaled, ("neck", "head", "head_end"), neck, chest)
    rotation = scaled.rotation("head")
    quat = chest if rotation is None else _head_quat(scaled, rotation, chest)
    pos = {"neck": neck}
    if "head" in rig:
        arm = (rig.rest("head") - rig.rest("neck")).expand_as(neck)
        pos["head"] = neck + quat_rotate(quat, arm)
    return PartialTargets(pos, {body: quat})


def _head_quat(scaled: ScaledSource, rotation: Tensor, chest: Tensor) -> Tensor:
    """Return the head's orientation (T, 4): it looks where the chest does at the file's rest pose.

    ``rotation`` (T, 4) is the recorded orientation, ``chest`` (T, 4) the target. Without a rest pose, or if that turns the
    head by more than 75 degrees on average, the head looks where the chest does on average.
    """
    average = fit_constant_offset(rotation, chest)
    at_rest, recorded = scaled.turn_at_rest("head", "chest"), scaled.rotation("chest")
    if at_rest is None or recorded is None:
        return average
    to_chest = average_quat(quat_mul(quat_conj(recorded), chest), torch.ones(len(chest), dtype=torch.float64))
    quat = quat_mul(rotation, quat_mul(at_rest, to_chest).expand_as(rotation))
    return quat if float(quat_angle(quat, average).median()) < _MOST_TURNED else average


def _chain(scaled: ScaledSource, roles: tuple[str, ...], start: Tensor, above: Tensor) -> PartialTargets:
    """Return the targets of a chain of bones with the character's lengths and the recording's directions.

    The chain begins at ``start`` (T, 3) [m] and ends at the first role that rig or recording lack. Each bone takes the
    shortest rotation from the bone before it, the first from ``above`` (T, 4). The recording's twist is not used.
    """
    rig, place = scaled.rig, start
    targets = PartialTargets()
    for a, b in itertools.pairwise(roles):
        if not (a in rig and b in rig and scaled.has(a) and scaled.has(b)):
            break
        direction, rest = scaled.pos(b) - scaled.pos(a), rig.rest(b) - rig.rest(a)
        place = place + rest.norm() * unit(direction)
        above = quat_mul(shortest_rotation(quat_rotate(above, rest.expand_as(direction)), direction), above)
        targets |= PartialTargets({b: place}, {rig.body_of(a): above})
    return targets
