"""The core of the family: regression of the policy on actions of the past, each with a weight that its advantage gives.

The loss is the mean of -w log pi(a | s). An algorithm says which transitions it uses, what an action is worth, and how much
weight that is; see `mimic.rl.weights` for the weight functions.
"""

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.heads import control_variate_target
from mimic.rl.learner import Learner, Targets, chunk_rows, standardize
from mimic.rl.replay import Replay


class WeightedRegression(Learner):
    """One update: targets, critic fit, targets with the new critic, weights, weighted regression of the policy.

    Attributes:
        advantage_lambda: lambda of the returns that the advantage is made of; None means that of the critic's.
    """

    advantage_lambda: float | None = None

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """Fit critic and policy to the transitions in `slots`; return metrics."""
        slots, obs = self.slots(replay), self.normalized(replay)
        before = self.targets(replay, obs, slots)
        critic_loss = self.fit_values(obs, before)
        after = self.refined(replay, obs, self.targets(replay, obs, slots, self.advantage_lambda))
        weight = self.weights(after)
        rows = self.actor_rows(replay, after)
        metrics: dict[str, float] = {}
        if not critic_only:
            target = self.regression_target(replay, obs, after, weight, rows)
            metrics, _ = self.fit_actor(replay, obs, after, rows, (weight, target))
        return {
            **self.common_metrics(before),
            **metrics,
            "critic_loss": critic_loss,
            "advantage_std": float(after.advantage[after.valid].std(unbiased=False)),
            **self.weight_metrics(weight[rows]),
        }

    def slots(self, replay: Replay) -> Tensor:
        """Time slots (T,) that the update uses, up to the newest: all of them."""
        return replay.slots()

    def fit_values(self, obs: Tensor, targets: Targets) -> float:
        """Regress the critic on the returns; return the mean loss."""
        return self.fit_critic(obs, targets)

    def refined(self, replay: Replay, obs: Tensor, targets: Targets) -> Targets:
        """The targets that the weights are made of: those given."""
        return targets

    def quantity(self, targets: Targets) -> Tensor:
        """The quantity (M,) that says how much an action is worth: the advantage."""
        return targets.advantage

    def weights(self, targets: Targets) -> Tensor:
        """Regression weights (M,)."""
        raise NotImplementedError

    def weight_metrics(self, weight: Tensor) -> dict[str, float]:
        """Metrics of the weights (K,) that the policy is fitted with."""
        return {
            "ess": weights.effective_sample_share(weight),
            "weight_mean": float(weight.mean()),
            "weight_max": float(weight.max()),
        }

    def actor_rows(self, replay: Replay, targets: Targets) -> Tensor:
        """Indices (K,) into ``targets`` of the transitions that the policy is fitted on: all valid ones."""
        return targets.valid.nonzero().squeeze(-1)

    def regression_target(self, replay: Replay, obs: Tensor, targets: Targets, weight: Tensor, rows: Tensor) -> Tensor:
        """The regression's target (M, G) for the policy's expected statistic: the statistic of the action taken."""
        return self.policy.head.statistic(replay.action.flatten(0, 1).index_select(0, targets.rows))

    def loss(self, params: Tensor, *samples: Tensor) -> Tensor:
        """-w log pi up to a constant, (1,), of weights (B,) and regression targets (B, G)."""
        return self.policy.head.regression(params, *samples).unsqueeze(0)

    def standardized(self, targets: Targets) -> Tensor:
        """The quantity (M,) minus its mean, over its standard deviation; both over the valid transitions."""
        return standardize(self.quantity(targets), targets.valid, self.distributed)

    def of_mean_one(self, weight: Tensor, targets: Targets) -> Tensor:
        """``weight`` (M,) over the mean magnitude of the valid ones, because a mean weight acts like a step size."""
        mean = self.distributed.all_reduce_mean(weight[targets.valid].abs().mean())
        return torch.where(mean > 0.0, weight / mean, weight)

    def with_control_variate(
        self, replay: Replay, obs: Tensor, targets: Targets, weight: Tensor, rows: Tensor, now: bool
    ) -> Tensor:
        """The regression target (M, G), shifted by a control variate (`mimic.rl.heads.control_variate_target`).

        The baseline is the mean statistic of the policy that acted; with ``now``, that of the present policy.
        """
        head = self.policy.head
        action = head.statistic(replay.action.flatten(0, 1).index_select(0, targets.rows))
        params = self._params(obs) if now else replay.params.flatten(0, 1)
        baseline = head.expectation(params.index_select(0, targets.rows))
        return control_variate_target(action, baseline, weight, self.distributed.all_reduce_mean(weight[rows].mean()))

    @torch.no_grad()
    def _params(self, obs: Tensor) -> Tensor:
        """Distribution parameters (T * N, P) of the present policy in every stored state, in the update's precision."""
        with self._autocast():
            return torch.cat(
                [self.policy.params_of_normalized(piece).float() for piece in torch.split(obs, chunk_rows(obs.device))]
            )


class OnPolicyRegression(WeightedRegression):
    """Weighted regression on the newest iteration alone."""

    def slots(self, replay: Replay) -> Tensor:
        """The time slots of the newest iteration."""
        return replay.slots(replay.steps)
