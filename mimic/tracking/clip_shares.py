"""Which clip of a library an episode gets: every clip keeps its share of the environments, and clips that fail get more."""

import torch
from torch import Tensor

from mimic.tracking.tracking_env import TrackingEnv

_DECAY = 0.995  # a control step
_EVEN = 0.5  # the part of the environments that all clips share alike


class ClipShares:
    """Gives new episodes the clips that are furthest below their share of the environments.

    Half of the environments are shared evenly, half by the square root of the falls per second. Shares are of environments,
    not of episodes: a clip whose episodes end early would get too few samples otherwise.

    Attributes:
        falls, seconds: (K,), decayed counts of falls and of the time in which they happened.
    """

    def __init__(self, env: TrackingEnv):
        self._env = env
        self.falls, self.seconds = torch.ones(env.num_clips), 2.0 * torch.ones(env.num_clips)
        env.clips.sampler = self.clips_for

    @property
    def rates(self) -> Tensor:
        """Falls per second of each clip, (K,)."""
        return self.falls / self.seconds

    @property
    def shares(self) -> Tensor:
        """Share of the environments that each clip should have, (K,)."""
        root = self.rates.sqrt()
        return _EVEN / len(root) + (1.0 - _EVEN) * root / root.sum()

    def count(self, clip: Tensor, counted: Tensor, fell: Tensor) -> None:
        """Count one control step.

        Args:
            clip: (N,) that each environment was in.
            counted: (N,) bool, environments whose falls say something of the policy.
            fell: (N,) bool, those that fell in this step.
        """
        size = len(self.falls)
        self.falls.mul_(_DECAY).add_(torch.bincount(clip[counted & fell], minlength=size))
        self.seconds.mul_(_DECAY).add_(torch.bincount(clip[counted], minlength=size) * self._env.control_dt)

    def clips_for(self, rows: Tensor | slice) -> Tensor:
        """The clips (K,) int64 of the environments ``rows``, which are about to start an episode."""
        clip, size = self._env.tracker.current.clip, len(self.falls)
        missing = self.shares * len(clip) - (
            torch.bincount(clip, minlength=size) - torch.bincount(clip[rows], minlength=size)
        )
        chosen = torch.empty_like(clip[rows])
        for i in range(len(chosen)):
            chosen[i] = k = int(missing.argmax())
            missing[k] -= 1.0
        return chosen
