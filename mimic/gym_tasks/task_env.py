"""The environment of a Gymnasium task for a learner: several copies of the task that are stepped together.

Continuous actions are normalised: -1 and 1 are the bounds of the task, and actions beyond them are clipped. A discrete action
is the number of a choice, from 0. An episode that the task terminated ends in ``Termination.FAIL``, and one that ran out of time in
``Termination.TIMEOUT``. A copy whose observation or reward is not finite ends in ``Termination.DIVERGED``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from mimic.core.errors import InputError
from mimic.rl.vec_env import Step, Termination

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
_NONE, _FAIL, _TIMEOUT = (np.int8(end) for end in (Termination.NONE, Termination.FAIL, Termination.TIMEOUT))


@dataclass(frozen=True)
class Outcome:
    """The result of one control step of N copies."""

    reward: Array  # (N,)
    terminated: Flags  # (N,)
    truncated: Flags  # (N,)


class Copies(Protocol):
    """N copies of one task, in the task's own units."""

    num_envs: int
    obs_dim: int
    action_space: gymnasium.Space[Any]  # of one copy: Box of one dimension, or Discrete
    resumable: bool  # ``load_state_dict`` continues to the bit; otherwise every episode begins anew

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Begin new episodes in ``rows`` (K,)."""

    def step(self, action: NDArray[Any]) -> Outcome:
        """Advance every copy with ``action``, (N, A) or (N,) of choices."""

    def observation(self) -> Array:
        """Return the current observation of every copy, (N, D)."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return the states of all copies and of their random generators, by name."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``state_dict``, as far as ``resumable`` says."""


class TaskVecEnv:
    """N copies of a task as a :class:`mimic.rl.vec_env.VecEnv`.

    ``choices`` is the number of discrete actions, and 0 for continuous actions.
    """

    def __init__(self, name: str, copies: Copies) -> None:
        self.name, self.copies = name, copies
        self.num_envs, self.obs_dim = copies.num_envs, copies.obs_dim
        self.device = torch.device("cpu")
        self.obs_passthrough_mask = torch.zeros(self.obs_dim, dtype=torch.bool)
        self._units = ActionUnits(copies.action_space, name)
        self.choices, self.act_dim = self._units.choices, self._units.dim
        self.action_low, self.action_high = self._units.low, self._units.high

    @property
    def resumable(self) -> bool:
        """Whether ``load_state_dict`` continues to the bit; otherwise every episode begins anew."""
        return self.copies.resumable

    def reset(self) -> Tensor:
        """Start N new episodes, and return the observations (N, D)."""
        self.copies.reset(np.arange(self.num_envs))
        return _float32(self.copies.observation())

    def step(self, action: Tensor) -> Step:
        """Advance one control step with ``action`` (N, A) in normalised units."""
        outcome = self.copies.step(self._units.of_task(action))
        final, reward = (x.astype(np.float32) for x in (self.copies.observation(), outcome.reward))
        end = np.where(outcome.terminated, _FAIL, np.where(outcome.truncated, _TIMEOUT, _NONE))
        if not np.isfinite(final.sum(dtype=np.float64) + reward.sum(dtype=np.float64)):
            end[~(np.isfinite(final).all(1) & np.isfinite(reward))] = Termination.DIVERGED
        ended, obs = end.nonzero()[0], final
        if ended.size:
            self.copies.reset(ended)
            obs = self.copies.observation().astype(np.float32)
        tensor = torch.from_numpy
        return Step(tensor(obs), tensor(reward), tensor(end), tensor(final))

    def observation(self) -> Tensor:
        """Return the current observation (N, D) of every copy."""
        return _float32(self.copies.observation())

    def state_dict(self) -> dict[str, Tensor]:
        """Return all tensors needed to continue, to the bit if ``resumable``."""
        return self.copies.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what ``state_dict`` gave."""
        self.copies.load_state_dict(state)

    def set_progress(self, samples: int) -> None:
        """Do nothing, because a task has no curriculum."""


class ActionUnits:
    """Converts normalised actions to those of a task.

    A dimension without bounds keeps the task's units. Raises InputError for a space that is neither a Box of one dimension
    nor Discrete.
    """

    def __init__(self, space: gymnasium.Space[Any], name: str) -> None:
        if isinstance(space, spaces.Discrete):
            self.choices, self.dim, self._first = int(space.n), 1, int(space.start)
            self.low, self.high = torch.zeros(1), torch.full((1,), float(self.choices - 1))
            return
        if not isinstance(space, spaces.Box) or len(space.shape) != 1 or not np.issubdtype(space.dtype, np.floating):
            raise InputError(f"{name}: its actions are {_kind(space)}; only a flat Box and Discrete can be learned")
        self.choices, self.dim, self._space = 0, space.shape[0], space
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low, high = (np.where(bounded, bound, 0.0).astype(np.float64) for bound in (space.low, space.high))
        self._middle, self._half = (low + high) / 2.0, np.where(bounded, (high - low) / 2.0, 1.0)
        self.low = _float32(np.where(bounded, -1.0, space.low))
        self.high = _float32(np.where(bounded, 1.0, space.high))

    def of_task(self, action: Tensor) -> NDArray[Any]:
        """Convert a normalised ``action`` (N, A) to the task's units: (N, A) within its bounds, or (N,) of choices."""
        if self.choices:
            return action[:, 0].round().long().clamp(0, self.choices - 1).numpy() + self._first
        own = self._middle + self._half * action.numpy()
        return np.minimum(np.maximum(own, self._space.low), self._space.high).astype(self._space.dtype)


def obs_dim_of(space: gymnasium.Space[Any], name: str) -> int:
    """Return the length of a flat observation. Raises InputError for pictures, dictionaries and other spaces."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 1:
        raise InputError(f"{name}: its observations are {_kind(space)}; only a flat Box can be learned from")
    return int(space.shape[0])


def _kind(space: gymnasium.Space[Any]) -> str:
    if isinstance(space, spaces.Box):
        size = "x".join(map(str, space.shape))
        if space.dtype == np.uint8 and len(space.shape) >= 2:
            return f"pictures of {size} pixels"
        return f"a Box of {size} {space.dtype}"
    if isinstance(space, spaces.Dict):
        return f"a dictionary ({', '.join(space.spaces)})"
    if isinstance(space, spaces.Discrete):
        return f"one of {space.n} numbers (Discrete)"
    return f"a {type(space).__name__}"


def _float32(array: Array) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
