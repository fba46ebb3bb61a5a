"""The interface for metrics of an evaluation: one class per metric, registered by its file in ``mimic/evaluation/metrics``.

Most metrics are means over the control steps before the end of each episode; later steps do not count.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mimic.core.registry import Registry
from mimic.tracking import TrackingEnv


class Metric(ABC):
    """Observes an environment during an evaluation, in which each environment runs one episode."""

    def before(self, env: TrackingEnv, action: Tensor) -> None:  # noqa: B027
        """Observe ``env`` before a control step with the policy's ``action`` (N, A). Does nothing by default."""

    @abstractmethod
    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Observe ``env`` after a control step.

        Args:
            env: the environment after the step.
            up: (N,) bool, episodes that had not ended before this step and did not fail in it; only these count.
            fell: (N,) bool, episodes that failed in this step.
        """

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """Return the results by JSON key: numbers, or dataclasses of numbers."""


MetricFactory = Callable[[TrackingEnv], Metric | None]
"""A function that makes a metric for an environment that has just been reset; None if the metric does not apply there."""

METRICS: Registry[MetricFactory] = Registry("metric", "mimic.evaluation.metrics")


def make_metrics(env: TrackingEnv) -> list[Metric]:
    """Make every registered metric that applies to ``env``, which must have been reset, in the order of their names."""
    made = [METRICS.get(name)(env) for name in METRICS.names()]
    return [metric for metric in made if metric is not None]


class Mean:
    """A weighted mean of values (N,), or of each column of (N, K), over the rows of all calls of ``add``."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._weight: Tensor | float = 0.0

    def add(self, value: Tensor, weight: Tensor) -> None:
        """Add ``value`` with a ``weight`` of the same shape; where the weight is zero the value may be NaN."""
        weight = weight.double()
        self._sum = self._sum + torch.where(weight > 0, value.double() * weight, 0.0).sum(0)
        self._weight = self._weight + weight.sum(0)

    @property
    def value(self) -> Any:
        """The mean of values (N,), or a list of one mean per column of values (N, K); 0 if all weights were zero."""
        mean = torch.as_tensor(self._sum) / torch.as_tensor(self._weight).clamp_min(1e-300)
        return mean.tolist()


class Means:
    """Weighted means by name; each is a :class:`Mean`."""

    def __init__(self) -> None:
        self._means: dict[str, Mean] = {}

    def add(self, name: str, value: Tensor, weight: Tensor) -> None:
        """Add to the mean called ``name``; see :meth:`Mean.add`."""
        self._means.setdefault(name, Mean()).add(value, weight)

    def report(self) -> dict[str, Any]:
        """Return all means by name."""
        return {name: mean.value for name, mean in self._means.items()}
