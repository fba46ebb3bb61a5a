"""Learners of stable-baselines3 and sb3-contrib (Raffin et al. 2021), for comparison with ours.

The library collects and learns; the run is ours: its environment, evaluation, log, checkpoints and signals. After each
iteration the actor of the library is copied into a `Policy`, so that a checkpoint of a baseline is a controller like any other.
"""

import dataclasses
import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mimic.core.errors import InputError
from mimic.core.packages import require_package
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, LearnerConfig, Networks
from mimic.rl.optim import LearnerDiverged
from mimic.rl.policy import Policy, PolicyConfig
from mimic.rl.rollout import EpisodeTracker
from mimic.rl.vec_env import VecEnv

ON_POLICY_NETWORKS = PolicyConfig((64, 64), (64, 64), obs_clip=10.0, obs_std_floor=1e-4, activation="tanh")
_INHERITED = ("gamma",)  # a property of the task, and so the same as for our algorithms


@dataclass(frozen=True)
class BaselineConfig(LearnerConfig):
    """Settings of a baseline; the defaults are the library's.

    Attributes:
        package: the package that has the algorithm.
        class_name: the algorithm's class in that package.
        arguments: name of our setting -> the library's name, for each setting that the algorithm has.
        networks: sizes and activation of the library's default actor.
        on_policy: whether the algorithm learns from its newest experience alone.
    """

    inherits = "ppo"
    keeps = tuple(field.name for field in dataclasses.fields(LearnerConfig) if field.name not in _INHERITED)
    package: ClassVar[str]
    class_name: ClassVar[str]
    arguments: ClassVar[Mapping[str, str]]
    networks: ClassVar[PolicyConfig]
    on_policy: ClassVar[bool]

    gamma: float = 0.99
    target_kl: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in dataclasses.fields(LearnerConfig):
            own = type(self).__dataclass_fields__[field.name]
            if field.name not in self.arguments and getattr(self, field.name) != own.default:
                raise ValueError(
                    f"{field.name} is no setting of {self.class_name}; its settings are {', '.join(self._settings())}"
                )

    def _settings(self) -> list[str]:
        common = {field.name for field in dataclasses.fields(LearnerConfig)}
        return [*self.arguments, *(field.name for field in dataclasses.fields(self) if field.name not in common)]

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `Baseline`. Raises InputError if the library is not installed."""
        require_package(self.package, "baselines")
        if distributed.world_size > 1:
            raise InputError(f"{self.class_name} of {self.package} trains in one process; leave out torchrun")
        return Baseline(self, networks, generator, distributed)

    def extra_arguments(self, act_dim: int) -> dict[str, Any]:
        """Further arguments of the library's constructor."""
        return {}


@dataclass(frozen=True)
class OffPolicyConfig(BaselineConfig):
    """Settings of a baseline that learns from a replay; one minibatch a sample, as in the library."""

    on_policy: ClassVar[bool] = False
    arguments: ClassVar[Mapping[str, str]] = {
        "gamma": "gamma",
        "actor_lr": "learning_rate",
        "actor_batch": "batch_size",
    }

    actor_batch: int = 256
    actor_lr: float = 1e-3
    replay_size: int = 1_000_000  # transitions
    random_samples: int = 10_000  # before the first update, with uniform actions

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replay_size < 1 or self.random_samples < 0:
            raise ValueError("replay_size must be at least 1 and random_samples not negative")

    def extra_arguments(self, act_dim: int) -> dict[str, Any]:
        """Size of the replay, and as many minibatches as samples."""
        return {"buffer_size": self.replay_size, "learning_starts": self.random_samples, "gradient_steps": -1}


@dataclass(frozen=True)
class NoisyConfig(OffPolicyConfig):
    """Settings of a baseline whose policy is deterministic and explores by Gaussian noise."""

    noise: float = 0.1  # standard deviation [normalised action units]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise < 0.0:
            raise ValueError("noise must not be negative")

    def extra_arguments(self, act_dim: int) -> dict[str, Any]:
        """Those of every off-policy algorithm, and the noise."""
        import numpy as np
        from stable_baselines3.common.noise import NormalActionNoise

        noise = NormalActionNoise(np.zeros(act_dim), np.full(act_dim, self.noise))
        return super().extra_arguments(act_dim) | {"action_noise": noise}


