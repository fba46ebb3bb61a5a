"""Configurations of one character over a whole clip, and derivatives of points with respect to its joints.

A step (T, D) holds for each frame, in world axes, the root's translation (3) [m] and rotation vector (3) [rad]. The A
joint coordinates [rad] follow, so that D = 6 + A. A ball joint has a rotation vector in the child's frame, a hinge its
angle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from characters.character import Character
from characters.kinematics import forward_kinematics
from mimic.core.rotations import (
    quat_conj,
    quat_from_rotvec,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_to_rotvec,
)
from mocap.motion import Motion


@dataclass
class Configuration:
    """The poses of T frames: root position (T, 3) [m], root orientation (T, 4), joint rotations (T, J, 4), wxyz."""

    root_pos: Tensor
    root_quat: Tensor
    joint_quat: Tensor

    def __len__(self) -> int:
        return len(self.root_pos)

    def __getitem__(self, frames: slice | Tensor) -> Configuration:
        return Configuration(self.root_pos[frames], self.root_quat[frames], self.joint_quat[frames])

    @staticmethod
    def of(motion: Motion) -> Configuration:
        """Return the configuration of a motion; both share their memory."""
        return Configuration(motion.root_pos_w, motion.root_quat_w, motion.joint_quat)


@dataclass
class BodyPoses:
    """World positions (T, B, 3) [m] and orientations (T, B, 4) of all bodies, and joint axes (T, A, 3) in the world."""

    pos: Tensor
    quat: Tensor
    axes: Tensor


class KinematicTree:
    """Forward kinematics, steps between configurations, and derivatives, for one character in float64."""

    def __init__(self, character: Character):
        self.character = character
        self.parents = [body.parent for body in character.bodies]
        self.offset = torch.tensor([body.offset for body in character.bodies], dtype=torch.float64)
        self.joint_of_body = [body.joint for body in character.bodies]
        body_of_joint = {joint: b for b, joint in enumerate(self.joint_of_body) if joint is not None}
        dof_body, dof_axis = [], []
        for j, joint in enumerate(character.joints):
            axes = torch.eye(3, dtype=torch.float64) if joint.kind == "ball" else torch.tensor([joint.axis]).double()
            dof_axis += list(axes)
            dof_body += [body_of_joint[j]] * len(axes)
        self.dof_body = torch.tensor(dof_body)
        self.dof_axis = torch.stack(dof_axis)
        self.num_dof = 6 + len(dof_body)
        above = torch.eye(len(self.parents), dtype=torch.bool)  # row: the body, column: it or an ancestor
        for b, parent in enumerate(self.parents[1:], start=1):
            above[b] |= above[parent]
        # whether a body turns with a dof; the root's rotation moves all
        self.moves = torch.cat((torch.ones(len(above), 3, dtype=torch.bool), above[:, self.dof_body]), 1)

    def forward(self, configuration: Configuration) -> BodyPoses:
        """Compute the world poses of all bodies and the directions of all joint axes."""
        root = configuration.root_pos
        quats = [None if j is None else configuration.joint_quat[:, j] for j in self.joint_of_body[1:]]
        places = [offset.expand_as(root) for offset in self.offset[1:]]
        pos, quat = forward_kinematics(self.parents, [configuration.root_quat, *quats], [root, *places])
        axes = quat_rotate(quat[:, self.dof_body], self.dof_axis.expand(len(pos), -1, -1))
        return BodyPoses(pos, quat, axes)

    def points(self, bodies: BodyPoses, body: Tensor, at: Tensor) -> Tensor:
        """Return world positions (T, P, 3) [m] of points at ``at``, (P, 3) or (T, P, 3), in the frames of bodies (P,)."""
        return bodies.pos[:, body] + quat_rotate(bodies.quat[:, body], at.expand(len(bodies.pos), -1, -1))

    def retract(self, configuration: Configuration, step: Tensor) -> Configuration:
        """Return the configuration after a step (T, D)."""
        turned = quat_mul(configuration.joint_quat, quat_from_rotvec(self.rotation_vectors(step[:, 6:])))
        return Configuration(
            configuration.root_pos + step[:, :3],
            quat_normalize(quat_mul(quat_from_rotvec(step[:, 3:6]), configuration.root_quat)),
            quat_normalize(turned),
        )

    def difference(self, configuration: Configuration, other: Configuration) -> Tensor:
        """Return the step (T, D) from one configuration to another, by the shortest rotations."""
        root = quat_to_rotvec(quat_mul(other.root_quat, quat_conj(configuration.root_quat)))
        joints = quat_to_rotvec(quat_mul(quat_conj(configuration.joint_quat), other.joint_quat))
        columns = [
            joints[:, j] if joint.kind == "ball" else joints[:, j] @ joints.new_tensor(joint.axis)[:, None]
            for j, joint in enumerate(self.character.joints)
        ]
        return torch.cat((other.root_pos - configuration.root_pos, root, *columns), 1)

    def rotation_vectors(self, step: Tensor) -> Tensor:
        """Convert ``step``, joint coordinates (T, A) [rad], to a rotation vector of each joint (T, J, 3) [rad]."""
        columns = [
            step[:, joint.dof] if joint.kind == "ball" else step[:, joint.dof] * step.new_tensor(joint.axis)
            for joint in self.character.joints
        ]
        return torch.stack(columns, 1)

    def hinge_angles(self, configuration: Configuration) -> Tensor:
        """Return the angles (T, H) [rad] of the hinges, from -pi to pi, in the order of the joints."""
        columns = [
            quat_to_rotvec(configuration.joint_quat[:, j]) @ configuration.root_pos.new_tensor(joint.axis)
            for j, joint in enumerate(self.character.joints)
            if joint.kind == "hinge"
        ]
        return torch.stack(columns, 1) if columns else configuration.root_pos.new_zeros(len(configuration), 0)

    def point_rows(self, bodies: BodyPoses, points: Tensor, body: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the derivatives of x, y and z of points (T, P, 3) by all rotations of a step: three tensors (T, D - 3, P).

        ``points`` are in the world [m]; ``body`` (P,) are the indices of the bodies that carry them.
        """
        ax, ay, az = self.turning_axes(bodies)[..., None].unbind(2)
        pivots = torch.cat((bodies.pos[:, :1].expand(-1, 3, -1), bodies.pos[:, self.dof_body]), 1)
        px, py, pz = pivots[..., None].unbind(2)
        x, y, z = points[:, None].unbind(-1)
        mask = self.moves[body].T.to(points)
        rx, ry, rz = (x - px) * mask, (y - py) * mask, (z - pz) * mask
        return ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx

    def turning_axes(self, bodies: BodyPoses) -> Tensor:
        """Return the world axes (T, D - 3, 3) of all rotations of a step: the root's three, then the joints'."""
        root = torch.eye(3, dtype=bodies.axes.dtype).expand(len(bodies.axes), 3, 3)
        return torch.cat((root, bodies.axes), 1)
