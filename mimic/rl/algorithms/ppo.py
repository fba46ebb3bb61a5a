"""Proximal policy optimisation (Schulman et al. 2017) on AWR's rollout, networks and trainer: the yardstick."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, LearnerConfig, Networks, standardize
from mimic.rl.replay import Replay

_MAX_LOG_RATIO = 20.0


@ALGORITHMS.register("ppo")
@dataclass(frozen=True)
class PPOConfig(LearnerConfig):
    """Settings of PPO beyond those every learner has; ``td_lambda`` is GAE's lambda."""

    ratio_clip: float = 0.2
    advantage_clip: float = 4.0  # standardised advantages are clamped to +- this; 0: not

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio_clip <= 0.0 or self.advantage_clip < 0.0:
            raise ValueError(
                f"ratio_clip {self.ratio_clip:g} must be above 0, and advantage_clip {self.advantage_clip:g} not below 0"
            )

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `PPO`."""
        return PPO(self, networks, generator, distributed)


class PPO(Learner):
    """The learner of `PPOConfig`; it uses the newest iteration of the replay only."""

    config: PPOConfig

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """Fit critic and policy to the newest iteration of the replay; return metrics."""
        obs = self.normalized(replay)
        targets = self.targets(replay, obs, replay.slots(replay.steps))
        advantage = standardize(targets.advantage, targets.valid, self.distributed)
        if self.config.advantage_clip:
            advantage = advantage.clamp(-self.config.advantage_clip, self.config.advantage_clip)
        critic_loss = self.fit_critic(obs, targets)
        rows = targets.valid.nonzero().squeeze(-1)
        metrics: dict[str, float] = {}
        aux_metrics = [0.0]
        if not critic_only:
            action, log_prob = (
                x.index_select(0, targets.rows) for x in (replay.action.flatten(0, 1), replay.log_prob.flatten())
            )
            metrics, aux_metrics = self.fit_actor(replay, obs, targets, rows, (action, log_prob, advantage))
        return {
            **self.common_metrics(targets),
            **metrics,
            "critic_loss": critic_loss,
            "advantage_std": float(targets.advantage[targets.valid].std(unbiased=False)),
            "ratio_clipped": aux_metrics[0],
        }

    def loss(self, params: Tensor, *samples: Tensor) -> Tensor:
        """-min(rho A, clip(rho) A), with rho the ratio of new to behaviour probability. Returns (2,).

        The first value is the mean loss; the second is the share of samples whose gradient the clip removed. ``samples`` are actions (B, A), their log
        probability (B,) when acting, and advantages (B,).
        """
        action, old_log_prob, advantage = samples
        ratio = (self.policy.log_prob(action, params) - old_log_prob).clamp(max=_MAX_LOG_RATIO).exp()
        bounded = ratio.clamp(1.0 - self.config.ratio_clip, 1.0 + self.config.ratio_clip)
        clipped = ((ratio - bounded).detach() * advantage > 0.0).float().mean()
        return torch.stack([-torch.minimum(ratio * advantage, bounded * advantage).mean(), clipped])
