"""What is measured of a performance, step by step, beside its reward: one meter a subject, its figures in the report.

A figure is a mean over the steps in which the character was up: nothing after the end of an episode counts.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from mimic.tracking import TrackingEnv

_SUCCESS_M = 0.5


class Metric(Protocol):
    """Watches an environment step."""

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """The state in which ``action`` (N, A) is about to be taken."""

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """The state it led to; ``up`` (N,) bool: episodes it was a whole step of; ``fell`` (N,): those it failed in."""

    def report(self) -> dict[str, Any]:
        """Figures by name."""


class Mean:
    """A weighted mean that grows: of values (N,) or (N, K) where ``weight`` is above zero."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._weight: Tensor | float = 0.0

    def add(self, value: Tensor, weight: Tensor) -> None:
        """Count ``value`` by ``weight`` of the same shape; where the weight is zero the value may be anything."""
        weight = weight.double()
        self._sum = self._sum + torch.where(weight > 0, value.double() * weight, 0.0).sum(0)
        self._weight = self._weight + weight.sum(0)

    @property
    def value(self) -> Any:
        """The mean, or one a column; 0 where nothing was counted."""
        mean = torch.as_tensor(self._sum) / torch.as_tensor(self._weight).clamp_min(1e-300)
        return mean.tolist()


class Means:
    """Named means over the steps that were up."""

    def __init__(self) -> None:
        self._means: dict[str, Mean] = {}

    def add(self, name: str, value: Tensor, weight: Tensor) -> None:
        """See :meth:`Mean.add`."""
        self._means.setdefault(name, Mean()).add(value, weight)

    def report(self) -> dict[str, Any]:
        """Name to mean."""
        return {name: mean.value for name, mean in self._means.items()}


class TrackingErrors:
    """How far the character is from its reference.

    ``success_rate``: of episodes in which bodies are never more than 0.5 m from the reference on average, as in PHC (Luo et
    al. 2023, section 4), and nobody falls; but the reference is placed anew at each cycle here (mimic/tracking/reference_tracker.py), in
    PHC not: ``drift_m`` (drift.py) is what that forgives.
    """

    def __init__(self) -> None:
        self._means = Means()
        self._lost: Tensor | bool = False

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Nothing to see yet."""

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Root-relative body distance, root distance, joint velocity difference; who is lost."""
        sim, reference = env.sim, env.reference
        offset = env.bodies.pos_w - env.bodies.pos_w[:, :1]
        relative, root = offset - reference.body_offset_w, sim.root_pos_w - reference.state.root_pos_w
        self._means.add("mpjpe_m", relative.norm(dim=-1).mean(1), up)
        self._means.add("root_error_m", root.norm(dim=-1), up)
        self._lost = self._lost | fell | (up & ((relative + root[:, None]).norm(dim=-1).mean(1) > _SUCCESS_M))
        velocity = (sim.joint_vel - reference.state.joint_vel).abs().mean(1)
        self._means.add("joint_velocity_error_rad_s", velocity, up)

    def report(self) -> dict[str, Any]:
        """mpjpe_m, root_error_m, joint_velocity_error_rad_s, success_rate."""
        return self._means.report() | {"success_rate": 1.0 - float(torch.as_tensor(self._lost).double().mean())}


class Jerk:
    """Mean third difference of body positions seen from the root, so that re-synchronising the reference is no jerk."""

    def __init__(self, dt: float) -> None:
        self._dt, self._history = dt, list[Tensor]()

    def next(self, pos_w: Tensor) -> Tensor:
        """(N,) [m/s^3]; zero until four steps are known."""
        self._history = [*self._history[-3:], pos_w]
        if len(self._history) < 4:
            return pos_w.new_zeros(len(pos_w))
        a, b, c, d = self._history
        return ((d - 3 * c + 3 * b - a).norm(dim=-1) / self._dt**3).mean(1)


class JerkMetric:
    """Trembling of the simulation, and what the clip itself has of it."""

    def __init__(self, dt: float) -> None:
        self._simulated, self._reference, self._means = Jerk(dt), Jerk(dt), Means()

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Nothing to see yet."""

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Third differences that end here."""
        self._means.add("jerk_m_s3", self._simulated.next(env.bodies.pos_w - env.bodies.pos_w[:, :1]), up)
        self._means.add("reference_jerk_m_s3", self._reference.next(env.reference.body_offset_w), up)

    def report(self) -> dict[str, Any]:
        """jerk_m_s3, reference_jerk_m_s3."""
        return self._means.report()
