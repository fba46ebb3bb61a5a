"""Where every key body of the character should be, frame by frame: the recording at the character's own proportions.

The recording is scaled so that its legs are the character's, and set down so that it stands at the character's height.
Limbs keep the recording's directions at the character's lengths, and their ends the recording's reach; the trunk keeps
its curve. Orientations follow from the same directions (``frames.py``). Nothing here depends on neighbouring frames,
apart from constants of the whole clip.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from characters.errors import ClipError
from characters.roles import SIDES
from characters.rotations import quat_angle, quat_conj, quat_from_rotvec, quat_mul, quat_rotate, quat_slerp
from retarget.contacts import MAX_RISE, find_contact, speed, standing_level, tilted_floor
from retarget.figure import Figure
from retarget.frames import arc, calibrate, frame, orthogonal, quat_from_matrix, turn_between, unit
from retarget.mapping import Mapping
from retarget.source import Source

_HAND_REACH = 0.14  # [m] a wrist may be above ground with the hand on it
_UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Targets:
    """What the solver aims at, T frames.

    Attributes:
        times: (T,) [s].
        roles: the K roles that are aimed at.
        pos: role -> (T, 3) [m].
        quat: body index -> orientation (T, 4).
        contact: role of a foot, toe, paw or hand -> (T,) bool, whether it stands on the ground.
        turned: body index -> (T,) [rad] how far the recorded bone and the one above it turn from the frame before.
        scale: the character's legs over the recording's.
        drifting: paws stand less surely than in a recording.
    """

    times: Tensor
    pos: dict[str, Tensor]
    quat: dict[int, Tensor]
    contact: dict[str, Tensor]
    turned: dict[int, Tensor]
    scale: float
    drifting: bool = False

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, first: int, last: int) -> Targets:
        """Frames ``first`` to ``last``, both included, starting at time 0."""
        span = slice(first, last + 1)
        return replace(
            self,
            times=self.times[span] - self.times[first],
            pos={role: values[span] for role, values in self.pos.items()},
            quat={body: values[span] for body, values in self.quat.items()},
            contact={role: values[span] for role, values in self.contact.items()},
            turned={body: values[span] for body, values in self.turned.items()},
        )


def make_targets(figure: Figure, source: Source, mapping: Mapping, published: bool = False) -> Targets:
    """Targets for the whole recording. Raises ClipError where the recording has no size.

    ``published``: somebody has retargeted it before, and a dog's paws drift where they should stand.
    """
    return _Builder(figure, source, mapping, published and figure.digitigrade).build()


class _Spine(NamedTuple):
    chest: Tensor  # (T, 3) [m], recorded
    stretch: float


class _Builder:
    """The recording's roles beside the figure's, filled in from the pelvis outwards."""

    def __init__(self, figure: Figure, source: Source, mapping: Mapping, drifting: bool):
        self.figure, self.source, self.mapping, self.drifting = figure, source, mapping, drifting
        self.pos: dict[str, Tensor] = {}
        self.quat: dict[int, Tensor] = {}
        self.contact: dict[str, Tensor] = {}
        legs = [self._recorded_length(f"{side}_hip") for side in SIDES]
        own = [self._own_length(f"{side}_hip") for side in SIDES]
        if min(legs) <= 0:
            raise ClipError(f"{source.name}: legs of no length; is --unit right?")
        self.scale = sum(own) / sum(legs)
        self._points = source.pos_w * self.scale
        self._settle()

    def build(self) -> Targets:
        self._trunk()
        for side in SIDES:
            self._limb(f"{side}_hip", self.quat[self.figure.body_of("pelvis")])
            self._limb(f"{side}_shoulder", self.quat[self.figure.body_of("chest")])
        if not self.figure.digitigrade:
            self._hands()
        times = self.source.times
        return Targets(times, self.pos, self.quat, self.contact, self._turned(), self.scale, self.drifting)

    # what was recorded, at the character's size

    def has(self, role: str) -> bool:
        return role in self.mapping.joints

    def recorded(self, role: str) -> Tensor:
        return self._points[:, self.mapping.joints[role]]

    def rotation(self, role: str) -> Tensor | None:
        quat = self.source.quat_w
        return None if quat is None or not self.has(role) else quat[:, self.mapping.joints[role]]

    def middle(self, part: str) -> Tensor:
        return (self.recorded(f"left_{part}") + self.recorded(f"right_{part}")) / 2

    def lateral(self, part: str) -> Tensor:
        return self.recorded(f"left_{part}") - self.recorded(f"right_{part}")

    def _limb_roles(self, base: str) -> tuple[str, ...]:
        return tuple(role for role in self.figure.limb(base) if self.has(role))

    def _recorded_length(self, base: str) -> float:
        joints = [self.mapping.joints[role] for role in self._limb_roles(base)]
        pos = self.source.pos_w
        return sum(float((pos[:, a] - pos[:, b]).norm(dim=-1).median()) for a, b in itertools.pairwise(joints))

    def _own_length(self, base: str) -> float:
        roles = self._limb_roles(base)
        return sum(self.figure.length(a, b) for a, b in itertools.pairwise(roles))

    def _settle(self) -> None:
        """Lift or lower the recording so that its feet stand where the character's do."""
        self._points[..., 2] -= self._slope()
        end = self._limb_roles("left_hip")[-1]
        self._points = self._points + (self.figure.clearance(end) - self._level(end.split("_")[1])) * _UP

    def _slope(self) -> Tensor:
        """(T, J) height [m] of a floor that is not level, where standing feet say so over at least a few metres."""
        roles = [f"{side}_{part}" for side in SIDES for part in ("ankle", "toe") if self.has(f"{side}_{part}")]
        return tilted_floor([self.recorded(role) for role in roles], self.source.times, self._points)

    def _level(self, part: str) -> float:
        """Height [m] of a left or right joint when it stands."""
        roles = [f"{side}_{part}" for side in SIDES if self.has(f"{side}_{part}")]
        return min(standing_level(self.recorded(role), self.source.times) for role in roles)

    # from the pelvis outwards

    def _turned(self) -> dict[int, Tensor]:
        """How far the recorded bone of each body, and the one above it, turn from frame to frame."""
        joint_of = {self.figure.body_of(role): role for role in self.figure.roles if self.has(role)}
        steps = {body: self._bone_turn(role) for body, role in joint_of.items()}
        parents = [b.parent for b in self.figure.character.bodies]
        return {b: step + steps.get(parents[b], torch.zeros_like(step)) for b, step in steps.items()}

    def _bone_turn(self, role: str) -> Tensor:
        """(T,) [rad] of a joint's rotation, or, where there is none, of the direction to the joint below it."""
        rotation = self.rotation(role)
        if rotation is not None:
            step = quat_angle(rotation[1:], rotation[:-1])
        else:
            joint = self.mapping.joints[role]
            below = next((j for j, parent in enumerate(self.source.parents) if parent == joint), joint)
            bone = unit(self._points[:, below] - self._points[:, joint])
            step = 2 * torch.asin(((bone[1:] - bone[:-1]).norm(dim=-1) / 2).clamp(max=1.0))
        return torch.cat((step[:1], step))

    def _trunk(self) -> None:
        figure = self.figure
        midhip, midhip0 = self.middle("hip"), figure.middle("hip")
        top, top0 = self._top()
        pelvis = self._pelvis_quat(midhip, midhip0, top, top0)
        self.quat[figure.body_of("pelvis")] = pelvis
        for role in ("pelvis", "spine", "tail"):
            if role in figure:
                self.pos[role] = midhip + quat_rotate(pelvis, (figure.rest(role) - midhip0).expand_as(midhip))
        width = figure.length("left_hip", "right_hip") / self.lateral("hip").norm(dim=-1).median()
        for side in SIDES:
            self.pos[f"{side}_hip"] = midhip + width * (self.recorded(f"{side}_hip") - midhip)
        # a dog's trunk begins at its pelvis, a person's between the hips: the recording's pelvis may be anywhere there
        low = figure.digitigrade
        begin, place = (self.recorded("pelvis"), self.pos["pelvis"]) if low else (midhip, midhip)
        spine = self._spine(begin, top, figure.rest("pelvis") if low else midhip0, top0)
        tilt = self._tilt(place, spine.stretch * (top - begin))
        reach = place + quat_rotate(tilt, spine.stretch * (top - begin))
        self.pos["chest"] = place + quat_rotate(tilt, spine.stretch * (spine.chest - begin))
        chest = self._chest_quat(reach, top0)
        self.quat[figure.body_of("chest")] = chest
        if "spine" in figure and figure.body_of("spine") not in self.quat:
            rest = frame(
                figure.rest("chest") - figure.rest("spine"), figure.rest("left_hip") - figure.rest("right_hip")
            )
            now = frame(self.pos["chest"] - self.pos["spine"], self.lateral("hip"))
            self.quat[figure.body_of("spine")] = turn_between(rest, now)
        spread = (figure.rest("left_shoulder") - top0).norm() / (self.recorded("left_shoulder") - top).norm(
            dim=-1
        ).median()
        for side in SIDES:
            out = spread * (self.recorded(f"{side}_shoulder") - top)
            self.pos[f"{side}_shoulder"] = reach + quat_rotate(tilt, out)
        self._head(chest, reach, top0)
        self._tail()

    def _top(self) -> tuple[Tensor, Tensor]:
        """The upper end of the trunk, recorded and at rest: between the shoulders, of a four-legged body the neck."""
        if self.figure.digitigrade and self.has("neck"):
            return self.recorded("neck"), self.figure.rest("neck")
        shoulders, rotation = self.middle("shoulder"), self.rotation("chest")
        if rotation is not None:  # without the collar bones' shrugs
            chest = self.recorded("chest")
            local = quat_rotate(quat_conj(rotation), shoulders - chest).mean(0)
            shoulders = chest + quat_rotate(rotation, local.expand_as(chest))
        return shoulders, self.figure.middle("shoulder")

    def _tilt(self, place: Tensor, trunk: Tensor) -> Tensor:
        """How to turn the trunk (T, 4) so that front paws on the ground find it at the height of the front legs.

        A trunk that is longer for its legs than the recorded one would lift or sink them wherever it is not level.
        """
        still = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).expand(len(trunk), 4)
        paws = [f"{side}_finger" for side in SIDES if self.has(f"{side}_finger")]
        if not self.figure.digitigrade or not paws:
            return still
        bases = [f"{side}_shoulder" for side in SIDES]
        longer = sum(map(self._own_length, bases)) / (self.scale * sum(map(self._recorded_length, bases)))
        top = self._top()[0]
        height = top[:, 2] + (longer - 1) * self.middle("shoulder")[:, 2] - place[:, 2]
        length = trunk.norm(dim=-1)
        rise = height.clamp(-0.95 * length, 0.95 * length)
        ahead = unit(orthogonal(trunk, _UP)) * (length.square() - rise.square()).sqrt()[:, None]
        lowest = torch.stack([self.recorded(paw)[:, 2] for paw in paws]).amin(0)
        grounded = 1 - _smoothstep((lowest - 0.1) / 0.2)
        return quat_slerp(still, arc(trunk, ahead + rise[:, None] * _UP), grounded)

    def _pelvis_quat(self, midhip: Tensor, midhip0: Tensor, top: Tensor, top0: Tensor) -> Tensor:
        figure = self.figure
        lateral0 = figure.rest("left_hip") - figure.rest("right_hip")
        own_up, own_up0 = self.recorded("pelvis") - midhip, figure.rest("pelvis") - midhip0
        if figure.digitigrade and own_up0.norm() > 0.03 and own_up.norm(dim=-1).median() > 0.03:
            return turn_between(frame(lateral0, own_up0), frame(self.lateral("hip"), own_up))
        wanted = turn_between(frame(lateral0, top0 - midhip0), frame(self.lateral("hip"), top - midhip))
        rotation = self.rotation("pelvis")
        return wanted if rotation is None else calibrate(rotation, wanted)

    def _chest_quat(self, reach: Tensor, top0: Tensor) -> Tensor:
        figure = self.figure
        rest = frame(top0 - figure.rest("chest"), figure.rest("left_shoulder") - figure.rest("right_shoulder"))
        wanted = turn_between(rest, frame(reach - self.pos["chest"], self.lateral("shoulder")))
        rotation = self.rotation("chest")
        return wanted if rotation is None else calibrate(rotation, wanted)

    def _spine(self, begin: Tensor, top: Tensor, begin0: Tensor, top0: Tensor) -> _Spine:
        """The recorded place as far up the spine as the character's chest joint, and how much longer its trunk is."""
        lower, upper = (self.figure.rest("chest") - begin0).norm(), (top0 - self.figure.rest("chest")).norm()
        share = float(lower / (lower + upper))
        line = [begin, *(self._points[:, j] for j in self.mapping.spine[1:]), top]
        bones = torch.stack([(b - a).norm(dim=-1).median() for a, b in itertools.pairwise(line)])
        ends = bones.cumsum(0) / bones.sum()
        i = min(int((ends < share).sum()), len(bones) - 1)
        start = 0.0 if i == 0 else float(ends[i - 1])
        within = (share - start) / max(float(ends[i]) - start, 1e-9)
        return _Spine(torch.lerp(line[i], line[i + 1], within), float((lower + upper) / bones.sum()))

    def _head(self, chest: Tensor, reach: Tensor, top0: Tensor) -> None:
        figure = self.figure
        if "neck" not in figure:
            return
        self.pos["neck"] = reach + quat_rotate(chest, (figure.rest("neck") - top0).expand_as(reach))
        neck = figure.body_of("neck")
        if "head" in figure and figure.body_of("head") != neck:
            self._chain(("neck", "head", "head_end"), chest)
            return
        rotation = self.rotation("head")
        self.quat[neck] = chest if rotation is None else calibrate(rotation, chest)
        if "head" in figure:
            arm = (figure.rest("head") - figure.rest("neck")).expand_as(reach)
            self.pos["head"] = self.pos["neck"] + quat_rotate(self.quat[neck], arm)

    def _tail(self) -> None:
        if "tail" in self.figure and self.has("tail1"):
            self._chain(("tail", "tail1", "tail_end"), self.quat[self.figure.body_of("pelvis")])

    def _chain(self, roles: tuple[str, ...], above: Tensor) -> None:
        """A row of bones at the character's lengths in the recorded directions, starting from a known place.

        Each bone is turned from the one above it by the shortest way: nothing was recorded of its twist.
        """
        for a, b in itertools.pairwise(roles):
            if not (a in self.figure and b in self.figure and self.has(a) and self.has(b)):
                return
            direction, rest = self.recorded(b) - self.recorded(a), self.figure.rest(b) - self.figure.rest(a)
            self.pos[b] = self.pos[a] + rest.norm() * unit(direction)
            above = quat_mul(arc(quat_rotate(above, rest.expand_as(direction)), direction), above)
            self.quat[self.figure.body_of(a)] = above

    def _limb(self, base: str, trunk: Tensor) -> None:
        figure, roles = self.figure, self._limb_roles(base)
        places = [self.pos[base]]
        lengths = [figure.length(a, b) for a, b in itertools.pairwise(roles)]
        directions = [unit(self.recorded(b) - self.recorded(a)) for a, b in itertools.pairwise(roles)]
        for length, direction in zip(lengths, directions, strict=True):
            places.append(places[-1] + length * direction)
        # the end keeps the recording's reach, which a different share of upper and lower limb would change
        ratio = self._own_length(base) / (self._recorded_length(base) * self.scale)
        end = self.pos[base] + ratio * (self.recorded(roles[-1]) - self.recorded(base))
        shares = torch.tensor(lengths, dtype=torch.float64).cumsum(0) / sum(lengths)
        for role, place, share in zip(roles[1:], places[1:], shares.tolist(), strict=True):
            self.pos[role] = place + share * (end - places[-1])
        bend, bend0 = self._bend_axes(base, roles, directions, trunk)
        for a, b, direction in zip(roles, roles[1:], directions, strict=False):
            rest = frame(figure.rest(b) - figure.rest(a), bend0)
            self.quat[figure.body_of(a)] = turn_between(rest, frame(direction, bend))
        side = base.split("_")[0]
        outward = bend if base.endswith("hip") else -bend
        if figure.digitigrade:
            self._paw(roles[-1], roles[-2], outward)
        elif base.endswith("hip"):
            self._foot(side, outward)

    def _bend_axes(
        self, base: str, roles: tuple[str, ...], directions: list[Tensor], trunk: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The axis a knee or elbow bends about, recorded (T, 3) and at rest (3,).

        It is seen where the limb is bent. Where it is straight, the upper bone's own rotation tells (its axis is learned
        from the bent frames), or, without rotations, the way the character's limb would swing there.
        """
        figure, upper, lower = self.figure, directions[0], directions[1]
        rest = unit(figure.rest(roles[1]) - figure.rest(roles[0]))
        axis0 = figure.bend_axis(roles[1])
        if axis0 is None:
            axis0 = torch.tensor([0.0, 1.0 if base.endswith("hip") else -1.0, 0.0], dtype=torch.float64)
        axis0 = unit(orthogonal(axis0, rest))
        normal = torch.linalg.cross(upper, lower)
        bend = normal.norm(dim=-1, keepdim=True)
        seen = unit(normal)
        rotation = self.rotation(base)
        local = None if rotation is None else (quat_rotate(quat_conj(rotation), normal) * bend).sum(0)
        if rotation is not None and local is not None and local.norm() > 1e-3 * len(bend):
            expected = quat_rotate(rotation, unit(local).expand_as(upper))
        else:
            now = quat_rotate(quat_conj(trunk), upper)
            expected = quat_rotate(quat_mul(trunk, arc(rest.expand_as(now), now)), axis0.expand_as(upper))
        expected = unit(orthogonal(expected, upper))
        folded = (upper * lower).sum(-1, keepdim=True) < 0
        agreement = _smoothstep(((seen * expected).sum(-1, keepdim=True) + 0.3) / 0.6)
        agree = torch.where(folded, 1.0, torch.maximum(agreement, _smoothstep((bend - 0.4) / 0.3)))
        trust = _smoothstep(torch.where(folded, (bend - 0.03) / 0.1, (bend - 0.15) / 0.35)) * agree
        return unit(torch.lerp(expected, seen, trust)), axis0

    def _foot(self, side: str, outward: Tensor) -> None:
        """Contacts of heel and toe, and the foot's orientation: flat where both stand."""
        figure, ankle, toe = self.figure, f"{side}_ankle", f"{side}_toe"
        heel = self.recorded(ankle)
        self.contact[ankle] = self._contact(ankle, self._level("ankle"))
        if self.has(toe):
            tip = self.recorded(toe)
            self.contact[toe] = self._contact(toe, self._level("toe"))
            forward = tip - heel
        else:
            self.contact[toe] = self.contact[ankle]
            forward = torch.linalg.cross(outward, _UP.expand_as(outward))
        flat = self.contact[ankle] & self.contact[toe]
        if flat.sum() < 3:
            flat = heel[:, 2] <= heel[:, 2].quantile(0.1)
        ahead0 = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
        if toe in figure:
            ahead0 = orthogonal(figure.rest(toe) - figure.rest(ankle), _UP)
        level = turn_between(frame(ahead0, _UP), frame(orthogonal(forward, _UP), _UP))
        rotation = self.rotation(ankle)
        if rotation is not None:
            quat = calibrate(rotation, level, flat.double())
        else:
            rise = torch.asin(unit(forward)[..., 2].clamp(-1, 1))
            # about the outward (left) axis a positive turn lowers the toe
            tilt = quat_from_rotvec(unit(outward) * rise[flat].median())
            quat = turn_between(
                frame(ahead0, torch.linalg.cross(_UP, ahead0)), frame(quat_rotate(tilt, forward), outward)
            )
        self.quat[figure.body_of(ankle)] = quat
        if toe in figure:
            arm = (figure.rest(toe) - figure.rest(ankle)).expand_as(heel)
            self.pos[toe] = self.pos[ankle] + quat_rotate(quat, arm)

    def _paw(self, tip: str, above: str, outward: Tensor) -> None:
        """A paw is flat on the ground, and follows the bone above it in the air."""
        point = self.recorded(tip)
        level = self._level(tip.split("_")[1])
        self.contact[tip] = self._contact(tip, level)
        left = unit(orthogonal(outward, _UP))
        flat = quat_from_matrix(
            torch.stack((torch.linalg.cross(left, _UP.expand_as(left)), left, _UP.expand_as(left)), -1)
        )
        air = _smoothstep((point[:, 2] - level - 0.02) / 0.1)
        self.quat[self.figure.body_of(tip)] = quat_slerp(flat, self.quat[self.figure.body_of(above)], 0.6 * air)

    def _hands(self) -> None:
        """A hand stands on the ground where the wrist is low and still."""
        for side in SIDES:
            self.contact[f"{side}_wrist"] = self._contact(f"{side}_wrist", 0.0, _HAND_REACH)

    def _contact(self, role: str, level: float, rise: float = MAX_RISE) -> Tensor:
        pelvis = self.middle("hip") * torch.tensor([1.0, 1.0, 0.0])
        times = self.source.times
        return find_contact(self.recorded(role), times, level, rise, speed(pelvis, times), self.drifting)


def _smoothstep(x: Tensor) -> Tensor:
    x = x.clamp(0.0, 1.0)
    return x * x * (3 - 2 * x)
