"""The seam for metrics of an evaluation: one class per metric, registered by its own file in ``mimic/evaluation/metrics``.

A metric is a mean over the control steps in which the character was up: steps after the end of an episode do not count.
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
        """Called before each control step, with the ``action`` (N, A) about to be taken. Does nothing by default."""

    @abstractmethod
    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Called after each control step.

        Args:
            env: in the state after the step.
            up: (N,) bool, episodes for which the step counts: they had not ended before it and did not fail in it.
            fell: (N,) bool, episodes that failed in this step.
        """

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """Results by their JSON key: numbers, or dataclasses of numbers."""


MetricFactory = Callable[[TrackingEnv], Metric | None]
"""Makes a metric for an environment that has just been reset; None if the metric does not apply to it."""

METRICS: Registry[MetricFactory] = Registry("metric", "mimic.evaluation.metrics")


def make_metrics(env: TrackingEnv) -> list[Metric]:
    """Every registered metric that applies to ``env``, which must have been reset, in the order of their names."""
    made = [METRICS.get(name)(env) for name in METRICS.names()]
    return [metric for metric in made if metric is not None]


class Mean:
    """A running weighted mean of values (N,) or (N, K), over those rows whose weight is above zero."""

    def __init__(self) -> None:
        self._sum: Tensor | float = 0.0
        self._weight: Tensor | float = 0.0

    def add(self, value: Tensor, weight: Tensor) -> None:
        """Add ``value`` with ``weight`` of the same shape; where the weight is zero the value may be NaN."""
        weight = weight.double()
        self._sum = self._sum + torch.where(weight > 0, value.double() * weight, 0.0).sum(0)
        self._weight = self._weight + weight.sum(0)

    @property
    def value(self) -> Any:
        """The mean, or a list of one mean per column; 0 if all weights were zero."""
        mean = torch.as_tensor(self._sum) / torch.as_tensor(self._weight).clamp_min(1e-300)
        return mean.tolist()


class Means:
    """Running weighted means by name."""

    def __init__(self) -> None:
        self._means: dict[str, Mean] = {}

    def add(self, name: str, value: Tensor, weight: Tensor) -> None:
        """Add to the mean called ``name``; see :meth:`Mean.add`."""
        self._means.setdefault(name, Mean()).add(value, weight)

    def report(self) -> dict[str, Any]:
        """Name -> mean."""
        return {name: mean.value for name, mean in self._means.items()}