class Baseline(Learner):
    """The learner of a `BaselineConfig`. It trains in `begin`'s environment; ``policy`` mirrors the library's actor."""

    config: BaselineConfig

    def __init__(
        self,
        config: BaselineConfig,
        networks: Networks,
        generator: torch.Generator,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        theirs = networks.policy
        policy = Policy(theirs.obs_dim, theirs.act_dim, config.networks, choices=theirs.choices).to(theirs.std.device)
        super().__init__(config, dataclasses.replace(networks, policy=policy), generator, distributed)

    def begin(self, env: VecEnv, steps: int, seed: int, tracker: EpisodeTracker) -> None:
        """Make the library's model. ``steps``: control steps an iteration, in each environment."""
        from stable_baselines3.common.logger import Logger

        from mimic.rl.baseline_env import LibraryEnv, normalized

        config = self.config
        own = LibraryEnv(env, tracker)
        self._env = normalized(own, config.gamma) if config.on_policy else own
        named = {theirs: getattr(config, ours) or None for ours, theirs in config.arguments.items()}
        extra = config.extra_arguments(env.act_dim) | ({"n_steps": steps} if config.on_policy else {})
        kind = getattr(importlib.import_module(config.package), config.class_name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # about minibatches that do not divide an iteration
                self.model: Any = kind("MlpPolicy", self._env, seed=seed, device=self.device, **named, **extra)
        except AssertionError:  # the library's only word on action spaces
            raise InputError(f"{config.class_name} needs continuous actions; choose ppo, trpo or awr") from None
        self.model.set_logger(Logger(None, []))
        self._mirror()

    def learn(self, samples: int) -> None:
        """Collect ``samples`` transitions and learn from them. Raises LearnerDiverged."""
        try:
            self.model.learn(samples, reset_num_timesteps=False)
        except ValueError as error:  # the library's word for a policy that is not finite
            raise LearnerDiverged(f"{self.config.class_name}: {str(error).splitlines()[0]}") from None
        self._mirror()

    @torch.no_grad()
    def _mirror(self) -> None:
        """Copy the library's actor and normaliser into ``policy``."""
        ours = [layer for layer in self.policy.net if isinstance(layer, nn.Linear)]
        for mine, its in zip(ours, self._actor_layers(), strict=True):
            mine.load_state_dict(its.state_dict())
        if not self.config.on_policy:
            return
        if not self.policy.choices:
            self.policy.set_std(self.model.policy.log_std.exp())
        moments, normalizer = self._env.obs_rms, self.policy.normalizer
        for tensor in (normalizer.count, normalizer.mean, normalizer.m2):
            tensor.zero_()
        count, mean, variance = float(moments.count), torch.as_tensor(moments.mean), torch.as_tensor(moments.var)
        normalizer.merge(count, mean, count * variance)

    def _actor_layers(self) -> list[nn.Linear]:
        model = self.model
        if self.config.on_policy:
            parts: Sequence[Any] = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
        elif hasattr(model.actor, "latent_pi"):
            parts = [*model.actor.latent_pi, model.actor.mu]
        else:
            parts = list(model.actor.mu)
        return [part for part in parts if isinstance(part, nn.Linear)]

    def state_tensors(self) -> dict[str, dict[str, Tensor]]:
        """The mirrored policy, and the library's networks, optimisers, replay and normaliser."""
        from mimic.rl.baseline_state import env_tensors, model_tensors

        return {
            "policy": dict(self.policy.state_dict()),
            "model": model_tensors(self.model),
            "library_env": env_tensors(self._env),
        }

    def load_state_tensors(self, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from ``state_tensors``; episodes and random numbers begin anew."""
        from mimic.rl.baseline_state import load_env, load_model

        load_model(self.model, groups["model"])
        load_env(self._env, groups["library_env"])
        if not self.policy.choices:
            self.policy.set_std(groups["policy"]["std"])
        self._mirror()
