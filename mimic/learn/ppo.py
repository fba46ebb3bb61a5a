"""Proximal policy optimisation (Schulman et al. 2017) on AWR's rollout, networks and trainer: the yardstick."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.learn.learner import Learner, LearnerConfig, standardize
from mimic.learn.replay import Replay

_MAX_LOG_RATIO = 20.0


@dataclass(frozen=True)
class PPOConfig(LearnerConfig):
    """Settings of PPO beyond those every learner has; ``td_lambda`` is GAE's lambda."""

    ratio_clip: float = 0.2
    advantage_clip: float = 4.0  # standardised advantages are clamped to +- this; 0: not

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ratio_clip <= 0.0 or self.advantage_clip < 0.0:
            raise ValueError("ratio_clip must be above 0 and advantage_clip not below")


class PPO(Learner):
    """The learner of `PPOConfig`; it uses the newest iteration of the replay only."""

    config: PPOConfig

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """One iteration of PPO on the newest iteration."""
        obs = self.normalized(replay)
        targets = self.targets(replay, obs, replay.slots(replay.steps))
        advantage = standardize(targets.advantage, targets.valid, self.ranks)
        if self.config.advantage_clip:
            advantage = advantage.clamp(-self.config.advantage_clip, self.config.advantage_clip)
        critic_loss = self.fit_critic(obs, targets)
        loss = _ClippedLoss(self, replay, targets.rows, advantage)
        rows = targets.valid.nonzero().squeeze(-1)
        metrics = {} if critic_only else self.fit_actor(replay, obs, targets, rows, loss)
        return {
            **self.common_metrics(targets),
            **metrics,
            "critic_loss": critic_loss,
            "advantage_std": float(targets.advantage[targets.valid].std(unbiased=False)),
            "ratio_clipped": loss.clipped_share(),
        }


class _ClippedLoss:
    """-min(rho A, clip(rho) A) with rho the ratio of new to behaviour probability; counts how often the clip acted."""

    def __init__(self, learner: PPO, replay: Replay, rows: Tensor, advantage: Tensor) -> None:
        self.policy, self.clip = learner.policy, learner.config.ratio_clip
        self.rows, self.advantage = rows, advantage
        self.action, self.old_log_prob = replay.action.flatten(0, 1), replay.log_prob.flatten()
        self._clipped: list[Tensor] = []

    def __call__(self, index: Tensor, mean: Tensor) -> Tensor:
        rows, advantage = self.rows[index], self.advantage[index]
        log_prob = self.policy.log_prob(self.action.index_select(0, rows), mean)
        ratio = (log_prob - self.old_log_prob[rows]).clamp(max=_MAX_LOG_RATIO).exp()
        bounded = ratio.clamp(1.0 - self.clip, 1.0 + self.clip)
        self._clipped.append(((ratio - bounded).detach() * advantage > 0.0).float().mean())
        return -torch.minimum(ratio * advantage, bounded * advantage).mean()

    def clipped_share(self) -> float:
        """Share of samples whose gradient the clip removed."""
        return float(torch.stack(self._clipped).mean()) if self._clipped else 0.0
