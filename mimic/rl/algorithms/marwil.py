"""MARWIL, monotonic advantage re-weighted imitation learning (Wang et al. 2018), from recorded episodes.

The loss is the mean of -w log pi(a | s), w = min(exp(beta A / c), weight_clip) over its mean. A is the Monte-Carlo return minus
V(s), and c^2 a running mean of A^2, so that one beta serves rewards of any scale. With beta 0 it is behavioural cloning.

Two settings go beyond the paper. ``shrink`` replaces A by the part of it that the action explains; the rest is luck, which would
make the weights noise (`mimic.rl.advantage_model`). ``control_variate`` pulls a sample of average weight to the mean action of the
policy that acted, where the file holds it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.advantage_model import explained_advantage
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import DataUse, Learner, LearnerConfig, Networks, Targets
from mimic.rl.regression import WeightedRegression
from mimic.rl.replay import Replay

_FOLLOW = 0.1  # share an update with which c^2 follows the mean of A^2


@ALGORITHMS.register("marwil")
@dataclass(frozen=True)
class MARWILConfig(LearnerConfig):
    """Settings of MARWIL beyond those every learner has; the step size is constant, because the data is."""

    inherits = "awr"
    data: ClassVar[DataUse] = "required"
    keeps = ("target_kl", "actor_lr", "actor_batch", "actor_passes", "critic_batch", "optimizer", "precision")

    beta: float = 1.0
    weight_clip: float = 20.0
    shrink: bool = True
    control_variate: bool = True
    target_kl: float = 0.0
    actor_lr: float = 1e-3
    actor_batch: int = 512
    actor_passes: int = 1
    critic_batch: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0.0 or self.weight_clip <= 0.0:
            raise ValueError(
                f"beta {self.beta:g} must not be below 0, and weight_clip {self.weight_clip:g} must be above 0"
            )

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
        self._explained = 1.0  # share of the advantage's variance

    def refined(self, replay: Replay, obs: Tensor, targets: Targets) -> Targets:
        """Update the running mean c^2; with ``shrink``, replace each advantage by the part that the action explains."""
        advantage, valid = targets.advantage, targets.valid
        found = self.distributed.all_reduce_mean(advantage[valid].double().square().mean()).cpu()
        self._square = torch.lerp(self._square, found, _FOLLOW) if float(self._square) else found
        if not self.config.shrink:
            return targets
        rows, head = targets.rows[valid], self.policy.head
        action = head.statistic(replay.action.flatten(0, 1)[rows])
        noise = action - head.expectation(replay.params.flatten(0, 1)[rows])
        inputs = torch.cat([obs[rows].float(), action, noise], 1)
        unit = advantage[valid].std(unbiased=False).clamp(min=1e-12)
        centred = (advantage[valid] - advantage[valid].mean()) / unit
        fold = rows % replay.num_envs % 2 == 0  # whole episodes lie in one environment
        found_advantage, self._explained = explained_advantage(inputs, centred, fold, self.generator)
        returns = targets.value.clone()
        returns[valid] += unit * found_advantage
        return dataclasses.replace(targets, returns=returns)

    def weights(self, targets: Targets) -> Tensor:
        """The clipped exponential of beta A / c (M,), of mean 1."""
        scaled = self.config.beta * self.quantity(targets) / float(self._square.clamp(min=1e-12).sqrt())
        return self.of_mean_one(weights.exponential(scaled, 1.0, self.config.weight_clip), targets)

    def weight_metrics(self, weight: Tensor) -> dict[str, float]:
        """Metrics of the weights, and the share of the advantage's variance that actions explain."""
        return super().weight_metrics(weight) | {"explained_advantage": self._explained}

    def regression_target(self, replay: Replay, obs: Tensor, targets: Targets, weight: Tensor, rows: Tensor) -> Tensor:
        """The action taken, or the target of a control variate around the policy that acted."""
        if not self.config.control_variate:
            return super().regression_target(replay, obs, targets, weight, rows)
        return self.with_control_variate(replay, obs, targets, weight, rows, now=False)

    def extra_state(self) -> dict[str, Tensor]:
        """Further state for a checkpoint: c^2."""
        return super().extra_state() | {"square": self._square}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``extra_state``."""
        super().load_extra_state(state)
        self._square = state["square"].cpu()
