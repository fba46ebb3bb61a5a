"""The CPU engine: ``mujoco.batch.Batch``, all copies stepped on a pool of threads.

Bit-identical at any number of threads, and a snapshot continues to the bit. Automatic reset is off: a simulation that
goes non-finite stays so, is reported, and waits to be reset by us.
"""

import numpy as np
import torch
from mujoco.batch import Batch, SimulationError
from torch import Tensor

from characters import Character, CharacterState
from characters.rotations import quat_from_axis_angle, quat_rotate, quat_rotate_inverse
from mimic.sim.engine import MAX_POSITION, MAX_VELOCITY
from mimic.sim.servo import Servo


class MujocoEngine:
    """See :class:`mimic.sim.engine.Engine`; ``threads`` 0 means all cores."""

    def __init__(self, character: Character, num_envs: int, threads: int = 0):
        self.character = character
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        self.substeps = character.simulation.substeps
        model = character.mj_model(visual=False)
        self.batch = Batch(model, num_envs, threads)
        self._state = torch.from_numpy(self.batch.state)
        self._qpos = torch.from_numpy(self.batch.bind("qpos"))
        self._qvel = torch.from_numpy(self.batch.bind("qvel"))
        self._ctrl = torch.from_numpy(self.batch.bind("ctrl"))
        self._fresh_row = self._state[0].clone()
        self._warnings = np.zeros(num_envs, dtype=np.int64)
        self._failed = torch.zeros(num_envs, dtype=torch.bool)
        self._servo = Servo(character)
        self._index_joints(model.jnt_qposadr[1:].tolist())

    def _index_joints(self, addresses: list[int]) -> None:
        joints = character_joints = self.character.joints
        ball = [i for i, joint in enumerate(joints) if joint.kind == "ball"]
        hinge = [i for i, joint in enumerate(joints) if joint.kind == "hinge"]
        self._ball_joints, self._hinge_joints = torch.tensor(ball), torch.tensor(hinge)
        self._ball_columns = torch.tensor([[addresses[i] + k for k in range(4)] for i in ball]).T.contiguous()
        self._hinge_columns = torch.tensor([addresses[i] for i in hinge])
        self._hinge_axes = torch.tensor([character_joints[i].axis for i in hinge])
        # the address of every degree of freedom's position, right for hinges and unread for balls
        self._position_columns = torch.tensor(
            [addresses[i] for i, joint in enumerate(joints) for _ in range(joint.dof.start, joint.dof.stop)]
        )

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Put copies ``ids`` into ``state``, with no trace of the past: warm start, controls and clock at zero."""
        self._state[ids] = self._fresh_row
        qpos, qvel = self._qpos, self._qvel
        qpos[ids, :3] = state.root_pos_w.double()
        qpos[ids, 3:7] = state.root_quat_w.double()
        qvel[ids, :3] = state.root_linvel_w.double()
        qvel[ids, 3:6] = quat_rotate_inverse(state.root_quat_w, state.root_angvel_w).double()
        qvel[ids, 6:] = state.joint_vel.double()
        for k in range(4):
            qpos[ids[:, None], self._ball_columns[k]] = state.joint_quat[:, self._ball_joints, k].double()
        hinge = state.joint_quat[:, self._hinge_joints]
        sine = (hinge[..., 1:] * self._hinge_axes).sum(-1)
        angle = 2.0 * torch.atan2(sine, hinge[..., 0])
        qpos[ids[:, None], self._hinge_columns] = torch.remainder(angle + torch.pi, 2 * torch.pi).double() - torch.pi
        self._failed[ids] = False

    def set_targets(self, pd_target: Tensor) -> None:
        """Servo targets (N, A) [rad] until the next call."""
        self._servo.set_target(pd_target)

    def step(self) -> None:
        """One control step; the servo's torque is renewed at every physics step."""
        for _ in range(self.substeps):
            self._substep()
        # a NaN compares false, so ask what is good and turn it round
        good = (self._qvel.abs().amax(1) <= MAX_VELOCITY) & (self._qpos.abs().amax(1) <= MAX_POSITION)
        self._failed |= ~good
        warnings = self._count_warnings()
        self._failed |= torch.from_numpy(warnings > self._warnings)
        self._warnings = warnings

    def _substep(self) -> None:
        """One physics step; a recorder looks on here."""
        _, motor = self._servo.torques(self._ball_quat(), self._joint_pos(), self._qvel[:, 6:].float())
        self._ctrl[:] = motor
        try:
            self.batch.step()
        except SimulationError as error:
            self._failed[torch.from_numpy(np.asarray(error.ids)).long()] = True

    def read(self) -> CharacterState:
        """Pose and velocity of every copy, float32."""
        joint_quat = torch.empty(4, self.num_envs, len(self.character.joints)).movedim(0, -1)
        joint_quat[:, self._ball_joints] = self._ball_quat()
        angles = self._qpos[:, self._hinge_columns].float()
        joint_quat[:, self._hinge_joints] = quat_from_axis_angle(self._hinge_axes.expand(self.num_envs, -1, 3), angles)
        root_quat = self._qpos[:, 3:7].float()
        return CharacterState(
            root_pos_w=self._qpos[:, :3].float(),
            root_quat_w=root_quat,
            root_linvel_w=self._qvel[:, :3].float(),
            root_angvel_w=quat_rotate(root_quat, self._qvel[:, 3:6].float()),
            joint_quat=joint_quat,
            joint_vel=self._qvel[:, 6:].float(),
        )

    def failed(self) -> Tensor:
        """(N,) bool: broken since the last reset, by value, by speed or by MuJoCo's own warnings."""
        return self._failed.clone()

    def snapshot(self) -> dict[str, Tensor]:
        """The full integration state (warm start included) and the failure flags."""
        return {"state": self._state.clone(), "failed": self._failed.clone()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot to the bit."""
        self._state.copy_(snapshot["state"])
        self._failed.copy_(snapshot["failed"])
        self._warnings = self._count_warnings()

    def _ball_quat(self) -> Tensor:
        return self._qpos[:, self._ball_columns.flatten()].float().view(self.num_envs, 4, -1).movedim(1, -1)

    def _joint_pos(self) -> Tensor:
        return self._qpos[:, self._position_columns].float()

    def _count_warnings(self) -> np.ndarray:
        """Warnings of each simulation so far, (N,); the last column of ``Batch.warning`` is the count."""
        return self.batch.warning[..., -1].sum(1)
