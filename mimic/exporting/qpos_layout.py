"""The layout of MuJoCo's qpos and qvel, which are the input of every exported evaluator.

- qpos: root position [m], root quaternion wxyz, then the joints in order: a ball joint has 4 numbers (wxyz, child in
  parent), a hinge its angle [rad]
- qvel: root velocity [m/s, world], root angular velocity [rad/s, the root's own frame], joint velocities [rad/s]
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.rotations import quat_rotate_inverse

ROOT_QPOS, ROOT_QVEL = 7, 6


@dataclass(frozen=True)
class JointAddress:
    """The first index of a joint in qpos and in qvel."""

    qpos: int
    qvel: int


def joint_addresses(character: Character) -> list[JointAddress]:
    """Return the addresses of all moving joints, in the character's order."""
    found, qpos = [], ROOT_QPOS
    for joint in character.joints:
        found.append(JointAddress(qpos, ROOT_QVEL + joint.dof.start))
        qpos += 4 if joint.kind == "ball" else 1
    return found


def qpos_size(character: Character) -> int:
    """Return nq, the length of qpos."""
    return ROOT_QPOS + sum(4 if joint.kind == "ball" else 1 for joint in character.joints)


def to_mujoco(state: CharacterState, character: Character) -> tuple[Tensor, Tensor]:
    """Convert a state to qpos (N, nq) and qvel (N, nv), float64."""
    state = state.to(torch.float64)
    columns = [state.root_pos_w, state.root_quat_w]
    for j, joint in enumerate(character.joints):
        quat = state.joint_quat[:, j]
        if joint.kind == "hinge":
            sine = quat[:, 1:] @ quat.new_tensor(joint.axis)
            angle = 2.0 * torch.atan2(sine, quat[:, 0])
            columns.append((torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi)[:, None])
        else:
            columns.append(quat)
    angvel_b = quat_rotate_inverse(state.root_quat_w, state.root_angvel_w)
    return torch.cat(columns, 1), torch.cat((state.root_linvel_w, angvel_b, state.joint_vel), 1)
