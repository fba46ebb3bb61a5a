"""Adaptive sampling of start phases: training episodes start everywhere in the clip, and more often where they fail.

Once a policy has learned most of a clip, only a few start phases still lead to failure, and uniform starts rarely visit
them. A share of the episodes therefore starts in proportion to the recent failure rate of each phase, as in
BeyondMimic and mjlab. In a library, where an episode keeps its clip, every clip has its own rates.
"""

import torch
from torch import Tensor

BINS = 32  # of the clip
_HALF_LIFE = 300.0  # control steps, after which an episode counts half
_FLOOR = 0.02  # added to every failure rate, so that no phase is never drawn


class AdaptiveSampling:
    """Draws start phases: a ``share`` in [0, 1] of them by failure rate, the rest uniformly.

    Attributes:
        tries: (K * BINS,) float64, decayed count of the ended episodes that had started in each of a clip's BINS equal
            parts; updated in place. K is ``num_clips``, or 1 if all clips share their failure rates.
        fails: (K * BINS,) float64, the same count of the episodes that ended by failure.
    """

    def __init__(self, share: float, device: torch.device | str = "cpu", num_clips: int = 1):
        self.share, self.num_clips = share, num_clips
        self.fails = torch.zeros(num_clips * BINS, dtype=torch.float64, device=device)
        self.tries = torch.zeros(num_clips * BINS, dtype=torch.float64, device=device)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that later start phases depend on, by name, not copied."""
        return {"fails": self.fails, "tries": self.tries}

    def phases(self, uniform: Tensor, clip: Tensor | None = None) -> Tensor:
        """Convert uniform random numbers (M,) in [0, 1) to start phases (M,) in [0, 1) of the clips ``clip`` (M,)."""
        if not self.share:
            return uniform
        rate = ((self.fails + 0.5) / (self.tries + 1.0) + _FLOOR).view(-1, BINS)
        chance = (1.0 - self.share) / BINS + self.share * rate / rate.sum(1, keepdim=True)
        chance = chance[
            clip if self.num_clips > 1 and clip is not None else torch.zeros_like(uniform, dtype=torch.int64)
        ]
        upper = chance.cumsum(1)
        place = (uniform * upper[:, -1])[:, None]
        bin_ = torch.searchsorted(upper, place, right=True).clamp(max=BINS - 1)
        within = (place - (upper - chance).gather(1, bin_)) / chance.gather(1, bin_)
        return ((bin_ + within.clamp(0.0, 1.0 - 1e-9)) / BINS).squeeze(1)

    def count(self, phase: Tensor, ended: Tensor, failed: Tensor, clip: Tensor | None = None) -> None:
        """Count the episodes that end in one control step, and decay the earlier counts.

        Args:
            phase: (N,) in [0, 1), phase of the clip at which each environment's episode started.
            ended: (N,) bool, episodes that ended in this step.
            failed: (N,) bool, episodes that ended by failure in this step.
            clip: (N,) int64, clip of each environment; None if all clips share their failure rates.
        """
        if not self.share:
            return
        bin_ = (phase * BINS).long().clamp(0, BINS - 1)
        if self.num_clips > 1 and clip is not None:
            bin_ = bin_ + BINS * clip
        decay = 0.5 ** (1.0 / _HALF_LIFE)
        self.tries.mul_(decay).index_add_(0, bin_, ended.double())
        self.fails.mul_(decay).index_add_(0, bin_, (ended & failed).double())
