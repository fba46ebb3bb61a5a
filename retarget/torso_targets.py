"""Where the trunk should be: pelvis, spine and chest, the first joints of the limbs, then neck, head and tail.

It keeps the recording's curve at the character's length. Each part is built on the one below, beginning at the pelvis.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from characters.roles import SIDES
from mimic.core.rotations import quat_conj, quat_mul, quat_rotate, quat_slerp
from retarget.frames import UP, arc, calibrate, frame, orthogonal, smoothstep, turn_between, unit
from retarget.partial_targets import Placed
from retarget.scaled_source import Recorded


class _Place(NamedTuple):
    """One place of the body: recorded (T, 3) [m], and of the character at rest (3,) [m]."""

    now: Tensor
    rest: Tensor


class _Back(NamedTuple):
    """The character's chest joint and the upper end of its trunk, and how the trunk was tilted for that."""

    chest: Tensor  # (T, 3) [m]
    top: Tensor  # (T, 3) [m]
    tilt: Tensor  # (T, 4)


def trunk(recorded: Recorded) -> Placed:
    """Places of the trunk, the head and the tail and of the limbs' first joints; orientations of their bodies."""
    figure = recorded.figure
    hips, top = _Place(recorded.middle("hip"), figure.middle("hip")), _top(recorded)
    placed = _pelvis(recorded, hips, top)
    # a dog's trunk begins at its pelvis, a person's between the hips: the recording's pelvis may be anywhere there
    begin, start = hips, hips.now
    if figure.digitigrade:
        begin, start = _Place(recorded.pos("pelvis"), figure.rest("pelvis")), placed.pos["pelvis"]
    back = _back(recorded, begin, top, start)
    chest = _chest_quat(recorded, back, top.rest)
    placed |= Placed({"chest": back.chest} | _shoulders(recorded, back, top), {figure.body_of("chest"): chest})
    if "spine" in figure and figure.body_of("spine") not in placed.quat:
        spine = _spine_quat(recorded, back.chest - placed.pos["spine"])
        placed |= Placed(quat={figure.body_of("spine"): spine})
    if "neck" in figure:
        neck = back.top + quat_rotate(chest, (figure.rest("neck") - top.rest).expand_as(back.top))
        placed |= _head(recorded, neck, chest)
    if "tail" in figure and recorded.has("tail1"):
        pelvis = placed.quat[figure.body_of("pelvis")]
        placed |= _chain(recorded, ("tail", "tail1", "tail_end"), placed.pos["tail"], pelvis)
    return placed


def _top(recorded: Recorded) -> _Place:
    """The upper end of the trunk: between the shoulders, of a four-legged body the neck."""
    figure = recorded.figure
    if figure.digitigrade and recorded.has("neck"):
        return _Place(recorded.pos("neck"), figure.rest("neck"))
    shoulders, rotation = recorded.middle("shoulder"), recorded.rotation("chest")
    if rotation is not None:  # without the collar bones' shrugs
        chest = recorded.pos("chest")
        local = quat_rotate(quat_conj(rotation), shoulders - chest).mean(0)
        shoulders = chest + quat_rotate(rotation, local.expand_as(chest))
    return _Place(shoulders, figure.middle("shoulder"))


def _pelvis(recorded: Recorded, hips: _Place, top: _Place) -> Placed:
    """The pelvis between the hips, with what is fixed to it: the spine's and the tail's first joint, and the hips."""
    figure = recorded.figure
    quat = _pelvis_quat(recorded, hips, top)
    pos = {
        role: hips.now + quat_rotate(quat, (figure.rest(role) - hips.rest).expand_as(hips.now))
        for role in ("pelvis", "spine", "tail")
        if role in figure
    }
    width = figure.length("left_hip", "right_hip") / recorded.lateral("hip").norm(dim=-1).median()
    for side in SIDES:
        pos[f"{side}_hip"] = hips.now + width * (recorded.pos(f"{side}_hip") - hips.now)
    return Placed(pos, {figure.body_of("pelvis"): quat})


def _pelvis_quat(recorded: Recorded, hips: _Place, top: _Place) -> Tensor:
    figure = recorded.figure
    lateral0 = figure.rest("left_hip") - figure.rest("right_hip")
    own_up, own_up0 = recorded.pos("pelvis") - hips.now, figure.rest("pelvis") - hips.rest
    if figure.digitigrade and own_up0.norm() > 0.03 and own_up.norm(dim=-1).median() > 0.03:
        return turn_between(frame(lateral0, own_up0), frame(recorded.lateral("hip"), own_up))
    rest = frame(lateral0, top.rest - hips.rest)
    wanted = turn_between(rest, frame(recorded.lateral("hip"), top.now - hips.now))
    rotation = recorded.rotation("pelvis")
    return wanted if rotation is None else calibrate(rotation, wanted)


