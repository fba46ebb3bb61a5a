"""Draws the clip of each new training episode of a library: by its weight, and more often where episodes fail."""

import torch
from torch import Tensor

_HALF_LIFE = 300.0  # control steps
_BY_WEIGHT = 0.5  # share of the time that is divided by weight alone


class LibrarySampling:
    """Divides the time of training among K clips.

    Half of the time is divided by ``weights``, half by weight times the square root of a clip's failures per second.
    A clip's probability is its share of the time divided by the mean length of its episodes, because short episodes
    would otherwise get too little time.

    Attributes:
        seconds: (K,) float64, decayed time spent in each clip [s]; these three are updated in place.
        episodes: (K,) float64, decayed number of ended episodes.
        fails: (K,) float64, decayed number of episodes that failed.
    """

    def __init__(self, weights: Tensor, control_dt: float, device: torch.device):
        self._weights = (weights.double() / weights.double().sum()).to(device)
        self._control_dt = control_dt
        self.seconds = torch.full_like(self._weights, 2.0)
        self.episodes, self.fails = torch.ones_like(self._weights), torch.ones_like(self._weights)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that later draws depend on, by name, not copied."""
        return {"seconds": self.seconds, "episodes": self.episodes, "fails": self.fails}

    @property
    def shares(self) -> Tensor:
        """Share (K,) of the time that each clip should have; the sum is 1."""
        hard = self._weights * (self.fails / self.seconds).sqrt()
        return _BY_WEIGHT * self._weights + (1.0 - _BY_WEIGHT) * hard / hard.sum()

    def draw(self, uniform: Tensor) -> Tensor:
        """Convert uniform random numbers (M,) in [0, 1) to clips (M,) int64."""
        upper = (self.shares * self.episodes / self.seconds).cumsum(0)
        return torch.searchsorted(upper, uniform * upper[-1], right=True).clamp(max=len(upper) - 1)

    def count(self, clip: Tensor, ended: Tensor, failed: Tensor) -> None:
        """Count one control step.

        Args:
            clip: (N,) int64, clip of each environment in this step.
            ended: (N,) bool, episodes that ended in this step.
            failed: (N,) bool, episodes that failed in this step.
        """
        decay = 0.5 ** (1.0 / _HALF_LIFE)
        self.seconds.mul_(decay).index_add_(0, clip, torch.full_like(clip, self._control_dt, dtype=torch.float64))
        self.episodes.mul_(decay).index_add_(0, clip, ended.double())
        self.fails.mul_(decay).index_add_(0, clip, (ended & failed).double())
