"""Where arms and legs should be, each by itself from its first joint on, and when their ends stand on the ground.

A limb keeps the recording's directions at the character's lengths, and its end the recording's reach. Its orientations
follow from the directions and from the axis that its middle joint bends about.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from characters.roles import SIDES
from mimic.core.rotations import quat_conj, quat_from_rotvec, quat_mul, quat_rotate, quat_slerp
from retarget.frames import UP, arc, calibrate, frame, orthogonal, quat_from_matrix, smoothstep, turn_between, unit
from retarget.partial_targets import Placed
from retarget.scaled_source import Recorded

_HAND_REACH = 0.14  # [m] a wrist may be above ground with the hand on it


def limb(recorded: Recorded, base: str, start: Tensor, trunk: Tensor) -> Placed:
    """The joints of a limb beyond its first, ``base``, a hip or shoulder; with a person's foot, or a dog's paw.

    The first is at ``start`` (T, 3) [m], on a body of the trunk that has the orientation ``trunk`` (T, 4).
    """
    figure, roles = recorded.figure, recorded.limb_roles(base)
    directions = [unit(recorded.pos(b) - recorded.pos(a)) for a, b in itertools.pairwise(roles)]
    pos = _joints(recorded, base, start, directions)
    bend, bend0 = _bend_axes(recorded, base, directions, trunk)
    quat: dict[int, Tensor] = {}
    for a, b, direction in zip(roles, roles[1:], directions, strict=False):
        rest = frame(figure.rest(b) - figure.rest(a), bend0)
        quat[figure.body_of(a)] = turn_between(rest, frame(direction, bend))
    placed, leg = Placed(pos, quat), base.endswith("hip")
    outward = bend if leg else -bend
    if figure.digitigrade:
        return placed | _paw(recorded, roles[-1], outward, quat[figure.body_of(roles[-2])])
    return placed | _foot(recorded, base.split("_")[0], outward, pos[roles[-1]]) if leg else placed


def hands(recorded: Recorded) -> Placed:
    """Contacts of a person's hands: one stands on the ground where the wrist is low and still."""
    wrists = [f"{side}_wrist" for side in SIDES]
    return Placed(contact={wrist: recorded.contact(wrist, 0.0, _HAND_REACH) for wrist in wrists})


def _joints(recorded: Recorded, base: str, start: Tensor, directions: Sequence[Tensor]) -> dict[str, Tensor]:
    """Role -> (T, 3) [m] of a limb's joints but the first, from its bones' directions (T, 3)."""
    roles = recorded.limb_roles(base)
    lengths = [recorded.figure.length(a, b) for a, b in itertools.pairwise(roles)]
    places = [start]
    for length, direction in zip(lengths, directions, strict=True):
        places.append(places[-1] + length * direction)
    # the end keeps the recording's reach, which a different share of upper and lower limb would change
    ratio = recorded.own_length(base) / (recorded.recorded_length(base) * recorded.scale)
    end = start + ratio * (recorded.pos(roles[-1]) - recorded.pos(base))
    shares = torch.tensor(lengths, dtype=torch.float64).cumsum(0) / sum(lengths)
    return {
        role: place + share * (end - places[-1])
        for role, place, share in zip(roles[1:], places[1:], shares.tolist(), strict=True)
    }


