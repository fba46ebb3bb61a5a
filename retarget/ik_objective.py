"""The solver's objective: weighted target positions of points and orientations of bodies; standing soles stay in place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from characters.character import Joint
from characters.roles import part_of, side_of, swap_part
from mimic.core.rotations import (
    quat_conj,
    quat_from_axis_angle,
    quat_from_rotvec,
    quat_mul,
    quat_rotate,
    quat_to_rotvec,
)
from retarget.configuration import Configuration, KinematicTree
from retarget.contacts import anchors, blend_offset
from retarget.frames import shortest_rotation
from retarget.retarget_rig import CollisionSpheres, RetargetRig
from retarget.targets import Targets

_FADE_S = 0.2  # how long before and after a contact the limb is drawn towards its place
_FAR = 0.06  # [m] a sole that would be so far above ground does not stand, whatever its joints do
_LOCK = 8.0  # weight of a standing sole against a key body's 1 (of the residual, so squared in the cost)
_ROLE_WEIGHT = {"pelvis": 0.5, "chest": 0.4, "neck": 0.3, "head": 0.5, "knee": 0.5, "elbow": 0.6, "toe": 0.5}
_STANDING_ROLE_WEIGHT = 0.3
_ORIENTATION_WEIGHT = {"pelvis": 0.15, "chest": 0.15, "ankle": 0.15, "neck": 0.2, "toe": 0.1, "finger": 0.1}


@dataclass(frozen=True, eq=False)
class IkObjective:
    """Weighted targets of points and orientations over T frames; weights multiply the residual.

    Attributes:
        body, at: the P points: indices (P,) of their bodies, and positions (P, 3) [m] in the bodies' frames.
        place, weight: target positions (T, P, 3) [m] of the points, and their weights (T, P).
        turned: (O,) indices of the bodies with a target orientation.
        quat, turn_weight: target orientations (T, O, 4), and their weights (O,) [m/rad].
        floor: (T, S) bool: which points of the rig's surface stand on the ground.
    """

    body: Tensor
    at: Tensor
    place: Tensor
    weight: Tensor
    turned: Tensor
    quat: Tensor
    turn_weight: Tensor
    floor: Tensor

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, frames: slice) -> IkObjective:
        return replace(
            self,
            place=self.place[frames],
            weight=self.weight[frames],
            quat=self.quat[frames],
            floor=self.floor[frames],
        )


@dataclass(frozen=True, eq=False)
class Sole:
    """The contact points of one role, and ``flags`` (T,) bool: whether they stand on the ground in the recording."""

    role: str
    surface: CollisionSpheres
    flags: Tensor


def soles(rig: RetargetRig, targets: Targets) -> list[Sole]:
    """Return the contact points of each role in ``targets.contact``; heel and toe of a foot are two contacts."""
    found = []
    for role, flags in targets.contact.items():
        part = part_of(role)
        base = role if (role in rig and part != "toe") or rig.digitigrade else swap_part(role, "toe", "ankle")
        if role in rig and rig.body_of(role) != rig.body_of(swap_part(role, "toe", "ankle")):
            base = role
        surface = rig.sole(base)
        if base != role and len(surface.at) == 1:  # one point cannot stand in two places
            continue
        if not rig.digitigrade and part in ("ankle", "toe") and len(surface.at) > 1:
            front = surface.at[:, 0] > surface.at[:, 0].mean()
            chosen = front if part == "toe" else ~front
            if part_of(base) == "toe":
                chosen = torch.ones_like(front)
            surface = CollisionSpheres(surface.body[chosen], surface.at[chosen], surface.radius[chosen])
        found.append(Sole(role, surface, flags))
    return found


def make_ik_objective(rig: RetargetRig, tree: KinematicTree, targets: Targets) -> IkObjective:
    """Build the solver's objective, which holds standing soles on the ground at their mean position of each contact."""
    times = targets.times
    fade = max(2, round(_FADE_S / float(times.diff().median())))
    pos = {role: value.clone() for role, value in targets.pos.items()}
    locks: list[tuple[CollisionSpheres, Tensor, Tensor]] = []
    offsets: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for sole in soles(rig, targets):
        body_role = sole.role if sole.role in pos and part_of(sole.role) != "toe" else _carrier(rig, sole.role)
        quat = _orientation(tree, targets, int(sole.surface.body[0]))
        origin = targets.pos[body_role]
        points = origin[:, None] + quat_rotate(quat[:, None], sole.surface.at.expand(len(origin), -1, -1))
        far = _FAR + (targets.longer_foot if part_of(sole.role) in ("ankle", "toe") else 0.0)
        flags = sole.flags & (points[..., 2].mean(1) < sole.surface.radius.mean() + far)
        held = [anchors(flags, at, targets.noisy_contacts, targets.hand_keyed) for at in points.unbind(1)]
        fixed = torch.stack(held, 1)
        fixed[..., 2] = torch.where(flags[:, None], sole.surface.radius.expand(len(fixed), -1), fixed[..., 2])
        locks.append((sole.surface, fixed, flags))
        offsets.setdefault(body_role, []).append(((fixed - points).mean(1), flags))
    for body_role, found in offsets.items():
        count = torch.stack([flags for _, flags in found]).sum(0)
        offset = sum((o * f[:, None] for o, f in found), torch.zeros_like(found[0][0])) / count.clamp_min(1)[:, None]
        _shift_limb(rig, pos, body_role, blend_offset(offset, count > 0, fade))
    targets = replace(targets, quat=_levelled(rig, targets, pos, locks, fade))
    for role in pos:
        if part_of(role) in (("finger", "toe") if rig.digitigrade else ("wrist", "ankle", "toe")):
            pos[role][:, 2].clamp_(min=_lowest(rig, role))
    return _stack(rig, targets, pos, locks)


