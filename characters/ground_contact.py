"""The rule that decides whether a point of a body stands on the ground. Every caller states its own thresholds."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ContactRule:
    """A point stands on the ground if it is below ``touch``, or if it is below ``low`` and slower than ``slow``.

    Height alone is not enough for recordings, whose feet hover and sink by centimetres.

    Attributes:
        touch: height [m] below which a point stands at any speed; by default there is no such height.
        low: height [m] below which a slow point stands.
        slow: speed [m/s] below which a low point stands.
    """

    touch: float = -math.inf
    low: float | Tensor = -math.inf
    slow: float | Tensor = 0.0

    def stands(self, height: Tensor, speed: Tensor | None = None) -> Tensor:
        """Return (...) bool: whether points of these heights (...) [m] and speeds (...) [m/s] stand.

        Without speeds ``touch`` alone decides.
        """
        touching = height < self.touch
        return touching if speed is None else touching | ((height < self.low) & (speed < self.slow))

    def margin(self, height: Tensor, speed: Tensor) -> Tensor:
        """Return a continuous margin (...) without unit, below 0 where a point stands.

        Its zeros are the moments of landing and lift-off. ``touch``, ``low`` and ``slow`` must be above 0.
        """
        slow_and_low = torch.maximum(height / self.low, speed / self.slow)
        return torch.minimum(height / self.touch, slow_and_low) - 1.0