def _bend_axes(recorded: Recorded, base: str, directions: Sequence[Tensor], trunk: Tensor) -> tuple[Tensor, Tensor]:
    """The axis a knee or elbow bends about, recorded (T, 3) and at rest (3,).

    It is seen where the limb is bent. Where it is straight, the upper bone's own rotation tells (its axis is learned
    from the bent frames), or, without rotations, the way the character's limb would swing there.
    """
    figure, middle = recorded.figure, recorded.limb_roles(base)[1]
    upper, lower = directions[0], directions[1]
    rest = unit(figure.rest(middle) - figure.rest(base))
    axis0 = figure.bend_axis(middle)
    if axis0 is None:
        axis0 = torch.tensor([0.0, 1.0 if base.endswith("hip") else -1.0, 0.0], dtype=torch.float64)
    axis0 = unit(orthogonal(axis0, rest))
    normal = torch.linalg.cross(upper, lower)
    bend = normal.norm(dim=-1, keepdim=True)
    seen = unit(normal)
    rotation = recorded.rotation(base)
    local = None if rotation is None else (quat_rotate(quat_conj(rotation), normal) * bend).sum(0)
    if rotation is not None and local is not None and local.norm() > 1e-3 * len(bend):
        expected = quat_rotate(rotation, unit(local).expand_as(upper))
    else:
        now = quat_rotate(quat_conj(trunk), upper)
        expected = quat_rotate(quat_mul(trunk, arc(rest.expand_as(now), now)), axis0.expand_as(upper))
    expected = unit(orthogonal(expected, upper))
    folded = (upper * lower).sum(-1, keepdim=True) < 0
    agreement = smoothstep(((seen * expected).sum(-1, keepdim=True) + 0.3) / 0.6)
    agree = torch.where(folded, 1.0, torch.maximum(agreement, smoothstep((bend - 0.4) / 0.3)))
    trust = smoothstep(torch.where(folded, (bend - 0.03) / 0.1, (bend - 0.15) / 0.35)) * agree
    return unit(torch.lerp(expected, seen, trust)), axis0


def _foot(recorded: Recorded, side: str, outward: Tensor, place: Tensor) -> Placed:
    """A person's foot, its ankle at ``place`` (T, 3) [m]: contacts of heel and toe, flat where both stand.

    ``outward`` (T, 3) is the axis the knee bends about, to the left.
    """
    figure, ankle, toe = recorded.figure, f"{side}_ankle", f"{side}_toe"
    heel = recorded.pos(ankle)
    heel_stands = toe_stands = recorded.contact(ankle, recorded.level("ankle"))
    if recorded.has(toe):
        toe_stands = recorded.contact(toe, recorded.level("toe"))
        forward = recorded.pos(toe) - heel
    else:
        forward = torch.linalg.cross(outward, UP.expand_as(outward))
    flat = heel_stands & toe_stands
    if flat.sum() < 3:
        flat = heel[:, 2] <= heel[:, 2].quantile(0.1)
    quat = _foot_quat(recorded, side, forward, outward, flat)
    pos = {}
    if toe in figure:
        pos[toe] = place + quat_rotate(quat, (figure.rest(toe) - figure.rest(ankle)).expand_as(heel))
    return Placed(pos, {figure.body_of(ankle): quat}, {ankle: heel_stands, toe: toe_stands})


def _foot_quat(recorded: Recorded, side: str, forward: Tensor, outward: Tensor, flat: Tensor) -> Tensor:
    """(T, 4) of a foot, level where it is ``flat`` (T,) bool; ``forward`` (T, 3) is from heel to toe."""
    figure, ankle, toe = recorded.figure, f"{side}_ankle", f"{side}_toe"
    ahead0 = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    if toe in figure:
        ahead0 = orthogonal(figure.rest(toe) - figure.rest(ankle), UP)
    rotation = recorded.rotation(ankle)
    if rotation is not None:
        level = turn_between(frame(ahead0, UP), frame(orthogonal(forward, UP), UP))
        return calibrate(rotation, level, flat.double())
    rise = torch.asin(unit(forward)[..., 2].clamp(-1, 1))
    # about the outward (left) axis a positive turn lowers the toe
    tilt = quat_from_rotvec(unit(outward) * rise[flat].median())
    return turn_between(frame(ahead0, torch.linalg.cross(UP, ahead0)), frame(quat_rotate(tilt, forward), outward))


def _paw(recorded: Recorded, tip: str, outward: Tensor, above: Tensor) -> Placed:
    """A paw is flat on the ground, and in the air follows the bone above it, of orientation ``above`` (T, 4)."""
    level = recorded.level(tip.split("_")[1])
    left = unit(orthogonal(outward, UP))
    up = UP.expand_as(left)
    flat = quat_from_matrix(torch.stack((torch.linalg.cross(left, up), left, up), -1))
    air = smoothstep((recorded.pos(tip)[:, 2] - level - 0.02) / 0.1)
    quat = quat_slerp(flat, above, 0.6 * air)
    return Placed(quat={recorded.figure.body_of(tip): quat}, contact={tip: recorded.contact(tip, level)})
