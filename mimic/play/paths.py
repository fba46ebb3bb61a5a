"""Closed paths in the plane, and how far along one a character is."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

SPACING_M = 0.02  # between the points of a path
_SEARCHED_M = 2.0  # of the path ahead are searched for the character: a figure of eight passes its middle twice


def _circle(radius: float, left: bool) -> Tensor:
    """Return points (P, 2) [m] of a circle that starts at the origin in the direction x."""
    angle = torch.arange(0.0, 2 * math.pi, SPACING_M / radius, dtype=torch.float64)
    side = 1.0 if left else -1.0
    return radius * torch.stack((angle.sin(), side * (1.0 - angle.cos())), 1)


def _eight(radius: float) -> Tensor:
    return torch.cat((_circle(radius, left=True), _circle(radius, left=False)))


PATHS: dict[str, Callable[[float], Tensor]] = {
    "eight": _eight,
    "left": lambda radius: _circle(radius, left=True),
    "right": lambda radius: _circle(radius, left=False),
}


class PathProgress:
    """How far a character has come along ``points`` (P, 2) [m], a closed path.

    Attributes:
        travelled: number of path points passed.
        heading: (P,) [rad], direction of the path at each point.
    """

    def __init__(self, points: Tensor):
        self.points, self.travelled = points, 0
        way = points.roll(-1, 0) - points
        self.heading = torch.atan2(way[:, 1], way[:, 0])

    @property
    def laps(self) -> float:
        """Number of laps."""
        return self.travelled / len(self.points)

    def place(self, position: Tensor) -> float:
        """Advance ``travelled`` to the path point nearest to ``position`` (2,) [m]; return its distance [m]."""
        passed, distance = self.nearest(position[None], torch.tensor([self.travelled]))
        self.travelled = int(passed)
        return float(distance)

    def ahead(self, distance: float) -> Tensor:
        """Return the point (2,) [m] of the path that is ``distance`` [m] ahead."""
        return self.points[(self.travelled + round(distance / SPACING_M)) % len(self.points)]

    def nearest(self, places: Tensor, passed: Tensor) -> tuple[Tensor, Tensor]:
        """Find the path point nearest to each of ``places`` (K, 2) [m], not before the points ``passed`` (K,).

        Returns the number of path points passed (K,), and the distances to the path (K,) [m].
        """
        window = passed[:, None] + torch.arange(round(_SEARCHED_M / SPACING_M))
        distance = (self.points[window % len(self.points)] - places[:, None]).norm(dim=2)
        least = distance.min(1)
        return passed + least.indices, least.values
