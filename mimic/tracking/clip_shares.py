"""Divide the environments among the clips of a library: clips in which the character falls often get more of them."""

import torch
from torch import Tensor

from mimic.tracking.tracking_env import TrackingEnv

_DECAY = 0.995  # a control step
_EVEN = 0.5  # the part of the environments that all clips share alike


class ClipShares:
    """Gives each new episode the clip that is furthest below its share of the environments.

    Half of the environments are divided evenly, half by the square root of each clip's falls per second. Shares are of
    environments, not of episodes. Otherwise a clip whose episodes end early would get too few samples.

    Attributes:
        falls: (K,), decayed number of falls in each clip.
        seconds: (K,), decayed time [s] spent in each clip.
    """

    def __init__(self, env: TrackingEnv):
        self._env = env
        self.falls, self.seconds = torch.ones(env.num_clips), 2.0 * torch.ones(env.num_clips)
        env.clips.sampler = self.clips_for

    @property
    def rates(self) -> Tensor:
        """Falls per second (K,) of each clip."""
        return self.falls / self.seconds

    @property
    def shares(self) -> Tensor:
        """Share (K,) of the environments that each clip should have; the sum is 1."""
        root = self.rates.sqrt()
        return _EVEN / len(root) + (1.0 - _EVEN) * root / root.sum()

    def count(self, clip: Tensor, counted: Tensor, fell: Tensor) -> None:
        """Count the falls and the time of one control step.

        Args:
            clip: (N,) int64, clip of each environment in this step.
            counted: (N,) bool, environments to count; the caller leaves out those that the policy did not control.
            fell: (N,) bool, environments whose character fell in this step.
        """
        size = len(self.falls)
        self.falls.mul_(_DECAY).add_(torch.bincount(clip[counted & fell], minlength=size))
        self.seconds.mul_(_DECAY).add_(torch.bincount(clip[counted], minlength=size) * self._env.control_dt)

    def clips_for(self, rows: Tensor | slice) -> Tensor:
        """Return the clips (K,) int64 for the environments ``rows`` (K,), which are about to start an episode."""
        clip, size = self._env.tracker.current.clip, len(self.falls)
        missing = self.shares * len(clip) - (
            torch.bincount(clip, minlength=size) - torch.bincount(clip[rows], minlength=size)
        )
        chosen = torch.empty_like(clip[rows])
        for i in range(len(chosen)):
            chosen[i] = k = int(missing.argmax())
            missing[k] -= 1.0
        return chosen
