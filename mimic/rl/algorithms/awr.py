"""Advantage-weighted regression (Peng, Kumar, Zhang & Levine 2019, algorithm 1).

One update: TD(lambda) with the current critic over the whole replay, critic fit, TD(lambda) again with the new critic,
standardised advantages, weights min(exp(A / temperature), weight_clip), weighted regression of the policy on the
actions taken. Nothing asks how probable an action was, so that old experience is used as it is.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import ALONE, Ranks
from mimic.rl.learner import Learner, LearnerConfig, Networks, Targets, standardize
from mimic.rl.replay import Replay

_CHUNK = 8192  # rows of one forward pass
_MIN_LOG_WEIGHT = -10.0  # a weight is never quite zero: the control variate divides by it


@ALGORITHMS.register("awr")
@dataclass(frozen=True)
class AWRConfig(LearnerConfig):
    """Settings of AWR beyond those every learner has."""

    temperature: float = 1.0  # of the standardised advantage
    weight_clip: float = 20.0
    control_variate: bool = False  # less variance: see shifted_goal
    anchor: Literal["behaviour", "current"] = "behaviour"  # whose mean action the control variate holds on to
    actor_iterations: int = 0  # the actor trains on the newest so many iterations of the replay; 0: on all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0.0 or self.weight_clip <= 0.0 or self.actor_iterations < 0:
            raise ValueError("temperature and weight_clip must be above 0, actor_iterations not below")

    def create(self, networks: Networks, generator: torch.Generator, ranks: Ranks = ALONE) -> Learner:
        """An `AWR`."""
        return AWR(self, networks, generator, ranks)


def advantage_weights(standardized: Tensor, temperature: float, weight_clip: float) -> Tensor:
    """min(exp(A / temperature), weight_clip), computed so that it neither overflows nor vanishes."""
    return torch.exp((standardized / temperature).clamp(_MIN_LOG_WEIGHT, math.log(weight_clip)))


def effective_sample_share(weight: Tensor) -> float:
    """(sum w)^2 / (n sum w^2): 1 for equal weights, 1/n if one sample has it all."""
    weight = weight.double()
    return float(weight.sum().square() / (weight.numel() * weight.square().sum()).clamp(min=1e-300))


class AWR(Learner):
    """The learner of `AWRConfig`."""

    config: AWRConfig

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """One iteration of AWR over the whole replay."""
        slots, obs = replay.slots(), self.normalized(replay)
        before = self.targets(replay, obs, slots)
        critic_loss = self.fit_critic(obs, before)
        after = self.targets(replay, obs, slots)
        weight = self.weights(after)
        rows = self._actor_rows(replay, after)
        metrics: dict[str, float] = {}
        if not critic_only:
            goal = self._goal(replay, obs, after, weight, rows)
            metrics, _ = self.fit_actor(replay, obs, after, rows, (weight, goal))
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
        """Regression weights (M,) of the advantage, standardised over all valid transitions."""
        standardized = standardize(self.quantity(targets), targets.valid, self.ranks)
        return advantage_weights(standardized, self.config.temperature, self.config.weight_clip)

    def quantity(self, targets: Targets) -> Tensor:
        """The quantity (M,) that says how much an action is worth: the advantage."""
        return targets.advantage

    def _actor_rows(self, replay: Replay, targets: Targets) -> Tensor:
        """Indices into ``targets`` of the valid transitions of the newest ``actor_iterations``."""
        count = self.config.actor_iterations * replay.steps * replay.num_envs or targets.valid.numel()
        first = max(0, targets.valid.numel() - count)
        return targets.valid[first:].nonzero().squeeze(-1) + first

    def loss(self, mean: Tensor, *samples: Tensor) -> Tensor:
        """-w log pi(goal | s) up to a constant, of weights (B,) and goals (B, A), (1,)."""
        return regression_loss(mean, self.policy.std, *samples).unsqueeze(0)

    def _goal(self, replay: Replay, obs: Tensor, targets: Targets, weight: Tensor, rows: Tensor) -> Tensor:
        """Where the regression pulls the policy's mean (M, A)."""
        action = replay.action.flatten(0, 1).index_select(0, targets.rows)
        if not self.config.control_variate:
            return action
        current = self.config.anchor == "current"
        anchor = (self._means(obs) if current else replay.mean.flatten(0, 1)).index_select(0, targets.rows)
        return shifted_goal(action, anchor, weight, self.ranks.mean(weight[rows].mean()))

    @torch.no_grad()
    def _means(self, obs: Tensor) -> Tensor:
        """What the policy would do now in every stored state, (T * N, A), as the fit will see it."""
        with self._fast():
            return torch.cat([self.policy.mean_of_normalized(piece).float() for piece in torch.split(obs, _CHUNK)])


def shifted_goal(action: Tensor, anchor: Tensor, weight: Tensor, average: Tensor) -> Tensor:
    """Where the regression with a control variate pulls the policy's mean, (M, A).

    The loss (w - w_bar) |a - mu|^2 + w_bar |mu_old - mu|^2 is, up to a constant, w |goal - mu|^2 with
    goal = mu_old + (1 - w_bar / w) (a - mu_old). Since actions were drawn around mu_old, E[w_bar (a - mu_old)] = 0: the
    expected gradient is that of plain AWR, without the exploration noise that a constant weight would multiply.

    That is so where mu_old is the policy that acted (``anchor`` "behaviour"). With the present policy's mean instead
    ("current") the pull back to the one that acted is gone, on purpose: a weighted policy gradient on old experience, whose
    only leash is the step size that is steered to a KL.
    """
    return torch.addcmul(anchor, (1.0 - average / weight).unsqueeze(-1), action - anchor)


def regression_loss(mean: Tensor, std: Tensor, weight: Tensor, goal: Tensor) -> Tensor:
    """-w log N(goal; mean, std) up to a constant: w |goal - mean|^2 / (2 std^2), averaged over the batch.

    ``mean`` and ``goal`` (B, A), ``std`` (A,), ``weight`` (B,).
    """
    miss = ((goal - mean) / std).square().sum(-1)
    return 0.5 * (weight * miss).mean()
