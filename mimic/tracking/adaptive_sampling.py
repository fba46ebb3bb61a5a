"""Adaptive sampling of start phases: training episodes start everywhere in the clip, and more often where they fail.

Once a policy has learned most of a clip, only a few start phases still lead to failure, and uniform starts rarely visit
them. A share of the episodes therefore starts in proportion to the recent failure rate of each phase, as in
BeyondMimic and mjlab.
"""

import torch
from torch import Tensor

BINS = 32  # of the clip
_HALF_LIFE = 300.0  # control steps, after which an episode counts half
_FLOOR = 0.02  # added to every failure rate, so that no phase is never drawn


class AdaptiveSampling:
    """Draws start phases; ``share`` in [0, 1] of them by failure rate, the rest uniformly.

    Attributes:
        fails, tries: (BINS,) float64, decayed counts of the episodes that started in each bin of the clip and failed,
            and of all that ended; updated in place.
    """

    def __init__(self, share: float, device: torch.device | str = "cpu"):
        self.share = share
        self.fails = torch.zeros(BINS, dtype=torch.float64, device=device)
        self.tries = torch.zeros(BINS, dtype=torch.float64, device=device)

    def state(self) -> dict[str, Tensor]:
        """The tensors that the future depends on, not copied."""
        return {"fails": self.fails, "tries": self.tries}

    def phases(self, uniform: Tensor) -> Tensor:
        """Start phases (K,) in [0, 1) from uniform random numbers (K,) in [0, 1)."""
        if not self.share:
            return uniform
        rate = (self.fails + 0.5) / (self.tries + 1.0) + _FLOOR
        chance = (1.0 - self.share) / BINS + self.share * rate / rate.sum()
        upper = chance.cumsum(0)
        bin_ = torch.searchsorted(upper, uniform * upper[-1], right=True).clamp(max=BINS - 1)
        within = (uniform * upper[-1] - (upper - chance)[bin_]) / chance[bin_]
        return (bin_ + within.clamp(0.0, 1.0 - 1e-9)) / BINS

    def count(self, phase: Tensor, ended: Tensor, failed: Tensor) -> None:
        """Count the episodes of one control step.

        Args:
            phase: (N,), where each environment's episode had started.
            ended: (N,) bool, episodes that ended in this step.
            failed: (N,) bool, those of them that failed.
        """
        if not self.share:
            return
        bin_ = (phase * BINS).long().clamp(0, BINS - 1)
        decay = 0.5 ** (1.0 / _HALF_LIFE)
        self.tries.mul_(decay).index_add_(0, bin_, ended.double())
        self.fails.mul_(decay).index_add_(0, bin_, (ended & failed).double())