def first_configuration(rig: RetargetRig, targets: Targets) -> Configuration:
    """Return the solver's start: joints follow the orientation targets, and only the pelvis its position target."""
    character, frames = rig.character, len(targets)
    pelvis = rig.body_of("pelvis")
    quats: list[Tensor] = []
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).expand(frames, 4)
    joint_quat = torch.zeros(frames, len(character.joints), 4, dtype=torch.float64)
    for b, body in enumerate(character.bodies):
        if body.parent < 0:
            quats.append(targets.quat.get(b, targets.quat[pelvis]))
            continue
        parent = quats[body.parent]
        wanted = targets.quat.get(b)
        if body.joint is None or wanted is None:
            local = identity
        else:
            local = _allowed(character.joints[body.joint], parent, wanted)
        if body.joint is not None:
            joint_quat[:, body.joint] = local
        quats.append(quat_mul(parent, local))
    root_pos = targets.pos["pelvis"] - quat_rotate(quats[0], rig.rest("pelvis").expand(frames, 3))
    return Configuration(root_pos, quats[0], joint_quat)


def _allowed(joint: Joint, parent: Tensor, wanted: Tensor) -> Tensor:
    local = quat_mul(quat_conj(parent), wanted)
    if joint.kind == "ball":
        return local
    axis = local.new_tensor(joint.axis)
    angle = 2 * torch.atan2(local[:, 1:] @ axis, local[:, 0])
    angle = torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
    if joint.range is not None:
        low, high = joint.range
        middle = (low + high) / 2  # the turn nearest to the middle of the range, then the range's nearer end
        angle = torch.remainder(angle - middle + torch.pi, 2 * torch.pi) - torch.pi + middle
        angle = angle.clamp(low, high)
    return quat_from_axis_angle(axis.expand(len(angle), 3), angle)


def _carrier(rig: RetargetRig, role: str) -> str:
    """Return the role whose joint moves the contact's body: the ankle for a person's toe without a body of its own."""
    ankle = swap_part(role, "toe", "ankle")
    return ankle if not rig.digitigrade and (role not in rig or rig.body_of(role) == rig.body_of(ankle)) else role


def _orientation(tree: KinematicTree, targets: Targets, body: int) -> Tensor:
    """Return the target orientation (T, 4) of a body or, if it has none, of its nearest ancestor that has one."""
    while body not in targets.quat and tree.parents[body] >= 0:
        body = tree.parents[body]
    return targets.quat[body]


def _shift_limb(rig: RetargetRig, pos: dict[str, Tensor], end: str, offset: Tensor) -> None:
    """Add ``offset`` (T, 3) [m] in ``pos`` to the role ``end`` of a limb, and a growing share of it to the joints before."""
    side, part = side_of(end), part_of(end)
    base = f"{side}_hip" if part in ("ankle", "toe") else f"{side}_shoulder"
    roles = [role for role in rig.limb(base) if role in pos]
    for i, role in enumerate(roles[1:], start=1):
        pos[role] = pos[role] + offset * (i / (len(roles) - 1))
    toe = f"{side}_toe"
    if part == "ankle" and toe in pos and toe not in roles:
        pos[toe] = pos[toe] + offset


