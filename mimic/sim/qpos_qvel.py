"""Convert CharacterState to MuJoCo's generalised coordinates qpos and qvel, and back."""

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.rotations import quat_from_axis_angle, quat_rotate, quat_rotate_inverse
from mimic.sim.masking import assign_rows


class Coordinates:
    """Layout of a character's root and joints in qpos (N, nq) and qvel (N, nv), float32 or float64, on one device."""

    def __init__(self, character: Character, addresses: list[int], device: torch.device | str = "cpu"):
        """``addresses``: the first column in qpos of each joint except the root's free joint."""
        joints = character.joints
        self._num_joints = len(joints)
        ball = [i for i, joint in enumerate(joints) if joint.kind == "ball"]
        hinge = [i for i, joint in enumerate(joints) if joint.kind == "hinge"]

        def index(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.int64, device=device)

        self._ball_joints, self._hinge_joints = index(ball), index(hinge)
        # component by component: all w, all x, ...
        self._ball_columns = index([addresses[i] + k for k in range(4) for i in ball])
        self._hinge_columns = index([addresses[i] for i in hinge])
        self._hinge_axes = torch.tensor([joints[i].axis for i in hinge], device=device).view(-1, 3)
        # the address of every degree of freedom's position, right for hinges and unread for balls
        self._position_columns = index(
            [addresses[i] for i, joint in enumerate(joints) for _ in range(joint.dof.start, joint.dof.stop)]
        )

    def write(self, qpos: Tensor, qvel: Tensor, rows: Tensor, state: CharacterState) -> None:
        """Write ``state`` into the rows ``rows`` of qpos and qvel, in place.

        ``rows`` and the number of states are as of :func:`mimic.sim.masking.assign_rows`.
        """
        pos, vel = qpos.new_empty(len(state), qpos.shape[1]), qvel.new_empty(len(state), qvel.shape[1])
        pos[:, :3], pos[:, 3:7] = state.root_pos_w, state.root_quat_w
        vel[:, :3] = state.root_linvel_w
        vel[:, 3:6] = quat_rotate_inverse(state.root_quat_w, state.root_angvel_w)
        vel[:, 6:] = state.joint_vel
        self.put_ball_quat(pos, state.joint_quat[:, self._ball_joints].to(pos.dtype))
        hinge = state.joint_quat[:, self._hinge_joints]
        angle = 2.0 * torch.atan2((hinge[..., 1:] * self._hinge_axes).sum(-1), hinge[..., 0])
        pos[:, self._hinge_columns] = torch.remainder(angle + torch.pi, 2 * torch.pi).to(pos.dtype) - torch.pi
        assign_rows(qpos, rows, pos)
        assign_rows(qvel, rows, vel)

    def read(self, qpos: Tensor, qvel: Tensor) -> CharacterState:
        """Return the pose and velocity of every copy as new float32 tensors."""
        joint_quat = torch.empty(4, len(qpos), self._num_joints, device=qpos.device).movedim(0, -1)
        joint_quat[:, self._ball_joints] = self.ball_quat(qpos)
        angles = qpos.index_select(1, self._hinge_columns).float()
        joint_quat[:, self._hinge_joints] = quat_from_axis_angle(self._hinge_axes.expand(len(qpos), -1, 3), angles)
        root_quat = qpos[:, 3:7].to(torch.float32, copy=True)
        return CharacterState(
            root_pos_w=qpos[:, :3].to(torch.float32, copy=True),
            root_quat_w=root_quat,
            root_linvel_w=qvel[:, :3].to(torch.float32, copy=True),
            root_angvel_w=quat_rotate(root_quat, qvel[:, 3:6].float()),
            joint_quat=joint_quat,
            joint_vel=qvel[:, 6:].to(torch.float32, copy=True),
        )

    def ball_quat(self, qpos: Tensor) -> Tensor:
        """Return the quaternions (N, J_ball, 4) wxyz of the ball joints, float32, in joint order."""
        return qpos.index_select(1, self._ball_columns).float().view(len(qpos), 4, -1).movedim(1, -1)

    def put_ball_quat(self, qpos: Tensor, ball_quat: Tensor) -> None:
        """Write ball joint quaternions (N, J_ball, 4) wxyz into qpos, in place."""
        qpos[:, self._ball_columns] = ball_quat.movedim(-1, 1).flatten(1)

    def joint_pos(self, qpos: Tensor) -> Tensor:
        """Return the hinges' angles (N, A) [rad] float32; columns of ball joints hold other numbers."""
        return qpos.index_select(1, self._position_columns).float()
