"""Trust region policy optimisation (Schulman et al. 2015) of sb3-contrib: a natural-gradient step under a limit of the KL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.baseline import ON_POLICY_NETWORKS, BaselineConfig
from mimic.rl.policy import PolicyConfig


@ALGORITHMS.register("trpo")
@dataclass(frozen=True)
class TRPOConfig(BaselineConfig):
    """Settings of TRPO; ``actor_lr`` and ``actor_batch`` are of the critic's fit alone, ``td_lambda`` is GAE's lambda."""

    package: ClassVar[str] = "sb3_contrib"
    class_name: ClassVar[str] = "TRPO"
    on_policy: ClassVar[bool] = True
    networks: ClassVar[PolicyConfig] = ON_POLICY_NETWORKS
    arguments: ClassVar[Mapping[str, str]] = {
        "gamma": "gamma",
        "td_lambda": "gae_lambda",
        "actor_lr": "learning_rate",
        "actor_batch": "batch_size",
        "target_kl": "target_kl",
    }

    td_lambda: float = 0.95
    actor_lr: float = 1e-3
    actor_batch: int = 128
    target_kl: float = 0.01
