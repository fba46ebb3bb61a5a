"""Advantage-weighted regression (Peng, Kumar, Zhang & Levine 2019), and reward-weighted regression as its special case.

One update: TD(lambda) with the current critic over the whole replay, critic fit, TD(lambda) again with the new critic,
standardised advantages, weights min(exp(A / temperature), weight_clip), weighted regression of the policy on the
actions taken. Nothing asks how probable an action was, so that old experience is used as it is.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mimic.learn.learner import Learner, LearnerConfig, Targets, standardize
from mimic.learn.replay import Replay

_CHUNK = 8192  # rows of one forward pass


@dataclass(frozen=True)
class AWRConfig(LearnerConfig):
    """Settings of AWR beyond those every learner has."""

    temperature: float = 1.0  # of the standardised advantage
    weight_clip: float = 20.0
    weight_mode: Literal["exp", "rwr"] = "exp"  # rwr: baseline 0, weights from the standardised return
    control_variate: bool = False  # same expected gradient, less variance: see _RegressionLoss
    anchor: Literal["behaviour", "current"] = "behaviour"  # whose mean action the control variate holds on to
    actor_iterations: int = 0  # the actor trains on the newest so many iterations of the replay; 0: on all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0.0 or self.weight_clip <= 0.0 or self.actor_iterations < 0:
            raise ValueError("temperature and weight_clip must be above 0, actor_iterations not below")


def advantage_weights(standardized: Tensor, temperature: float, weight_clip: float) -> Tensor:
    """min(exp(A / temperature), weight_clip), computed so that it cannot overflow."""
    return torch.exp((standardized / temperature).clamp(max=math.log(weight_clip)))


def effective_sample_share(weight: Tensor) -> float:
    """(sum w)^2 / (n sum w^2): 1 for equal weights, 1/n if one sample has it all."""
    weight = weight.double()
    return float(weight.sum().square() / (weight.numel() * weight.square().sum()).clamp(min=1e-300))


class AWR(Learner):
    """The learner of `AWRConfig`."""

    config: AWRConfig

    def update(self, replay: Replay) -> dict[str, float]:
        """One iteration of AWR over the whole replay."""
        slots = replay.slots()
        before = self.targets(replay, slots)
        critic_loss = self.fit_critic(replay, before)
        after = self.targets(replay, slots)
        weight = self.weights(after)
        rows = self._actor_rows(replay, after)
        loss = self._loss(replay, after, weight, rows)
        metrics = self.fit_actor(replay, after, rows, loss)
        used = weight[rows]
        return {
            **self.common_metrics(before),
            **metrics,
            "critic_loss": critic_loss,
            "advantage_std": float(after.advantage[after.valid].std(unbiased=False)),
            "ess": effective_sample_share(used),
            "weight_mean": float(used.mean()),
            "weight_max": float(used.max()),
            "weight_clipped": float((used >= self.config.weight_clip * (1.0 - 1e-6)).double().mean()),
        }

    def weights(self, targets: Targets) -> Tensor:
        """Regression weights (M,), standardised over all valid transitions."""
        quantity = targets.advantage if self.config.weight_mode == "exp" else targets.returns
        standardized = standardize(quantity, targets.valid)
        return advantage_weights(standardized, self.config.temperature, self.config.weight_clip)

    def _actor_rows(self, replay: Replay, targets: Targets) -> Tensor:
        """Indices into ``targets`` of the valid transitions of the newest ``actor_iterations``."""
        count = self.config.actor_iterations * replay.steps * replay.num_envs or targets.valid.numel()
        first = max(0, targets.valid.numel() - count)
        return targets.valid[first:].nonzero().squeeze(-1) + first

    def _loss(self, replay: Replay, targets: Targets, weight: Tensor, rows: Tensor) -> "_RegressionLoss":
        average = float(weight[rows].mean()) if self.config.control_variate else 0.0
        actions, anchor = replay.action.flatten(0, 1), replay.mean.flatten(0, 1)
        if average and self.config.anchor == "current":
            anchor = self._means(replay)
        return _RegressionLoss(targets.rows, weight, average, actions, anchor, self.policy.std)

    @torch.no_grad()
    def _means(self, replay: Replay) -> Tensor:
        """What the policy would do now in every stored state, (T * N, A)."""
        return torch.cat([self.policy.mean(obs) for obs in torch.split(replay.obs.flatten(0, 1), _CHUNK)])


@dataclass(frozen=True)
class _RegressionLoss:
    """-w log pi(a | s) up to a constant, optionally with a control variate.

    With ``average`` = w_bar > 0 the loss is ((w - w_bar) |a - mu|^2 + w_bar |mu_old - mu|^2) / (2 std^2). Since actions
    were drawn around mu_old, E[w_bar (a - mu)] = w_bar (mu_old - mu): the expected gradient is that of plain AWR,
    without the exploration noise that a constant weight would multiply.
    """

    rows: Tensor  # (M,) rows of the replay
    weight: Tensor  # (M,)
    average: float
    action: Tensor  # (T * N, A)
    anchor: Tensor  # (T * N, A), mu_old
    std: Tensor  # (A,)

    def __call__(self, index: Tensor, mean: Tensor) -> Tensor:
        rows = self.rows[index]
        weight = self.weight[index] - self.average
        miss = ((self.action.index_select(0, rows) - mean) / self.std).square().sum(-1)
        loss = weight * miss
        if self.average:
            moved = ((self.anchor.index_select(0, rows) - mean) / self.std).square().sum(-1)
            loss = loss + self.average * moved
        return 0.5 * loss.mean()
