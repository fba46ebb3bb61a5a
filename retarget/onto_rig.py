"""Transfers a motion of one of our characters to somebody else's rig: the inverse of retargeting.

A body of ours has the world's axes at its zero pose, so its orientation is the turn since then. A bone of theirs makes
the same turn, after the shortest rotation that brings its rest direction to ours. The hips are where ours are, scaled
by the length of the legs. Two-bone inverse kinematics then puts feet, and hands near the ground, where ours are.
All values are in glTF's axes: y up, z forward, x to the left.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters.roles import SIDES
from mimic.core.errors import InputError
from mimic.core.rotations import quat_conj, quat_from_axis_angle, quat_mul, quat_normalize, quat_rotate, quat_slerp
from mocap.formats.gltf import Node
from mocap.motion import Motion
from retarget.configuration import Configuration, KinematicTree
from retarget.frames import shortest_rotation, smoothstep, unit
from retarget.mapping import map_skeleton
from retarget.retarget_rig import RetargetRig

_UP = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
_REACH = 0.9995  # of a limb's length: a knee is never quite straight
_PULLS = 8  # iterations that move hips towards feet out of reach
_BESIDE = 0.02  # of a figure's size
_HAND_LOW, _HAND_HIGH = 0.12, 0.35  # [m] of our wrist's height: on the ground, and not


@dataclass(frozen=True, eq=False)
class TheirRig:
    """A rig at rest: its nodes, and for N nodes the world's positions (N, 3), rotations (N, 4) and scales (N, 3)."""

    nodes: Sequence[Node]
    order: tuple[int, ...]
    pos: Tensor
    quat: Tensor
    scale: Tensor

    @staticmethod
    def of(nodes: Sequence[Node]) -> TheirRig:
        """Compute the rest pose in the world."""
        order = _parents_first(nodes)
        count = len(nodes)
        pos, quat, scale = torch.zeros(count, 3).double(), torch.zeros(count, 4).double(), torch.ones(count, 3).double()
        for n in order:
            node = nodes[n]
            pos[n], quat[n], scale[n] = node.translation, quat_normalize(node.rotation), node.scale
            if node.parent >= 0:
                up = node.parent
                pos[n] = pos[up] + quat_rotate(quat[up], scale[up] * node.translation)
                quat[n], scale[n] = quat_mul(quat[up], quat[n]), scale[up] * node.scale
        return TheirRig(nodes, order, pos, quat, scale)

    def is_below(self, node: int, above: int) -> bool:
        """Whether ``node`` is ``above`` or one of its descendants."""
        while node >= 0 and node != above:
            node = self.nodes[node].parent
        return node == above


@dataclass(frozen=True, eq=False)
class Transfer:
    """A motion of somebody else's rig.

    Attributes:
        rotations: (T, 4) wxyz of each node that turns, in its parent.
        translations: (T, 3) of each node that moves in its parent, in the file's unit.
        scale: length of their legs divided by that of ours.
        roles: index of the node of each role.
        worlds: (T, N, 3) positions of all nodes in the world, in the file's unit.
        foot_error: largest distance of a foot from ours after scale, in the file's unit.
    """

    rotations: dict[int, Tensor]
    translations: dict[int, Tensor]
    scale: float
    roles: dict[str, int]
    worlds: Tensor
    foot_error: float


def bone_roles(
    nodes: Sequence[Node], skin: Sequence[int], override: Mapping[str, str] | None = None
) -> tuple[dict[str, int], tuple[int, ...]]:
    """Return the node of each role and the nodes from pelvis to chest, found by names and shape.

    Raises ClipError if a needed role cannot be found.
    """
    rig = TheirRig.of(nodes)
    bones = {n for n in rig.order if any(rig.is_below(n, bone) or rig.is_below(bone, n) for bone in skin)}
    chosen = [n for n in rig.order if n in bones]
    above = _attached(rig, chosen)
    chosen = [n for n in chosen if n in above]
    chosen.sort(key=lambda n: _depth(n, above))
    place = {n: i for i, n in enumerate(chosen)}
    parents = [place.get(above[n], -1) for n in chosen]
    z_up = rig.pos[chosen][:, [2, 0, 1]]
    mapping = map_skeleton([nodes[n].name for n in chosen], parents, z_up[None], override)
    return {role: chosen[j] for role, j in mapping.joints.items()}, tuple(chosen[j] for j in mapping.spine)


