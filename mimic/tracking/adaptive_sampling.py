"""Where in the clip training episodes start: everywhere, and more often where they fail.

Once a policy has learned most of a clip, few starts still fail, and with starts spread evenly few samples show how. So a
share of the episodes starts in proportion to how often starts at that phase have failed lately, as BeyondMimic and
mjlab sample their motions.
"""

import torch
from torch import Tensor

BINS = 32  # of the clip
_HALF_LIFE = 300.0  # control steps, after which an episode counts half
_FLOOR = 0.02  # a rate of failure that is as good as none
STATE = ("fails", "tries")


class Starts:
    """Chooses start phases; ``share`` in [0, 1] of them by failure, the rest evenly.

    Attributes:
        fails, tries: (BINS,) float64, episodes that started in each bin of the clip and failed, and that ended at all.
    """

    def __init__(self, share: float, device: torch.device | str = "cpu"):
        self.share = share
        self.fails = torch.zeros(BINS, dtype=torch.float64, device=device)
        self.tries = torch.zeros(BINS, dtype=torch.float64, device=device)

    def phases(self, uniform: Tensor) -> Tensor:
        """Start phases (K,) in [0, 1) of evenly distributed numbers (K,) in [0, 1)."""
        if not self.share:
            return uniform
        rate = (self.fails + 0.5) / (self.tries + 1.0) + _FLOOR
        chance = (1.0 - self.share) / BINS + self.share * rate / rate.sum()
        upper = chance.cumsum(0)
        bin_ = torch.searchsorted(upper, uniform * upper[-1], right=True).clamp(max=BINS - 1)
        within = (uniform * upper[-1] - (upper - chance)[bin_]) / chance[bin_]
        return (bin_ + within.clamp(0.0, 1.0 - 1e-9)) / BINS

    def count(self, phase: Tensor, ended: Tensor, failed: Tensor) -> None:
        """A control step is over: episodes ``ended`` (N,) bool that had started at ``phase`` (N,), some of which ``failed``."""
        if not self.share:
            return
        bin_ = (phase * BINS).long().clamp(0, BINS - 1)
        decay = 0.5 ** (1.0 / _HALF_LIFE)
        self.tries = (self.tries * decay).index_add(0, bin_, ended.double())
        self.fails = (self.fails * decay).index_add(0, bin_, (ended & failed).double())