def _back(recorded: Recorded, begin: _Place, top: _Place, start: Tensor) -> _Back:
    """The line from ``begin`` to ``top`` at the character's length, from where the character's begins, (T, 3) [m].

    The chest joint lies as far up the recorded spine as it does up the character's.
    """
    chest0 = recorded.figure.rest("chest")
    lower, upper = (chest0 - begin.rest).norm(), (top.rest - chest0).norm()
    share = float(lower / (lower + upper))
    line = [begin.now, *(recorded.points[:, j] for j in recorded.mapping.spine[1:]), top.now]
    bones = torch.stack([(b - a).norm(dim=-1).median() for a, b in itertools.pairwise(line)])
    ends = bones.cumsum(0) / bones.sum()
    i = min(int((ends < share).sum()), len(bones) - 1)
    below = 0.0 if i == 0 else float(ends[i - 1])
    chest = torch.lerp(line[i], line[i + 1], (share - below) / max(float(ends[i]) - below, 1e-9))
    stretch = float((lower + upper) / bones.sum())
    whole = stretch * (top.now - begin.now)
    tilt = _tilt(recorded, top.now, start, whole)
    return _Back(
        chest=start + quat_rotate(tilt, stretch * (chest - begin.now)), top=start + quat_rotate(tilt, whole), tilt=tilt
    )


def _tilt(recorded: Recorded, top: Tensor, start: Tensor, whole: Tensor) -> Tensor:
    """How to turn the trunk (T, 4) so that front paws on the ground find it at the height of the front legs.

    A trunk that is longer for its legs than the recorded one would lift or sink them wherever it is not level.
    ``whole`` (T, 3) [m] is the trunk from ``start`` to its upper end as it is, ``top`` that end as recorded.
    """
    still = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).expand(len(whole), 4)
    paws = [f"{side}_finger" for side in SIDES if recorded.has(f"{side}_finger")]
    if not recorded.figure.digitigrade or not paws:
        return still
    bases = [f"{side}_shoulder" for side in SIDES]
    own, before = sum(map(recorded.own_length, bases)), sum(map(recorded.recorded_length, bases))
    longer = own / (recorded.scale * before)
    height = top[:, 2] + (longer - 1) * recorded.middle("shoulder")[:, 2] - start[:, 2]
    length = whole.norm(dim=-1)
    rise = height.clamp(-0.95 * length, 0.95 * length)
    ahead = unit(orthogonal(whole, UP)) * (length.square() - rise.square()).sqrt()[:, None]
    lowest = torch.stack([recorded.pos(paw)[:, 2] for paw in paws]).amin(0)
    grounded = 1 - smoothstep((lowest - 0.1) / 0.2)
    return quat_slerp(still, arc(whole, ahead + rise[:, None] * UP), grounded)


def _chest_quat(recorded: Recorded, back: _Back, top0: Tensor) -> Tensor:
    figure = recorded.figure
    rest = frame(top0 - figure.rest("chest"), figure.rest("left_shoulder") - figure.rest("right_shoulder"))
    wanted = turn_between(rest, frame(back.top - back.chest, recorded.lateral("shoulder")))
    rotation = recorded.rotation("chest")
    return wanted if rotation is None else calibrate(rotation, wanted)


def _shoulders(recorded: Recorded, back: _Back, top: _Place) -> dict[str, Tensor]:
    """Role -> (T, 3) [m], beside the upper end of the trunk."""
    own = (recorded.figure.rest("left_shoulder") - top.rest).norm()
    spread = own / (recorded.pos("left_shoulder") - top.now).norm(dim=-1).median()
    roles = [f"{side}_shoulder" for side in SIDES]
    return {role: back.top + quat_rotate(back.tilt, spread * (recorded.pos(role) - top.now)) for role in roles}


def _spine_quat(recorded: Recorded, up: Tensor) -> Tensor:
    """(T, 4) of the body between pelvis and chest, from its joint to the chest's, ``up`` (T, 3)."""
    figure = recorded.figure
    rest = frame(figure.rest("chest") - figure.rest("spine"), figure.rest("left_hip") - figure.rest("right_hip"))
    return turn_between(rest, frame(up, recorded.lateral("hip")))


def _head(recorded: Recorded, neck: Tensor, chest: Tensor) -> Placed:
    """Neck and head from the place of the neck (T, 3) [m] and the orientation of the chest (T, 4)."""
    figure, body = recorded.figure, recorded.figure.body_of("neck")
    if "head" in figure and figure.body_of("head") != body:
        return Placed({"neck": neck}) | _chain(recorded, ("neck", "head", "head_end"), neck, chest)
    rotation = recorded.rotation("head")
    quat = chest if rotation is None else calibrate(rotation, chest)
    pos = {"neck": neck}
    if "head" in figure:
        arm = (figure.rest("head") - figure.rest("neck")).expand_as(neck)
        pos["head"] = neck + quat_rotate(quat, arm)
    return Placed(pos, {body: quat})


def _chain(recorded: Recorded, roles: tuple[str, ...], start: Tensor, above: Tensor) -> Placed:
    """A row of bones at the character's lengths in the recorded directions, from a place (T, 3) [m], as far as it goes.

    Each bone is turned from the one above it, the first from ``above`` (T, 4), by the shortest way: nothing was recorded
    of its twist.
    """
    figure, place = recorded.figure, start
    placed = Placed()
    for a, b in itertools.pairwise(roles):
        if not (a in figure and b in figure and recorded.has(a) and recorded.has(b)):
            break
        direction, rest = recorded.pos(b) - recorded.pos(a), figure.rest(b) - figure.rest(a)
        place = place + rest.norm() * unit(direction)
        above = quat_mul(arc(quat_rotate(above, rest.expand_as(direction)), direction), above)
        placed |= Placed({b: place}, {figure.body_of(a): above})
    return placed