def transfer(
    motion: Motion, rig: RetargetRig, nodes: Sequence[Node], roles: Mapping[str, int], spine: Sequence[int], sole: float
) -> Transfer:
    """Compute the motion of a rig from a motion of our character.

    Args:
        motion: the motion of the character of ``rig``.
        rig: our character with its key bodies.
        nodes: all nodes of their file, at rest.
        roles: index of the node of each role, as ``bone_roles`` returns.
        spine: their nodes from pelvis to chest.
        sole: height of the soles of their feet at rest, in the file's unit.

    Raises InputError if their legs have no length.
    """
    return _Transfer(motion, rig, TheirRig.of(nodes), dict(roles), tuple(spine), sole).run()


class _Transfer:
    def __init__(
        self,
        motion: Motion,
        rig: RetargetRig,
        theirs: TheirRig,
        roles: dict[str, int],
        spine: tuple[int, ...],
        sole: float,
    ):
        self.rig, self.theirs, self.spine = rig, theirs, spine
        self.roles = {role: node for role, node in roles.items() if role in rig or role in ("pelvis", "chest")}
        bodies = KinematicTree(rig.character).forward(Configuration.of(motion))
        quat = bodies.quat[..., [0, 2, 3, 1]]
        self._turn_of = {role: quat[:, rig.body_of(role)] for role in rig.roles}
        self._ours = {
            role: _axes(bodies.pos[:, rig.body_of(role)])
            + quat_rotate(self._turn_of[role], _axes(rig.at[rig.roles.index(role)]).expand(len(quat), 3))
            for role in rig.roles
        }
        self.frames = len(quat)
        self.facing = self._facing()
        self.rest_pos = quat_rotate(self.facing.expand(len(theirs.pos), 4), theirs.pos)
        self.rest_quat = quat_mul(self.facing.expand(len(theirs.pos), 4), theirs.quat)
        self.legs = self._legs("hip", ("toe", "ankle"))
        self.arms = self._legs("shoulder", ("finger", "wrist"))
        own = sum(self._length(self._own_rest, leg) for leg in self.legs)
        length = sum(self._length(self._rest, leg) for leg in self.legs)
        if length <= 0 or own <= 0:
            raise InputError("the legs of the rig have no length: hip, knee and ankle coincide")
        self.scale = float(length / own)
        self.sole = sole

    def run(self) -> Transfer:
        deltas = self._deltas()
        pelvis = self._hips_target() - self._hips_arm(deltas)
        quat, pos = self._forward(deltas, pelvis, {})
        goals = self._goals(deltas)
        for _ in range(_PULLS):
            pull = self._pull(pos, goals)
            if float(pull.norm(dim=-1).max()) < 1e-6:
                break
            pelvis = pelvis + pull
            pos = pos + pull[:, None]
        quat, pos = self._forward(deltas, pelvis, {})
        if not self.rig.digitigrade:
            self._hands_on_ground(pos, deltas, goals)
        placed: dict[int, Tensor] = {}
        for limb in (*self.legs, *self.arms):
            if limb[2] in goals:
                self._bend(limb, pos, deltas, goals[limb[2]])
                placed[self.roles[limb[2]]] = goals[limb[2]]
        quat, pos = self._forward(deltas, pelvis, placed)
        ends = [limb[2] for limb in self.legs]
        error = max(float((pos[:, self.roles[end]] - goals[end]).norm(dim=-1).max()) for end in ends)
        return self._local(quat, pos, deltas, placed, error)

    def _facing(self) -> Tensor:
        """Return the turn (4,) about y that makes their left side point along x."""
        left = torch.zeros(3).double()
        for part in ("hip", "shoulder"):
            left += self.theirs.pos[self.roles[f"left_{part}"]] - self.theirs.pos[self.roles[f"right_{part}"]]
        return quat_from_axis_angle(_UP, torch.atan2(left[2], left[0]))

    def _rest(self, role: str) -> Tensor:
        return self.rest_pos[self.roles[role]]

    def _own_rest(self, role: str) -> Tensor:
        return _axes(self.rig.rest(role))

    def _legs(self, base: str, ends: tuple[str, str]) -> list[tuple[str, str, str, str]]:
        """Return for each side base, middle, end, and the tip that stands on the ground (the end, if it has none)."""
        middle, end = ("knee", "ankle") if base == "hip" else ("elbow", "wrist")
        found = []
        for side in SIDES:
            tip = f"{side}_{ends[0]}" if self.rig.digitigrade else f"{side}_{end}"
            tip = tip if tip in self.roles and tip in self.rig else f"{side}_{end}"
            found.append((f"{side}_{base}", f"{side}_{middle}", f"{side}_{end}", tip))
        return found

    def _length(self, place: Callable[[str], Tensor], limb: tuple[str, str, str, str]) -> Tensor:
        points = [place(role) for role in dict.fromkeys(limb)]
        return torch.stack([(b - a).norm() for a, b in itertools.pairwise(points)]).sum()

    def _swing(self, a: str, b: str) -> Tensor:
        """Return the rotation (4,) from our direction of a bone at rest to theirs."""
        return shortest_rotation(self._own_rest(b) - self._own_rest(a), self._rest(b) - self._rest(a))

    def _deltas(self) -> dict[int, Tensor]:
        """Return for each mapped node its turn (T, 4) in the world since its rest pose."""
        swings: dict[str, Tensor] = {}
        for limb in (*self.legs, *self.arms):
            roles = list(dict.fromkeys(limb))
            for a, b in itertools.pairwise(roles):
                swings[a] = self._swing(a, b)
        if not self.rig.digitigrade:
            for side in SIDES:
                swings[f"{side}_wrist"] = swings[f"{side}_elbow"]
        deltas = {}
        for role, node in self.roles.items():
            if role.startswith("spine") or role.endswith("clavicle") or role not in self._turn_of:
                continue
            if role in ("head_end", "tail_end") or (role.endswith(("toe", "finger")) and not self.rig.digitigrade):
                continue
            swing = swings.get(role)
            turn = self._turn_of[role]
            deltas[node] = turn if swing is None else quat_mul(turn, quat_conj(swing).expand_as(turn))
        first, last = deltas[self.spine[0]], deltas[self.spine[-1]]
        for i, node in enumerate(self.spine[1:-1], start=1):
            share = torch.full((self.frames,), i / (len(self.spine) - 1), dtype=torch.float64)
            deltas[node] = quat_slerp(first, last, share)
        return deltas

    def _hips_target(self) -> Tensor:
        return self.scale * (self._ours["left_hip"] + self._ours["right_hip"]) / 2 + self._lift() * _UP

    def _lift(self) -> float:
        """Return how much higher their foot's joint is above their sole than ours, after scale."""
        tip = self.legs[0][3]
        return (
            float(self._rest(tip)[1])
            - self.sole
            - self.scale * self.rig.clearance(tip)
            - (self.scale * float(self.rig.at[self.rig.roles.index(tip), 2]))
        )

    def _hips_arm(self, deltas: Mapping[int, Tensor]) -> Tensor:
        """Return the vector (T, 3) from their pelvis to the middle of their hips."""
        node = self.roles["pelvis"]
        arm = (self._rest("left_hip") + self._rest("right_hip")) / 2 - self.rest_pos[node]
        return quat_rotate(deltas[node], arm.expand(self.frames, 3))

    def _goals(self, deltas: Mapping[int, Tensor]) -> dict[str, Tensor]:
        """Return for each foot, and each hand that comes near the ground, the goal (T, 3) of the end of its two bones."""
        goals = {}
        limbs = self.legs + (self.arms if self.rig.digitigrade else [])
        for limb in limbs:
            end, tip = limb[2], limb[3]
            goal = self.scale * self._ours[tip] + self._lift() * _UP + self._longer(limb, deltas)
            if tip != end:
                arm = (self._rest(tip) - self._rest(end)).expand(self.frames, 3)
                goal = goal - quat_rotate(deltas[self.roles[end]], arm)
            goals[end] = goal
        return goals

    def _longer(self, limb: tuple[str, str, str, str], deltas: Mapping[int, Tensor]) -> Tensor:
        """Return the shift (T, 3) of a front paw's goal by which their trunk is longer than ours after scale."""
        if not limb[0].endswith("shoulder"):
            return torch.zeros(self.frames, 3).double()
        trunk = [place("left_shoulder") - place("left_hip") for place in (self._rest, self._own_rest)]
        ahead = quat_rotate(
            deltas[self.roles["pelvis"]], _axes(torch.tensor([1.0, 0, 0]).double()).expand(self.frames, 3)
        )
        return (trunk[0][2] - self.scale * trunk[1][2]) * unit(ahead * torch.tensor([1.0, 0, 1.0]).double())

    def _hands_on_ground(self, pos: Tensor, deltas: dict[int, Tensor], goals: dict[str, Tensor]) -> None:
        """Add to ``goals`` the wrists that come near the ground, as far from it as ours, and lay these hands flat."""
        for limb in self.arms:
            wrist = limb[2]
            node, ours = self.roles[wrist], self._ours[wrist]
            near = 1 - smoothstep((ours[:, 1] - _HAND_LOW) / (_HAND_HIGH - _HAND_LOW))
            if not bool((near > 0).any()):
                continue
            now = pos[:, node]
            height = self.scale * ours[:, 1]
            goal = torch.stack((now[:, 0], height, now[:, 2]), -1)
            goals[wrist] = torch.lerp(now, goal, near[:, None])
            tip = self.roles.get(wrist.replace("wrist", "finger"), node)
            rest = self.rest_pos[tip] - self.rest_pos[node] if tip != node else self._rest(wrist) - self._rest(limb[1])
            hand = quat_rotate(deltas[node], rest.expand(self.frames, 3))
            flat = hand * torch.tensor([1.0, 0.0, 1.0]).double() + 1e-3 * rest.norm() * _axes(torch.eye(3).double()[0])
            turned = quat_mul(shortest_rotation(hand, flat), deltas[node])
            deltas[node] = quat_slerp(deltas[node], turned, near)

    def _pull(self, pos: Tensor, goals: Mapping[str, Tensor]) -> Tensor:
        """Return the shift (T, 3) of the hips towards feet that are out of reach."""
        pulls = []
        for base, middle, end, _ in self.legs:
            reach = _REACH * (
                (self._rest(middle) - self._rest(base)).norm() + (self._rest(end) - self._rest(middle)).norm()
            )
            way = goals[end] - pos[:, self.roles[base]]
            far = (way.norm(dim=-1, keepdim=True) - reach).clamp_min(0.0)
            pulls.append(far * unit(way))
        return torch.stack(pulls).sum(0)

    def _bend(self, limb: tuple[str, str, str, str], pos: Tensor, deltas: dict[int, Tensor], goal: Tensor) -> None:
        """Turn a limb's two bones so that its end is at ``goal`` (T, 3); the middle joint stays on its side."""
        a, b, c = (self.roles[role] for role in limb[:3])
        start, middle = pos[:, a], pos[:, b]
        upper, lower = ((self.rest_pos[y] - self.rest_pos[x]).norm() for x, y in ((a, b), (b, c)))
        way = goal - start
        distance = way.norm(dim=-1, keepdim=True).clamp(1e-9)
        distance = distance.clamp(float((upper - lower).abs()) + 1e-6, float(_REACH * (upper + lower)))
        along = unit(way)
        side = middle - start
        side = unit(side - (side * along).sum(-1, keepdim=True) * along)
        x = (distance**2 + upper**2 - lower**2) / (2 * distance)
        knee = start + x * along + (upper**2 - x**2).clamp_min(0.0).sqrt() * side
        end = start + distance * along
        old = self._bone(deltas[a], a, b), self._bone(deltas[b], b, c)
        deltas[a] = quat_mul(shortest_rotation(old[0], knee - start), deltas[a])
        deltas[b] = quat_mul(shortest_rotation(old[1], end - knee), deltas[b])

    def _bone(self, delta: Tensor, a: int, b: int) -> Tensor:
        return quat_rotate(delta, (self.rest_pos[b] - self.rest_pos[a]).expand(self.frames, 3))

    def _forward(
        self, deltas: Mapping[int, Tensor], pelvis: Tensor, placed: Mapping[int, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return rotations (T, N, 4) and positions (T, N, 3) of all nodes in the world.

        ``placed`` holds positions of nodes that may not hang from their limb, such as feet of a control rig.
        """
        count = len(self.theirs.nodes)
        quat, pos = torch.zeros(self.frames, count, 4).double(), torch.zeros(self.frames, count, 3).double()
        quat[:] = self.theirs.quat
        pos[:] = self.theirs.pos
        moved: set[int] = set()
        root = self.roles["pelvis"]
        for n in self.theirs.order:
            node = self.theirs.nodes[n]
            if n in deltas:
                quat[:, n] = quat_mul(deltas[n], self.rest_quat[n].expand(self.frames, 4))
            elif node.parent in moved:
                quat[:, n] = quat_mul(quat[:, node.parent], quat_normalize(node.rotation).expand(self.frames, 4))
            if n == root:
                pos[:, n] = pelvis
            elif n in placed and self._detached(n):
                pos[:, n] = placed[n]
            elif node.parent in moved:
                arm = self.theirs.scale[node.parent] * node.translation
                pos[:, n] = pos[:, node.parent] + quat_rotate(quat[:, node.parent], arm.expand(self.frames, 3))
            if n in deltas or n == root or node.parent in moved:
                moved.add(n)
        return quat, pos

    def _detached(self, node: int) -> bool:
        """Whether the end of a limb does not hang from the limb's middle joint."""
        limb = next(limb for limb in (*self.legs, *self.arms) if self.roles[limb[2]] == node)
        return not self.theirs.is_below(node, self.roles[limb[1]])

    def _local(
        self, quat: Tensor, pos: Tensor, turned: Iterable[int], placed: Mapping[int, Tensor], error: float
    ) -> Transfer:
        rotations, translations = {}, {}
        for n in sorted(turned):
            parent = self.theirs.nodes[n].parent
            local = quat[:, n] if parent < 0 else quat_mul(quat_conj(quat[:, parent]), quat[:, n])
            flips = torch.where((local[1:] * local[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
            local = torch.cat((local[:1], local[1:] * flips.cumprod(0)))
            rotations[n] = quat_normalize(local)
        for n in (self.roles["pelvis"], *(n for n in placed if self._detached(n))):
            parent = self.theirs.nodes[n].parent
            place = pos[:, n]
            if parent >= 0:
                place = quat_rotate(quat_conj(quat[:, parent]), place - pos[:, parent]) / self.theirs.scale[parent]
            translations[n] = place
        return Transfer(rotations, translations, self.scale, dict(self.roles), pos, error)


def _attached(rig: TheirRig, bones: Sequence[int]) -> dict[int, int]:
    """Return the parent of each bone; a foot or hand that lies at another limb's tip takes the place of that tip."""
    above = {n: rig.nodes[n].parent for n in bones}
    parents = set(above.values())
    size = float((rig.pos[list(bones)].amax(0) - rig.pos[list(bones)].amin(0)).norm())
    for tip in [n for n in bones if n not in parents]:
        limb = rig.nodes[tip].parent
        beside = [n for n in bones if n != tip and n in above and (rig.pos[n] - rig.pos[tip]).norm() < _BESIDE * size]
        beside = [n for n in beside if not rig.is_below(n, limb) and not rig.is_below(limb, n)]
        if beside:
            above[min(beside, key=lambda n: float((rig.pos[n] - rig.pos[tip]).norm()))] = limb
            del above[tip]
    return above


def _depth(node: int, above: Mapping[int, int]) -> int:
    return 0 if above.get(node, -1) < 0 else 1 + _depth(above[node], above)


def _axes(v: Tensor) -> Tensor:
    """Convert our vectors (..., 3) (z up, x forward, y left) to glTF's axes."""
    return v[..., [1, 2, 0]]


def _parents_first(nodes: Sequence[Node]) -> tuple[int, ...]:
    order: list[int] = []
    children: dict[int, list[int]] = {}
    for n, node in enumerate(nodes):
        children.setdefault(node.parent, []).append(n)
    waiting = list(children.get(-1, []))
    while waiting:
        n = waiting.pop(0)
        order.append(n)
        waiting += children.get(n, [])
    return tuple(order)
