"""When a point of a body stands on the ground: one rule, of which every caller states its thresholds."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ContactRule:
    """A point stands if it is below ``touch``, or if it is below ``low`` and slower than ``slow``.

    Height alone does not do for recordings, whose feet hover and sink by centimetres.

    Attributes:
        touch: a lower point stands at any speed [m]; by default no point does.
        low: a lower point stands if it is slow [m].
        slow: a slower point stands if it is low [m/s].
    """

    touch: float = -math.inf
    low: float | Tensor = -math.inf
    slow: float | Tensor = 0.0

    def stands(self, height: Tensor, speed: Tensor | None = None) -> Tensor:
        """(...) bool, from heights (...) [m] and speeds (...) [m/s]; without speeds ``touch`` alone decides."""
        touching = height < self.touch
        return touching if speed is None else touching | ((height < self.low) & (speed < self.slow))

    def margin(self, height: Tensor, speed: Tensor) -> Tensor:
        """(...) below 0 where the point stands, and continuous, so that its zeros tell landing and lift-off.

        ``touch``, ``low`` and ``slow`` must be above 0.
        """
        slow_and_low = torch.maximum(height / self.low, speed / self.slow)
        return torch.minimum(height / self.touch, slow_and_low) - 1.0
