"""MARWIL, monotonic advantage re-weighted imitation learning (Wang et al. 2018), from recorded episodes.

The loss is the mean of -w log pi(a | s), w = min(exp(beta A / c), weight_clip) over its mean. A is the Monte-Carlo return minus
V(s), and c^2 a running mean of A^2, so that one beta serves rewards of any scale. With beta 0 it is behavioural cloning.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import DataUse, Learner, LearnerConfig, Networks, Targets
from mimic.rl.regression import WeightedRegression

_FOLLOW = 0.1  # share an update with which c^2 follows the mean of A^2


@ALGORITHMS.register("marwil")
@dataclass(frozen=True)
class MARWILConfig(LearnerConfig):
    """Settings of MARWIL beyond those every learner has; the step size is constant, because the data is."""

    inherits = "awr"
    data: ClassVar[DataUse] = "required"
    keeps = ("target_kl", "actor_lr", "optimizer", "precision")

    beta: float = 1.0
    weight_clip: float = 20.0
    target_kl: float = 0.0
    actor_lr: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0.0 or self.weight_clip <= 0.0:
            raise ValueError("beta must not be negative, weight_clip above 0")

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `MARWIL`."""
        return MARWIL(self, networks, generator, distributed)


class MARWIL(WeightedRegression):
    """The learner of `MARWILConfig`."""

    config: MARWILConfig
    advantage_lambda = 1.0

    def __init__(
        self,
        config: MARWILConfig,
        networks: Networks,
        generator: torch.Generator,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        super().__init__(config, networks, generator, distributed)
        self._square = torch.zeros((), dtype=torch.float64)  # c^2; 0 before the first update

    def weights(self, targets: Targets) -> Tensor:
        """The clipped exponential of beta A / c (M,), of mean 1."""
        advantage = self.quantity(targets)
        found = self.distributed.all_reduce_mean(advantage[targets.valid].double().square().mean()).cpu()
        self._square = torch.lerp(self._square, found, _FOLLOW) if float(self._square) else found
        scaled = self.config.beta * advantage / float(self._square.clamp(min=1e-12).sqrt())
        return self.of_mean_one(weights.exponential(scaled, 1.0, self.config.weight_clip), targets)

    def extra_state(self) -> dict[str, Tensor]:
        """Further state for a checkpoint: c^2."""
        return super().extra_state() | {"square": self._square}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``extra_state``."""
        super().load_extra_state(state)
        self._square = state["square"].cpu()
