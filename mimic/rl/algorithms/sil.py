"""Self-imitation learning (Oh et al. 2018) beside an advantage actor-critic (A2C, Mnih et al. 2016).

On the newest iteration the loss is A2C's, -A log pi(a | s) and 1/2 (G - V)^2. On the whole replay it adds self-imitation,
-(R - V)+ log pi(a | s) and 1/2 ((R - V)+)^2, with the Monte-Carlo return R and (x)+ = max(x, 0). Actions that did better than expected are repeated;
other samples change neither policy nor values. The original draws samples in proportion to (R - V)+ and corrects with weights.
Here all samples are drawn alike, which has the same expected gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, LearnerConfig, Networks, Targets
from mimic.rl.regression import WeightedRegression
from mimic.rl.replay import Replay


@ALGORITHMS.register("sil")
@dataclass(frozen=True)
class SILConfig(LearnerConfig):
    """Settings of SIL beyond those every learner has."""

    inherits = "awr"
    data = "begin"

    imitation: float = 0.1  # weight of self-imitation beside A2C

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.imitation < 0.0:
            raise ValueError(f"imitation must be 0 or above, found {self.imitation:g}")

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `SIL`."""
        return SIL(self, networks, generator, distributed)


class SIL(WeightedRegression):
    """The learner of `SILConfig`."""

    config: SILConfig

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """Fit the policy by one regression: A2C on the newest iteration, and self-imitation on the whole replay.

        Returns metrics. The critic is fitted before.
        """
        slots, obs = self.slots(replay), self.normalized(replay)
        newest = self.targets(replay, obs, replay.slots(replay.steps))
        critic_loss = self.fit_critic(obs, newest)
        whole = self.targets(replay, obs, slots, 1.0)
        self.fit_critic(obs, whole, self._loss_from_above)
        weight = self.config.imitation * self.weights(whole)
        recent = self.targets(replay, obs, replay.slots(replay.steps))
        first = weight.numel() - recent.valid.numel()  # the newest transitions are the last ones
        weight[first:] += (whole.valid.sum() / recent.valid.sum()) * self.standardized(recent)
        metrics: dict[str, float] = {}
        if not critic_only:
            rows = self.actor_rows(replay, whole)
            target = self.regression_target(replay, obs, whole, weight, rows)
            metrics, _ = self.fit_actor(replay, obs, whole, rows, (weight, target))
        return {
            **self.common_metrics(newest),
            **metrics,
            "critic_loss": critic_loss,
            "better_than_expected": float((whole.advantage > 0.0)[whole.valid].double().mean()),
            **self.weight_metrics(weight[whole.valid]),
        }

    def weights(self, targets: Targets) -> Tensor:
        """(R - V)+ over the standard deviation of R - V (M,)."""
        valid = targets.valid
        return weights.positive(targets.advantage) / (targets.advantage[valid].std(unbiased=False) + 1e-5)

    def _loss_from_above(self, obs: Tensor, target: Tensor) -> Tensor:
        """1/2 ((R - V)+)^2 in the critic's units, (1,): only returns above the prediction count."""
        with self._autocast():
            prediction = self.critic.unscaled(obs)
        return 0.5 * (target - prediction.float()).clamp(min=0.0).square().mean().unsqueeze(0)
