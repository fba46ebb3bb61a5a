"""Counters of the episodes of N environments, and random numbers that depend only on a seed and these counters."""

import torch
from torch import Tensor

from mimic.sim.masking import assign_rows, select_rows
from mimic.tracking.counter_random import counter_uniform

_MAX_STEPS = 65_536  # of an episode; more would repeat the random numbers of the next episode


class Episodes:
    """Number, length and start of the current episode of each environment; all tensors are updated in place.

    Attributes:
        seed: seed of all random numbers.
        env: (N,) int64, number of each environment among those of all processes.
        episode: (N,) int64, episodes that each environment has started.
        steps: (N,) int64, control steps of the current episode.
        step_limit: (N,) int64, control steps after which the current episode is truncated.
        start_phase: (N,) float64, phase of the clip at which the current episode started.
    """

    def __init__(self, num_envs: int, seed: int, first_env: int, device: torch.device):
        self.seed = seed
        self.env = first_env + torch.arange(num_envs, device=device)
        self.episode = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self.steps = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self.step_limit = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self.start_phase = torch.zeros(num_envs, dtype=torch.float64, device=device)

    def state(self) -> dict[str, Tensor]:
        """Return the counters that later steps depend on, by name, not copied."""
        names = ("episode", "steps", "step_limit", "start_phase")
        return {name: getattr(self, name) for name in names}

    def reseed(self, seed: int) -> None:
        """Change the seed of the random numbers, and count episodes from 0 again."""
        self.seed = seed
        self.episode.zero_()

    def begin(self, rows: Tensor, start_phase: Tensor, step_limit: Tensor) -> None:
        """Count a new episode of the environments ``rows``, which are indices (K,) or a mask (N,) bool.

        Args:
            rows: the environments.
            start_phase: phase of the clip at which the episode starts, (K,) for indices or (N,) for a mask.
            step_limit: control steps after which the episode is truncated, of the same shape.
        """
        assign_rows(self.episode, rows, self.episode[select_rows(rows)] + 1)
        assign_rows(self.steps, rows, 0)
        assign_rows(self.start_phase, rows, start_phase)
        assign_rows(self.step_limit, rows, step_limit)

    def uniform_of_episode(self, rows: Tensor | slice, stream: int) -> Tensor:
        """Return a random number in [0, 1) for the next episode of each environment of ``rows``, (K,) float64."""
        return counter_uniform(self.seed, self.env[rows], self.episode[rows], stream)

    def uniform_of_step(self, stream: int) -> Tensor:
        """Return a random number in [0, 1) for the current control step of each environment, (N,) float64."""
        return counter_uniform(self.seed, self.env, self.moment, stream)

    @property
    def moment(self) -> Tensor:
        """Number (N,) int64 of the current control step, different for every step of every episode."""
        return self.episode * _MAX_STEPS + self.steps
