"""Deep deterministic policy gradient (Lillicrap et al. 2016) of stable-baselines3."""

from dataclasses import dataclass
from typing import ClassVar

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.baseline import NoisyConfig
from mimic.rl.policy import PolicyConfig


@ALGORITHMS.register("ddpg")
@dataclass(frozen=True)
class DDPGConfig(NoisyConfig):
    """Settings of DDPG."""

    package: ClassVar[str] = "stable_baselines3"
    class_name: ClassVar[str] = "DDPG"
    networks: ClassVar[PolicyConfig] = PolicyConfig((400, 300), (400, 300), obs_clip=0.0, squash=True)
