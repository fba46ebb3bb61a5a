"""Jerk of the bodies: the third derivative of position, which measures trembling."""

from typing import Any

from torch import Tensor

from mimic.evaluation.metric import METRICS, Means, Metric
from mimic.tracking import TrackingEnv


class ThirdDifference:
    """Computes the third difference of positions over the last four control steps, which are ``dt`` [s] apart."""

    def __init__(self, dt: float) -> None:
        self._dt, self._history = dt, list[Tensor]()

    def next(self, pos: Tensor) -> Tensor:
        """Add the positions ``pos`` (N, B, 3) [m]; return the mean jerk over the bodies, (N,) [m/s^3].

        The result is zero until four steps have been added.
        """
        self._history = [*self._history[-3:], pos]
        if len(self._history) < 4:
            return pos.new_zeros(len(pos))
        a, b, c, d = self._history
        return ((d - 3 * c + 3 * b - a).norm(dim=-1) / self._dt**3).mean(1)


@METRICS.register("jerk")
class Jerk(Metric):
    """Mean jerk of the bodies in the simulation and in the reference.

    Positions are relative to the root, so that moving the reference to the character at each cycle causes no jerk.
    """

    def __init__(self, env: TrackingEnv) -> None:
        self._simulated, self._reference = ThirdDifference(env.control_dt), ThirdDifference(env.control_dt)
        self._means = Means()

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Add the jerk of simulation and reference over the four steps that end with this one."""
        self._means.add("jerk_m_s3", self._simulated.next(env.bodies.pos_w - env.bodies.pos_w[:, :1]), up)
        self._means.add("reference_jerk_m_s3", self._reference.next(env.reference.body_offset_w), up)

    def report(self) -> dict[str, Any]:
        """Return the means "jerk_m_s3" and "reference_jerk_m_s3"."""
        return self._means.report()
