"""Proximal policy optimisation (Schulman et al. 2017) of stable-baselines3: a check on ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.baseline import ON_POLICY_NETWORKS, BaselineConfig
from mimic.rl.policy import PolicyConfig


@ALGORITHMS.register("sb3-ppo")
@dataclass(frozen=True)
class LibraryPPOConfig(BaselineConfig):
    """Settings of the library's PPO; ``td_lambda`` is GAE's lambda, and one optimiser trains actor and critic."""

    package: ClassVar[str] = "stable_baselines3"
    class_name: ClassVar[str] = "PPO"
    on_policy: ClassVar[bool] = True
    networks: ClassVar[PolicyConfig] = ON_POLICY_NETWORKS
    arguments: ClassVar[Mapping[str, str]] = {
        "gamma": "gamma",
        "td_lambda": "gae_lambda",
        "actor_lr": "learning_rate",
        "actor_batch": "batch_size",
        "actor_passes": "n_epochs",
        "max_grad_norm": "max_grad_norm",
        "target_kl": "target_kl",
    }

    td_lambda: float = 0.95
    actor_lr: float = 3e-4
    actor_batch: int = 64
    actor_passes: int = 10
    max_grad_norm: float = 0.5
