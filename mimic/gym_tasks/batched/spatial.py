"""Ant and Humanoid: robots in space. qpos begins with the root's x, y, z [m] and quaternion (wxyz).

Body positions and contact forces are those of the last physics step's own kinematics, as Gymnasium reads them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimic.gym_tasks.batched.task import BatchedTask
from mimic.gym_tasks.task_env import Array, Flags


class Ant(BatchedTask):
    """Ant, a robot with four legs; its observation is (N, 27), or with contact forces (version 5) (N, 105)."""

    file, frame_skip, noise, normal_velocity, ctrl_cost = "ant.xml", 5, 0.1, True, 0.5

    def fields(self) -> tuple[str, ...]:
        """Return the names of the MjData fields to read: positions of bodies, and in version 5 the forces on them."""
        return ("xpos", "cfrc_ext") if self.version >= 5 else ("xpos",)

    def place(self) -> Array:
        """Return the x coordinate of the torso, (N,) [m]."""
        return self.values["xpos"][:, 1, 0].copy()

    def observation(self) -> Array:
        """Return the pose without x and y, the velocities, and in version 5 the clipped contact forces."""
        parts = [self.values["qpos"][:, 2:], self.values["qvel"]]
        if self.version >= 5:
            parts.append(self._contact_forces()[:, 1:].reshape(self.num_envs, -1))
        return np.concatenate(parts, axis=1)

    def healthy(self) -> Flags:
        """Return (N,) whether each copy's state is finite, and its torso is neither too low nor too high."""
        qpos, qvel = self.values["qpos"], self.values["qvel"]
        finite = np.isfinite(qpos).all(1) & np.isfinite(qvel).all(1)
        return finite & (qpos[:, 2] >= 0.2) & (qpos[:, 2] <= 1.0)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Return velocity plus 1 for being alive minus the costs of control and (version 5) of contacts, (N,)."""
        cost: NDArray[Any] = self.control_cost(action)
        if self.version >= 5:
            cost = cost + 5e-4 * np.square(self._contact_forces()).sum((1, 2))
        return velocity + self.survival(healthy) - cost

    def _contact_forces(self) -> Array:
        """Return the contact force and torque on each body, clipped to [-1, 1], (N, bodies, 6)."""
        return self.values["cfrc_ext"].clip(-1.0, 1.0)


class Humanoid(BatchedTask):
    """Humanoid, a robot with two legs and two arms; its observation is (N, 376).

    In version 5 the entries that are always zero are left out, (N, 348).
    """

    file, frame_skip, noise, normal_velocity, ctrl_cost = "humanoid.xml", 5, 1e-2, False, 0.1

    def fields(self) -> tuple[str, ...]:
        """Return the names of the MjData fields to read: mass centres, inertias, velocities and forces of bodies, and torques."""
        return ("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def place(self) -> Array:
        """Return the x coordinate of the centre of mass, (N,) [m]."""
        mass = self.sims.model.body_mass
        return self.values["xipos"][:, :, 0] @ mass / mass.sum()

    def observation(self) -> Array:
        """Return pose without x and y, velocities, inertias and velocities of bodies, torques, and contact forces."""
        values, fixed, free = self.values, int(self.version >= 5), 6 * int(self.version >= 5)
        bodies = [values[name][:, fixed:].reshape(self.num_envs, -1) for name in ("cinert", "cvel", "cfrc_ext")]
        parts = [
            values["qpos"][:, 2:],
            values["qvel"],
            bodies[0],
            bodies[1],
            values["qfrc_actuator"][:, free:],
            bodies[2],
        ]
        return np.concatenate(parts, axis=1)

    def healthy(self) -> Flags:
        """Return (N,) whether each copy's torso is neither too low nor too high."""
        height = self.values["qpos"][:, 2]
        return (height > 1.0) & (height < 2.0)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Return 1.25 velocity plus 5 for being alive minus the costs of control and (version 5) of contacts, (N,)."""
        cost: NDArray[Any] = self.control_cost(action.astype(np.float64))
        if self.version >= 5:
            cost = cost + (5e-7 * np.square(self.values["cfrc_ext"]).sum((1, 2))).clip(max=10.0)
        return 1.25 * velocity + 5.0 * self.survival(healthy) - cost
