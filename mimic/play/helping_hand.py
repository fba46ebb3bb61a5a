"""The helping hand: a limited force and torque at the root, towards the reference, as in page/performer.js."""

import torch
from torch import Tensor

from characters import Character
from mimic.core.rotations import quat_conj, quat_mul, quat_rotate, quat_to_rotvec
from mimic.sim.engines.mujoco import MujocoEngine

FORCE, TORQUE = 1.0, 0.2  # at most, in weights of the character, and weights times a metre
PULL, DAMP, TURN, DAMP_TURN = 120.0, 20.0, 30.0, 3.0  # for every kg
GRAVITY = 9.81
_ROOT = 1  # MuJoCo's first body is the world


class HandEngine(MujocoEngine):
    """The MuJoCo engine with a hand at the roots of its characters.

    Attributes:
        guide: root poses (N, 2, substeps, 7), position and quaternion, at every physics step of the next control step,
            and those one control step later; None: no hand.
    """

    guide: Tensor | None = None

    def __init__(self, character: Character, num_envs: int, threads: int = 0):
        super().__init__(character, num_envs, threads)
        self._applied = torch.from_numpy(self.batch.bind("xfrc_applied"))
        self._number = 0

    def step(self) -> None:
        """Advance by one control step; the hand looks at the reference at every physics step."""
        self._number = 0
        super().step()

    def _substep(self) -> None:
        self._applied[:, _ROOT] = 0.0 if self.guide is None else self._held(self.guide[:, :, self._number])
        self._number += 1
        super()._substep()

    def _held(self, guide: Tensor) -> Tensor:
        """Return force and torque (N, 6) towards the pose guide[:, 0], with the velocity that leads to guide[:, 1]."""
        step, mass = self.character.simulation.control_dt, self.character.mass
        now, later = guide.double().unbind(1)
        quat = self._qpos[:, 3:7]
        velocity = (later[:, :3] - now[:, :3]) / step
        force = PULL * (now[:, :3] - self._qpos[:, :3]) + DAMP * (velocity - self._qvel[:, :3])
        spin = quat_to_rotvec(quat_mul(later[:, 3:], quat_conj(now[:, 3:]))) / step
        turn = quat_to_rotvec(quat_mul(now[:, 3:], quat_conj(quat)))
        torque = TURN * turn + DAMP_TURN * (spin - quat_rotate(quat, self._qvel[:, 3:6]))
        weight = GRAVITY * mass
        return torch.cat([_limited(mass * force, FORCE * weight), _limited(mass * torque, TORQUE * weight)], 1)


def _limited(v: Tensor, most: float) -> Tensor:
    return v * (most / v.norm(dim=1, keepdim=True).clamp_min(most))