def _levelled(
    rig: RetargetRig,
    targets: Targets,
    pos: dict[str, Tensor],
    locks: list[tuple[CollisionSpheres, Tensor, Tensor]],
    fade: int,
) -> dict[int, Tensor]:
    """Return orientation targets (T, 4) by body in which standing feet are flat, with a transition of ``fade`` frames.

    ``locks`` holds for each sole its spheres, their held positions (T, P, 3) [m], and when it stands (T,) bool. The
    toes' positions in ``pos`` turn with the feet.
    """
    quats = dict(targets.quat)
    for body in {int(sole.body[0]) for sole, _, _ in locks} & set(quats):
        flags = [standing for sole, _, standing in locks if int(sole.body[0]) == body]
        standing, flat = torch.stack(flags).any(0), torch.stack(flags).all(0)
        quat = quats[body]
        axes = torch.eye(3, dtype=torch.float64)
        up, across = (quat_rotate(quat, axis.expand(len(quat), 3)) for axis in (axes[2], axes[1]))
        level = across * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
        turn = torch.where(
            flat[:, None], shortest_rotation(up, axes[2].expand_as(up)), shortest_rotation(across, level)
        )
        turned = blend_offset(quat_to_rotvec(turn), standing, fade)
        quats[body] = quat_mul(quat_from_rotvec(turned), quat)
        ankle = next(role for role in rig.roles if rig.body_of(role) == body)
        toe = swap_part(ankle, "ankle", "toe")
        if toe != ankle and toe in pos and rig.body_of(toe) == body:
            arm = pos[toe] - pos[ankle]
            pos[toe] = pos[ankle] + quat_rotate(quat_from_rotvec(turned), arm)
    return quats


def _lowest(rig: RetargetRig, role: str) -> float:
    """Return the height [m] of a role's point when the role's body is flat on the ground."""
    return rig.clearance(role) + float(rig.at[rig.roles.index(role), 2])


def _floor(rig: RetargetRig, frames: int, locks: list[tuple[CollisionSpheres, Tensor, Tensor]]) -> Tensor:
    """Return the mask (T, S) of surface points that stand: those level with a standing sole, in its half of the foot.

    A half is the front or the rear. ``locks`` is as in ``_levelled``.
    """
    surface = rig.surface
    floor = torch.zeros(frames, len(surface.body), dtype=torch.bool)
    for sole, _, flags in locks:
        body = int(sole.body[0])
        same = surface.body == body
        height = surface.at[:, 2] - surface.radius
        low = same & (height <= height[same].min() + 0.01)
        ahead = surface.at[:, 0] - surface.at[low, 0].mean()
        side = torch.sign(sole.at[:, 0].mean() - surface.at[low, 0].mean())
        floor |= (low & (ahead * side >= 0)) & flags[:, None]
    return floor


def _stack(
    rig: RetargetRig, targets: Targets, pos: dict[str, Tensor], locks: list[tuple[CollisionSpheres, Tensor, Tensor]]
) -> IkObjective:
    roles = [role for role in rig.roles if role in pos]
    columns = [rig.roles.index(role) for role in roles]
    weights = []
    for role in roles:
        part = part_of(role)
        weight = torch.full((len(targets),), _ROLE_WEIGHT.get(part, 1.0), dtype=torch.float64)
        if role in targets.contact:
            weight = torch.where(targets.contact[role], weight * _STANDING_ROLE_WEIGHT, weight)
        weights.append(weight)
    for surface, _, flags in locks:
        weights += [_LOCK * flags.double()] * len(surface.body)
    turned, turn_weight = [], []
    for role in rig.roles:
        part = part_of(role)
        body = rig.body_of(role)
        if body in targets.quat and body not in turned:
            turned.append(body)
            turn_weight.append(_ORIENTATION_WEIGHT.get(part, 0.05))
    return IkObjective(
        body=torch.cat((rig.body[columns], *(surface.body for surface, _, _ in locks))),
        at=torch.cat((rig.at[columns], *(surface.at for surface, _, _ in locks))),
        place=torch.cat((torch.stack([pos[role] for role in roles], 1), *(fixed for _, fixed, _ in locks)), 1),
        weight=torch.stack(weights, 1),
        turned=torch.tensor(turned),
        quat=torch.stack([targets.quat[body] for body in turned], 1),
        turn_weight=torch.tensor(turn_weight, dtype=torch.float64),
        floor=_floor(rig, len(targets), locks),
    )
