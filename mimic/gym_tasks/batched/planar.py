"""Hopper, HalfCheetah and Walker2d: robots in the plane x, z.

qpos: x, z [m], pitch [rad], joints [rad]. The observation is qpos without x, and qvel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimic.gym_tasks.batched.task import BatchedTask
from mimic.gym_tasks.task_env import Array, Flags

_MAX_OBSERVED_VELOCITY = 10.0


class HalfCheetah(BatchedTask):
    """Run forwards; no posture ends the episode."""

    file, frame_skip, noise, normal_velocity, ctrl_cost = "half_cheetah.xml", 5, 0.1, True, 0.1

    def place(self) -> Array:
        """x of the root (N,) [m]."""
        return self.values["qpos"][:, 0].copy()

    def observation(self) -> Array:
        """Pose without x, and velocities, (N, 17)."""
        return np.concatenate([self.values["qpos"][:, 1:], self.values["qvel"]], axis=1)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Velocity less the cost of control, (N,)."""
        return velocity - self.control_cost(action)


class _Upright(BatchedTask):
    """Go forwards without falling over."""

    frame_skip, noise, normal_velocity, ctrl_cost = 4, 5e-3, False, 1e-3

    def place(self) -> Array:
        """x of the root (N,) [m]."""
        return self.values["qpos"][:, 0].copy()

    def observation(self) -> Array:
        """Pose without x, and velocities within +-10, (N, D)."""
        velocity = self.values["qvel"].clip(-_MAX_OBSERVED_VELOCITY, _MAX_OBSERVED_VELOCITY)
        return np.concatenate([self.values["qpos"][:, 1:], velocity], axis=1)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Velocity plus 1 for being alive, less the cost of control, (N,)."""
        return velocity + self.survival(healthy) - self.control_cost(action)


class Hopper(_Upright):
    """One leg; observation (N, 11)."""

    file = "hopper.xml"

    def healthy(self) -> Flags:
        """(N,) high enough, nearly upright, and no number of the state beyond 100."""
        qpos, qvel = self.values["qpos"], self.values["qvel"]
        tame = (np.abs(qpos[:, 2:]) < 100.0).all(1) & (np.abs(qvel) < 100.0).all(1)
        return tame & (qpos[:, 1] > 0.7) & (np.abs(qpos[:, 2]) < 0.2)


class Walker2d(_Upright):
    """Two legs; observation (N, 17). The feet's friction differs before version 5."""

    file = "walker2d.xml"

    @classmethod
    def file_of(cls, version: int) -> str:
        """The model's file in that version."""
        return "walker2d_v5.xml" if version >= 5 else cls.file

    def healthy(self) -> Flags:
        """Neither too low nor too high, and leaning less than 1 rad."""
        qpos = self.values["qpos"]
        return (qpos[:, 1] > 0.8) & (qpos[:, 1] < 2.0) & (np.abs(qpos[:, 2]) < 1.0)
