"""The base of the five tasks: episodes begin near the model's own pose, and the reward is for progress along x."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import mujoco
import numpy as np
import torch
from gymnasium import Space, spaces
from gymnasium.envs.mujoco.mujoco_env import expand_model_path
from numpy.typing import NDArray
from torch import Tensor

from mimic.gym_tasks import random_state
from mimic.gym_tasks.batched.simulations import Simulations
from mimic.gym_tasks.quiet import quiet_mujoco
from mimic.gym_tasks.task_env import Array, Flags, Outcome


class BatchedTask(ABC):
    """N copies of one of Gymnasium's tasks, version 4 or 5, with its default settings.

    The methods are those of :class:`mimic.gym_tasks.task_env.Copies`. A copy has the same episodes as a Gymnasium
    environment with the same seed.
    """

    file: ClassVar[str]  # of the model, among Gymnasium's
    frame_skip: ClassVar[int]  # physics steps a control step
    noise: ClassVar[float]  # of the first pose, uniform within +- this
    normal_velocity: ClassVar[bool]  # the first velocity is normal, not uniform
    ctrl_cost: ClassVar[float]  # of the sum of squared actions
    max_steps: ClassVar[int] = 1000  # control steps to a time-out
    resumable = True

    def __init__(self, version: int, num_envs: int, seed: int = 0, threads: int = 1) -> None:
        self.version, self.num_envs = version, num_envs
        with quiet_mujoco():
            model = mujoco.MjModel.from_xml_path(expand_model_path(self.file_of(version)))
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ISLAND)  # one body, one island: the same bits, sooner
        self.sims = Simulations(model, num_envs, self.frame_skip, self.fields(), self.reads_contacts(), threads)
        self.values = self.sims.values
        self.dt = model.opt.timestep * self.frame_skip
        low, high = model.actuator_ctrlrange.astype(np.float32).T
        self.action_space: Space[Any] = spaces.Box(low, high, dtype=np.float32)
        self._first_qpos, self._first_qvel = self.values["qpos"][0].copy(), self.values["qvel"][0].copy()
        self.generators = [random_state.generator(s) for s in random_state.copy_seeds(seed, num_envs)]
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._place = self.place()
        self.obs_dim = self.observation().shape[1]

    @classmethod
    def file_of(cls, version: int) -> str:
        """Return the name of the model's file in the task's ``version``."""
        return cls.file

    def fields(self) -> tuple[str, ...]:
        """Return the names of the ``MjData`` fields that ``place``, ``observation`` and ``reward`` read besides qpos and qvel."""
        return ()

    def reads_contacts(self) -> bool:
        """Whether ``cfrc_ext``, the contact forces, must be computed."""
        return "cfrc_ext" in self.fields()

    @abstractmethod
    def place(self) -> Array:
        """Return the position of every copy along x, (N,) [m], as a new array."""

    @abstractmethod
    def observation(self) -> Array:
        """Return the observation of every copy, (N, D)."""

    @abstractmethod
    def reward(self, velocity: Array, healthy: Flags, action: NDArray[Any]) -> Array:
        """Return the reward (N,) for a mean ``velocity`` (N,) [m/s] over the step, and for an ``action`` (N, A)."""

    def healthy(self) -> Flags:
        """Return (N,) bool: the copies whose posture does not end the episode."""
        return np.ones(self.num_envs, dtype=bool)

    def survival(self, healthy: Flags) -> Array:
        """Return the reward for being alive, (N,), 1 or 0; before version 5 also the step of the fall gives 1."""
        return healthy.astype(np.float64) if self.version >= 5 else np.ones(self.num_envs)

    def control_cost(self, action: NDArray[Any]) -> NDArray[Any]:
        """Return the cost (N,) of an ``action`` (N, A), in the action's floating-point type."""
        return self.ctrl_cost * np.square(action).sum(-1)

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Begin new episodes in ``rows`` (K,)."""
        for row in rows.tolist():
            rng, pose, velocity = self.generators[row], self._first_qpos, self._first_qvel
            qpos = pose + rng.uniform(-self.noise, self.noise, pose.size)
            if self.normal_velocity:
                qvel = velocity + self.noise * rng.standard_normal(velocity.size)
            else:
                qvel = velocity + rng.uniform(-self.noise, self.noise, velocity.size)
            self.sims.place(row, qpos, qvel)
        self._steps[rows] = 0
        self._place[rows] = self.place()[rows]

    def step(self, action: NDArray[Any]) -> Outcome:
        """Advance every copy with ``action`` (N, A) in the task's units."""
        self.sims.step(action)
        before, self._place = self._place, self.place()
        healthy = self.healthy()
        reward = self.reward((self._place - before) / self.dt, healthy, action)
        self._steps += 1
        return Outcome(reward, ~healthy, self._steps >= self.max_steps)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the states of simulations and random generators, the steps so far and the positions, by name."""
        return {
            "simulation": torch.from_numpy(self.sims.get_state()),
            "steps": torch.from_numpy(self._steps.copy()),
            "place": torch.from_numpy(self._place.copy()),
            "rng": random_state.to_tensor(self.generators),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the result of ``state_dict``; later steps are the same to the bit."""
        self.sims.set_state(state["simulation"].numpy())
        self._steps[:] = state["steps"].numpy()
        self._place[:] = state["place"].numpy()  # of the last step's kinematics, which a new forward pass is ahead of
        random_state.from_tensor(state["rng"], self.generators)
