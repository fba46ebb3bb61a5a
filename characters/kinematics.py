"""Forward kinematics of N characters at once: poses and velocities of all bodies from joint rotations and rates.

The simulated and the reference state go through the same torch operations, on any device. A state compared with itself
is therefore exactly equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters.character import Character
from characters.state import CharacterState
from mimic.core.rotations import cross, quat_mul, quat_rotate


@dataclass
class BodyState:
    """Pose and velocity of all bodies; a body's frame sits at its joint.

    Attributes:
        pos_w: (N, B, 3) [m].
        quat_w: (N, B, 4) wxyz.
        linvel_w: (N, B, 3) [m/s], of the joint's position.
        angvel_w: (N, B, 3) [rad/s], world axes.
    """

    pos_w: Tensor
    quat_w: Tensor
    linvel_w: Tensor
    angvel_w: Tensor

    def __getitem__(self, ids: Tensor | slice) -> "BodyState":
        return BodyState(self.pos_w[ids], self.quat_w[ids], self.linvel_w[ids], self.angvel_w[ids])


def forward_kinematics(
    parents: Sequence[int], quat: Sequence[Tensor | None], pos: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Compute the world poses of a tree of B bodies over N frames, one body after another, for clips of any skeleton.

    Args:
        parents: index of each body's parent, which comes before it; -1 for a root.
        quat: (N, 4) wxyz of each body in its parent's frame, of a root in the world; None where a body does not turn.
        pos: (N, 3) [m] of each body's origin in its parent's frame, of a root in the world.

    Returns:
        Positions (N, B, 3) [m] and orientations (N, B, 4) wxyz.
    """
    pos_w: list[Tensor] = []
    quat_w: list[Tensor] = []
    for body, parent in enumerate(parents):
        own, place = quat[body], pos[body]
        if parent >= 0:
            place = pos_w[parent] + quat_rotate(quat_w[parent], place)
            own = quat_w[parent] if own is None else quat_mul(quat_w[parent], own)
        elif own is None:
            own = place.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(*place.shape[:-1], 4)
        pos_w.append(place)
        quat_w.append(own)
    return torch.stack(pos_w, 1), torch.stack(quat_w, 1)


