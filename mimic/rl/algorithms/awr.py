"""Advantage-weighted regression (Peng, Kumar, Zhang & Levine 2019, algorithm 1).

An update first computes TD(lambda) returns of the whole replay with the current critic and fits the critic to them. TD(lambda)
with the new critic then gives standardised advantages A. Last comes a weighted regression of the policy on the actions taken,
with weights min(exp(A / temperature), weight_clip). No step needs the probability of an action, so old samples need no
correction.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import DataUse, Learner, LearnerConfig, Networks, Targets
from mimic.rl.regression import WeightedRegression
from mimic.rl.replay import Replay


@ALGORITHMS.register("awr")
@dataclass(frozen=True)
class AWRConfig(LearnerConfig):
    """Settings of AWR beyond those every learner has."""

    data: ClassVar[DataUse] = "begin"

    temperature: float = 1.0  # of the standardised advantage
    weight_clip: float = 20.0
    control_variate: bool = False  # a gradient of less variance: see mimic.rl.heads.control_variate_target
    anchor: Literal["behaviour", "current"] = "behaviour"  # the policy that the control variate holds on to
    actor_iterations: int = 0  # the actor trains on the newest so many iterations of the replay; 0: on all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0.0 or self.weight_clip <= 0.0 or self.actor_iterations < 0:
            raise ValueError(
                f"temperature {self.temperature:g} and weight_clip {self.weight_clip:g} must be above 0, "
                f"and actor_iterations {self.actor_iterations} not below 0"
            )

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """An `AWR`."""
        return AWR(self, networks, generator, distributed)


class AWR(WeightedRegression):
    """The learner of `AWRConfig`."""

    config: AWRConfig

    def weights(self, targets: Targets) -> Tensor:
        """min(exp(A / temperature), weight_clip) (M,) of the standardised advantage."""
        return weights.exponential(self.standardized(targets), self.config.temperature, self.config.weight_clip)

    def weight_metrics(self, weight: Tensor) -> dict[str, float]:
        """Metrics of the weights (K,), with ``weight_clipped``, the share of weights that reach ``weight_clip``."""
        clipped = float((weight >= self.config.weight_clip * (1.0 - 1e-6)).double().mean())
        return super().weight_metrics(weight) | {"weight_clipped": clipped}

    def actor_rows(self, replay: Replay, targets: Targets) -> Tensor:
        """Indices (K,) into ``targets`` of the valid transitions in the newest ``actor_iterations`` iterations."""
        count = self.config.actor_iterations * replay.steps * replay.num_envs or targets.valid.numel()
        first = max(0, targets.valid.numel() - count)
        return targets.valid[first:].nonzero().squeeze(-1) + first

    def regression_target(self, replay: Replay, obs: Tensor, targets: Targets, weight: Tensor, rows: Tensor) -> Tensor:
        """The action taken, or the target that a control variate has shifted.

        With the policy that acted ("behaviour") the expected gradient is that of plain AWR. The current policy ("current")
        removes the pull back to the policy that acted, on purpose. The result is a weighted policy gradient on old samples;
        only the step size, which follows the KL, limits it.
        """
        if not self.config.control_variate:
            return super().regression_target(replay, obs, targets, weight, rows)
        return self.with_control_variate(replay, obs, targets, weight, rows, self.config.anchor == "current")
