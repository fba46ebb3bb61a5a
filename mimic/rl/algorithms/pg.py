"""Basic policy gradient (Williams 1992, REINFORCE; with a critic, Sutton et al. 2000), as weighted regression.

The loss is the mean of -w log pi(a | s) over the newest iteration, w = (R - b(s)) / std: the gradient is that of the expected
return. The sign stays: an action that is worse than the baseline pushes the policy away, without bound. R is the TD(lambda)
return, b the critic, the mean return, or 0; the standard deviation only sets the size of a step.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, LearnerConfig, Networks, Targets
from mimic.rl.regression import OnPolicyRegression

_EPS = 1e-5


@ALGORITHMS.register("pg")
@dataclass(frozen=True)
class PGConfig(LearnerConfig):
    """Settings of the policy gradient beyond those every learner has."""

    inherits = "ppo"

    baseline: Literal["value", "mean", "none"] = "value"

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `PG`."""
        return PG(self, networks, generator, distributed)


class PG(OnPolicyRegression):
    """The learner of `PGConfig`."""

    config: PGConfig

    def quantity(self, targets: Targets) -> Tensor:
        """The return minus the baseline, (M,)."""
        if self.config.baseline == "value":
            return targets.advantage
        mean = self.distributed.all_reduce_mean(targets.returns[targets.valid].mean())
        return targets.returns - mean * (self.config.baseline == "mean")

    def weights(self, targets: Targets) -> Tensor:
        """Return minus baseline, over its standard deviation, (M,); it may be negative."""
        quantity = self.quantity(targets)
        chosen = quantity[targets.valid]
        variance = (
            self.distributed.all_reduce_mean(chosen.square().mean())
            - self.distributed.all_reduce_mean(chosen.mean()).square()
        )
        return weights.identity(quantity / (variance.clamp(min=0.0).sqrt() + _EPS))
