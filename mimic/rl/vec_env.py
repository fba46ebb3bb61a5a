"""The learner's interface to an environment: N episodes side by side, reset one by one, on one device.

An implementation guarantees that every tensor of a :class:`Step` is finite, except rows whose ``end`` is ``DIVERGED``.
``obs`` is always finite, because a diverged row is reset like any other. The next ``step`` may overwrite returned tensors, so
the caller copies a tensor to keep it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import torch
from torch import Tensor


class Termination(IntEnum):
    """Why an episode ended at this step.

    FAIL is Gymnasium's ``terminated``, TIMEOUT its ``truncated``. CLIP_END is one or the other by ``clip_end_value``.
    """

    NONE = 0
    FAIL = 1  # terminated: no reward follows
    TIMEOUT = 2  # truncated: the state went on, so the return bootstraps from its value
    CLIP_END = 3  # the clip is over: there is nothing left to imitate
    DIVERGED = 4  # the simulation failed numerically: this step is never learned from


@dataclass
class Step:
    """The result of one control step in N environments."""

    obs: Tensor  # (N, D) of the new episode where one ended
    reward: Tensor  # (N,)
    end: Tensor  # (N,) int8, values of Termination
    final_obs: Tensor  # (N, D) before the reset; equals obs where end is NONE
    info: dict[str, Tensor] = field(default_factory=dict)  # (N,) each, averaged into the log


class VecEnv(Protocol):
    """A vectorised environment."""

    num_envs: int
    obs_dim: int
    act_dim: int
    device: torch.device
    obs_passthrough_mask: Tensor  # (D,) bool: entries the observation normaliser leaves alone
    action_low: Tensor  # (A,) in normalised action units; a bound for the loss, not a clamp
    action_high: Tensor  # (A,)

    def reset(self) -> Tensor:
        """Start N new episodes; observations (N, D)."""

    def step(self, action: Tensor) -> Step:
        """Advance one control step with ``action`` (N, A) in normalised units."""

    def state_dict(self) -> dict[str, Tensor]:
        """Everything needed to continue bit for bit, with the states of random generators."""

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
