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
    """HalfCheetah, a planar robot with two legs that runs forwards; no posture ends the episode."""

    file, frame_skip, noise, normal_velocity, ctrl_cost = "half_cheetah.xml", 5, 0.1, True, 0.1

    def place(self) -> Array:
        """Return the x coordinate of the root, (N,) [m]."""
        return self.values["qpos"][:, 0].copy()

    def observation(self) -> Array:
        """Return the pose without x, and the velocities, (N, 17)."""
        return np.concatenate([self.values["qpos"][:, 1:], self.values["qvel"]], axis=1)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Return the velocity minus the cost of control, (N,)."""
        return velocity - self.control_cost(action)


class _Upright(BatchedTask):
    """The common part of Hopper and Walker2d, which move forwards without falling over."""

    frame_skip, noise, normal_velocity, ctrl_cost = 4, 5e-3, False, 1e-3

    def place(self) -> Array:
        """Return the x coordinate of the root, (N,) [m]."""
        return self.values["qpos"][:, 0].copy()

    def observation(self) -> Array:
        """Return the pose without x, and the velocities clipped to [-10, 10], (N, D)."""
        velocity = self.values["qvel"].clip(-_MAX_OBSERVED_VELOCITY, _MAX_OBSERVED_VELOCITY)
        return np.concatenate([self.values["qpos"][:, 1:], velocity], axis=1)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Return the velocity plus 1 for being alive minus the cost of control, (N,)."""
        return velocity + self.survival(healthy) - self.control_cost(action)


class Hopper(_Upright):
    """Hopper, a planar robot with one leg; its observation is (N, 11)."""

    file = "hopper.xml"

    def healthy(self) -> Flags:
        """Return (N,) whether each copy's torso is high enough and nearly upright, and no value of its state exceeds 100.

        The limits are those of Gymnasium.
        """
        qpos, qvel = self.values["qpos"], self.values["qvel"]
        tame = (np.abs(qpos[:, 2:]) < 100.0).all(1) & (np.abs(qvel) < 100.0).all(1)
        return tame & (qpos[:, 1] > 0.7) & (np.abs(qpos[:, 2]) < 0.2)


class Walker2d(_Upright):
    """Walker2d, a planar robot with two legs; its observation is (N, 17).

    The feet's friction before version 5 differs from that in version 5.
    """

    file = "walker2d.xml"

    @classmethod
    def file_of(cls, version: int) -> str:
        """Return the name of the model's file in the task's ``version``."""
        return "walker2d_v5.xml" if version >= 5 else cls.file

    def healthy(self) -> Flags:
        """Return (N,) whether each copy's torso is neither too low nor too high, and leans by less than 1 rad."""
        qpos = self.values["qpos"]
        return (qpos[:, 1] > 0.8) & (qpos[:, 1] < 2.0) & (np.abs(qpos[:, 2]) < 1.0)
