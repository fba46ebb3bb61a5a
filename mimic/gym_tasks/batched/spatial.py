"""Ant and Humanoid: robots in space. qpos begins with the root's x, y, z [m] and quaternion (wxyz).

Body positions and contact forces are those of the last physics step's own kinematics, as Gymnasium reads them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimic.gym_tasks.batched.task import BatchedTask
from mimic.gym_tasks.task_env import Array, Flags


class Ant(BatchedTask):
    """Four legs; observation (N, 27), with contact forces (N, 105) in version 5."""

    file, frame_skip, noise, normal_velocity, ctrl_cost = "ant.xml", 5, 0.1, True, 0.5

    def fields(self) -> tuple[str, ...]:
        """Positions of bodies, and in version 5 the forces on them."""
        return ("xpos", "cfrc_ext") if self.version >= 5 else ("xpos",)

    def place(self) -> Array:
        """x of the torso (N,) [m]."""
        return self.values["xpos"][:, 1, 0].copy()

    def observation(self) -> Array:
        """Pose without x and y, velocities, and in version 5 the clipped contact forces."""
        parts = [self.values["qpos"][:, 2:], self.values["qvel"]]
        if self.version >= 5:
            parts.append(self._contact_forces()[:, 1:].reshape(self.num_envs, -1))
        return np.concatenate(parts, axis=1)

    def healthy(self) -> Flags:
        """Finite, and neither too low nor too high."""
        qpos, qvel = self.values["qpos"], self.values["qvel"]
        finite = np.isfinite(qpos).all(1) & np.isfinite(qvel).all(1)
        return finite & (qpos[:, 2] >= 0.2) & (qpos[:, 2] <= 1.0)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Velocity plus 1 for being alive, less the costs of control and, in version 5, of contacts, (N,)."""
        cost: NDArray[Any] = self.control_cost(action)
        if self.version >= 5:
            cost = cost + 5e-4 * np.square(self._contact_forces()).sum((1, 2))
        return velocity + self.survival(healthy) - cost

    def _contact_forces(self) -> Array:
        """(N, bodies, 6) within +-1."""
        return self.values["cfrc_ext"].clip(-1.0, 1.0)


class Humanoid(BatchedTask):
    """Two legs, two arms; observation (N, 376), in version 5 without the entries that are always zero (N, 348)."""

    file, frame_skip, noise, normal_velocity, ctrl_cost = "humanoid.xml", 5, 1e-2, False, 0.1

    def fields(self) -> tuple[str, ...]:
        """Mass centres, inertias, velocities and forces of bodies, and torques."""
        return ("xipos", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")

    def place(self) -> Array:
        """x of the centre of mass (N,) [m]."""
        mass = self.sims.model.body_mass
        return self.values["xipos"][:, :, 0] @ mass / mass.sum()

    def observation(self) -> Array:
        """Pose without x and y, velocities, inertias and velocities of bodies, torques, contact forces."""
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
        """Neither too low nor too high."""
        height = self.values["qpos"][:, 2]
        return (height > 1.0) & (height < 2.0)

    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """1.25 velocity plus 5 for being alive, less the costs of control and, in version 5, of contacts, (N,)."""
        cost: NDArray[Any] = self.control_cost(action.astype(np.float64))
        if self.version >= 5:
            cost = cost + (5e-7 * np.square(self.values["cfrc_ext"]).sum((1, 2))).clip(max=10.0)
        return 1.25 * velocity + 5.0 * self.survival(healthy) - cost