class Kinematics:
    """Forward kinematics of one character on one device, with velocities.

    The poses are those of ``forward_kinematics``, to rounding. Few large operations replace a loop over the bodies,
    because this runs at every control step.
    """

    def __init__(self, character: Character, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32):
        self.character = character
        bodies = character.bodies

        def tensor(values: object) -> Tensor:
            return torch.tensor(values, device=device, dtype=dtype)

        self._offset = tensor([b.offset for b in bodies])
        self._com = tensor([b.com for b in bodies])
        self._mass_share = tensor([b.mass / character.mass for b in bodies])
        self._geom_pos = tensor([b.geom.pos for b in bodies])
        geom_quat = tensor([b.geom.quat for b in bodies])
        # (B, 3, 3): a vector in the body's frame to the same in its geom's
        axes = torch.eye(3, device=device, dtype=dtype)
        self._to_geom = torch.stack([quat_rotate(geom_quat, axis.expand(len(bodies), 3)) for axis in axes], -1)
        # a primitive's lowest point = centre - radius - sum over axes of |z of the axis| * half extent
        self._radius = tensor([b.geom.size[0] if b.geom.shape != "box" else 0.0 for b in bodies])
        self._half_extent = tensor([_half_extent(b.geom.shape, b.geom.size) for b in bodies])
        self._parents = torch.tensor([b.parent for b in bodies], device=device)
        self._hops = [hop.to(device) for hop in _doubling_hops(character)]
        # where each body's rotation against its parent is in (root, joints, identity); last, the identity once more
        fixed = 1 + len(character.joints)
        source = [0] + [fixed if b.joint is None else 1 + b.joint for b in bodies[1:]] + [fixed]
        self._rotation_of_body = torch.tensor(source, device=device)
        self._identity = tensor([1.0, 0.0, 0.0, 0.0])
        self._joint_axes = _joint_axes(character).to(device, dtype)
        self._below_root = _ancestors(character).to(device, dtype)

    def forward(self, state: CharacterState) -> BodyState:
        """Compute the poses and velocities of all bodies.

        An orientation is the product of all rotations from the root to the body, built in rounds (pointer doubling). A body's
        product starts as its own rotation. The rounds multiply it by the product of the ancestor 1, 2, 4, ... levels up, so
        the number of factors doubles. Positions and velocities are sums over each body's ancestors, one matrix
        product each.
        """
        root_quat, identity = state.root_quat_w[:, None], self._identity.expand(len(state), 1, 4)
        rotations = torch.cat([q.movedim(-1, 0) for q in (root_quat, state.joint_quat, identity)], 2).movedim(0, -1)
        quat = rotations[:, self._rotation_of_body]
        for ancestor in self._hops:
            quat = quat_mul(quat[:, ancestor], quat)
        quat = quat[:, :-1]
        local_angvel = (state.joint_vel @ self._joint_axes).movedim(0, -1)
        angvel = self._sum_over_ancestors(quat_rotate(quat, local_angvel), state.root_angvel_w)
        arm = quat_rotate(quat[:, self._parents], self._offset)
        pos = self._sum_over_ancestors(arm, state.root_pos_w)
        linvel = self._sum_over_ancestors(cross(angvel[:, self._parents], arm), state.root_linvel_w)
        return BodyState(pos, quat, linvel, angvel)

    def _sum_over_ancestors(self, steps: Tensor, root: Tensor) -> Tensor:
        """Return (N, B, 3): ``root`` (N, 3) plus the ``steps`` (N, B, 3) of each body and its ancestors below the root."""
        return (steps.movedim(-1, 0) @ self._below_root).movedim(0, -1) + root[:, None]

    def com_velocity(self, bodies: BodyState) -> Tensor:
        """Return the velocity of the whole character's centre of mass, (N, 3) [m/s], world axes."""
        arm = quat_rotate(bodies.quat_w, self._com.expand_as(bodies.pos_w))
        velocity = bodies.linvel_w + cross(bodies.angvel_w, arm)
        return (velocity * self._mass_share[:, None]).sum(1)

    def com_positions(self, bodies: BodyState) -> Tensor:
        """Return the centres of mass of the bodies in the world, (N, B, 3) [m]."""
        return bodies.pos_w + quat_rotate(bodies.quat_w, self._com.expand_as(bodies.pos_w))

    def lowest_points(self, bodies: BodyState) -> Tensor:
        """Return the height of the lowest point of each body's collision geom, (N, B) [m]."""
        w, x, y, z = bodies.quat_w.unbind(-1)
        up = torch.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)), -1)  # in the body's frame
        centre_z = bodies.pos_w[..., 2] + (up * self._geom_pos).sum(-1)
        axes_z = torch.einsum("nbi,bij->nbj", up, self._to_geom)
        return centre_z - self._radius - (axes_z.abs() * self._half_extent).sum(-1)


def _half_extent(shape: str, size: tuple[float, ...]) -> tuple[float, ...]:
    return {"sphere": (0.0, 0.0, 0.0), "capsule": (0.0, 0.0, size[-1]), "box": size}[shape]


def _doubling_hops(character: Character) -> list[Tensor]:
    """Return, for 1, 2, 4, ... levels up, the index (B + 1,) of each body's ancestor; index B stands for none."""
    none = len(character.bodies)
    hop = torch.tensor([none if body.parent < 0 else body.parent for body in character.bodies] + [none])
    hops = []
    while bool((hop != none).any()):
        hops.append(hop)
        hop = hop[hop]
    return hops


def _joint_axes(character: Character) -> Tensor:
    """Return (3, A, B): it maps joint velocities to each body's angular velocity in its parent, in the body's frame."""
    axes = torch.zeros(3, character.num_actuated, len(character.bodies))
    for b, body in enumerate(character.bodies):
        if body.joint is not None:
            joint = character.joints[body.joint]
            axes[:, joint.dof, b] = torch.eye(3) if joint.kind == "ball" else torch.tensor([joint.axis]).T
    return axes


def _ancestors(character: Character) -> Tensor:
    """Return (B, B): 1 where the row's body is the column's body or an ancestor of the column's body, but not the root; else 0."""
    below = torch.zeros(len(character.bodies), len(character.bodies))
    for b, body in enumerate(character.bodies[1:], start=1):
        below[:, b] = below[:, body.parent]
        below[b, b] = 1.0
    return below
