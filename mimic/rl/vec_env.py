"""The learner's interface to an environment: N episodes side by side, reset one by one, on one device.

An implementation guarantees that every tensor of a :class:`Step` is finite, except rows whose ``end`` is ``End.DIVERGED``.
``obs`` is always finite, because a diverged row is reset like any other. The next ``step`` may overwrite returned tensors, so
the caller copies a tensor to keep it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import torch
from torch import Tensor


class End(IntEnum):
    """Why an episode ended at this step."""

    NONE = 0
    FAIL = 1  # fell, or left the reference too far
    TIMEOUT = 2  # the episode's time ran out: the state goes on, we stop watching
    CLIP_END = 3  # the clip is over: there is nothing left to imitate
    DIVERGED = 4  # the simulation broke: this step is never learned from


@dataclass
class Step:
    """What one control step gave, for N environments."""

    obs: Tensor  # (N, D) of the new episode where one ended
    reward: Tensor  # (N,)
    end: Tensor  # (N,) int8, values of End
    final_obs: Tensor  # (N, D) before the reset; equals obs where end is NONE
    info: dict[str, Tensor] = field(default_factory=dict)  # (N,) each, averaged into the log


class VecEnv(Protocol):
    """A vectorised environment."""

    num_envs: int
    obs_dim: int
    act_dim: int
    device: torch.device
    unnormalized_obs: Tensor  # (D,) bool: entries the observation normaliser leaves alone
    action_low: Tensor  # (A,) in normalised action units; a bound for the loss, not a clamp
    action_high: Tensor  # (A,)

    def reset(self) -> Tensor:
        """Start N new episodes; observations (N, D)."""

    def step(self, action: Tensor) -> Step:
        """Advance one control step with ``action`` (N, A) in normalised units."""

    def state_dict(self) -> dict[str, Tensor]:
        """Everything needed to continue bit for bit, random states included."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what ``state_dict`` gave."""

    def set_progress(self, samples: int) -> None:
        """Tell curricula how many samples the learner has seen."""


def choices_of(env: VecEnv) -> int:
    """How many discrete actions there are, which ``env.choices`` says; 0 for continuous ones."""
    return int(getattr(env, "choices", 0))


def is_resumable(env: VecEnv) -> bool:
    """Whether ``load_state_dict`` continues to the bit; False where ``env.resumable`` says that episodes begin anew.

    Such an environment has a method ``observation()``, the first observations (N, D) of the new episodes.
    """
    return bool(getattr(env, "resumable", True))
