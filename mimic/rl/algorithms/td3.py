"""Twin delayed deep deterministic policy gradient (Fujimoto et al. 2018) of stable-baselines3."""

from dataclasses import dataclass
from typing import ClassVar

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.baseline import NoisyConfig
from mimic.rl.policy import PolicyConfig


@ALGORITHMS.register("td3")
@dataclass(frozen=True)
class TD3Config(NoisyConfig):
    """Settings of TD3."""

    package: ClassVar[str] = "stable_baselines3"
    class_name: ClassVar[str] = "TD3"
    networks: ClassVar[PolicyConfig] = PolicyConfig((400, 300), (400, 300), obs_clip=0.0, squash=True)
