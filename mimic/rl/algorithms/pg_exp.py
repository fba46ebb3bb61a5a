"""Policy gradient whose weight is exponentiated: the step from the policy gradient to AWR, and no more.

The loss is the mean of -w log pi(a | s) over the newest iteration, w = min(exp(A / temperature), weight_clip) of the
standardised A, over its mean. No weight is below 0, so that no action pushes the policy away (Peters & Schaal 2007 derive the
weight, Peng et al. 2019 standardise the advantage).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.algorithms.pg import PG, PGConfig
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, Networks, Targets


@ALGORITHMS.register("pg-exp")
@dataclass(frozen=True)
class PGExpConfig(PGConfig):
    """Settings of the exponentiated policy gradient beyond those of the plain one."""

    inherits = "pg"

    temperature: float = 1.0  # of the standardised advantage
    weight_clip: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0.0 or self.weight_clip <= 0.0:
            raise ValueError(f"temperature {self.temperature:g} and weight_clip {self.weight_clip:g} must be above 0")

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `PGExp`."""
        return PGExp(self, networks, generator, distributed)


class PGExp(PG):
    """The learner of `PGExpConfig`."""

    config: PGExpConfig

    def weights(self, targets: Targets) -> Tensor:
        """min(exp(A / temperature), weight_clip) (M,) of the standardised return minus baseline A, of mean 1."""
        config = self.config
        weight = weights.exponential(self.standardized(targets), config.temperature, config.weight_clip)
        return self.of_mean_one(weight, targets)
