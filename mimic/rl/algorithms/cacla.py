"""CACLA, the continuous actor-critic learning automaton (van Hasselt & Wiering 2007).

The loss is the mean of -w log pi(a | s) over the newest iteration. The weight w, divided by its mean, is 1 where the TD error
r + gamma V(s') - V(s) is above 0, else 0. The size of the error has no effect. For a Gaussian the loss is the squared distance
between the mean action and the action taken. Samples with an error of 0 or less do not change the policy.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, LearnerConfig, Networks, Targets
from mimic.rl.regression import OnPolicyRegression


@ALGORITHMS.register("cacla")
@dataclass(frozen=True)
class CACLAConfig(LearnerConfig):
    """Settings of CACLA: those every learner has. ``td_lambda`` affects only the returns that the critic learns."""

    inherits = "ppo"

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `CACLA`."""
        return CACLA(self, networks, generator, distributed)


class CACLA(OnPolicyRegression):
    """The learner of `CACLAConfig`."""

    advantage_lambda = 0.0

    def weights(self, targets: Targets) -> Tensor:
        """1 where the TD error is above 0, else 0 (M,), of mean 1."""
        return self.of_mean_one(weights.indicator(self.quantity(targets)), targets)
