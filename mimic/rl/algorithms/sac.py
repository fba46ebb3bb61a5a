"""Soft actor-critic (Haarnoja et al. 2018) of stable-baselines3: maximum entropy, two critics, and a temperature that is learned."""

from dataclasses import dataclass
from typing import ClassVar

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.baseline import OffPolicyConfig
from mimic.rl.policy import PolicyConfig


@ALGORITHMS.register("sac")
@dataclass(frozen=True)
class SACConfig(OffPolicyConfig):
    """Settings of SAC."""

    package: ClassVar[str] = "stable_baselines3"
    class_name: ClassVar[str] = "SAC"
    networks: ClassVar[PolicyConfig] = PolicyConfig((256, 256), (256, 256), obs_clip=0.0, squash=True)

    actor_lr: float = 3e-4
