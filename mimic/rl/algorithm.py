"""An algorithm with its settings, and the learner that they make for an environment."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from mimic.core.errors import ConfigError, nearest
from mimic.core.strict_config import build
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, LearnerConfig, Networks
from mimic.rl.policy import Critic, Policy, PolicyConfig
from mimic.rl.rollout import RolloutConfig
from mimic.rl.seeds import generator
from mimic.rl.vec_env import VecEnv, choices_of

_SECTIONS = ("rollout", "update")


@dataclass(frozen=True)
class AlgorithmConfig:
    """The settings of an algorithm: how it collects experience, and how it learns.

    Attributes:
        name: in `ALGORITHMS`.
        rollout: how much it collects between updates, and how it explores.
        update: its own settings, of the class that is registered under ``name``.
    """

    name: str
    rollout: RolloutConfig
    update: LearnerConfig

    def __post_init__(self) -> None:
        expected = ALGORITHMS.get(self.name)
        if type(self.update) is not expected:
            raise ValueError(f"{self.name} has settings of {expected.__name__}, not {type(self.update).__name__}")


def algorithm_from(name: str, section: Any, where: str) -> AlgorithmConfig:
    """Read ``{rollout: {...}, update: {...}}``; a missing part has its defaults.

    Raises:
        InputError: no algorithm has that name.
        ConfigError: a key or value is wrong; the message begins with ``where``.
    """
    update = ALGORITHMS.get(name)
    if not isinstance(section, dict):
        raise ConfigError(f"{where}: expected the sections {' and '.join(_SECTIONS)}, found {section!r}")
    for key in section:
        if key not in _SECTIONS:
            raise ConfigError(f"{where}: unknown key '{key}'; {nearest(str(key), _SECTIONS)}")
    rollout = build(RolloutConfig, section.get("rollout") or {}, f"{where}.rollout")
    return AlgorithmConfig(name, rollout, build(update, section.get("update") or {}, f"{where}.update"))


def adopt(name: str, other: AlgorithmConfig) -> AlgorithmConfig:
    """The algorithm ``name`` with the settings of ``other``.

    It takes the rollout, and every update setting that both algorithms have and that ``name`` does not list in ``keeps``.
    """
    update = ALGORITHMS.get(name)
    shared = {f.name for f in dataclasses.fields(update)} & {f.name for f in dataclasses.fields(other.update)}
    values = {field: getattr(other.update, field) for field in shared - set(update.keeps)}
    return AlgorithmConfig(name, other.rollout, update(**values))


def make_learner(
    env: VecEnv,
    policy: PolicyConfig,
    update: LearnerConfig,
    seed: int,
    distributed: DistributedContext = SINGLE_PROCESS,
    device: torch.device | str | None = None,
) -> Learner:
    """A learner with fresh networks of the environment's sizes.

    Args:
        env: gives the sizes and the bounds of actions.
        policy: sizes of the networks.
        update: settings of the algorithm; its class says which algorithm it is.
        seed: of the networks' first values and of the order of minibatches.
        distributed: the processes that train together.
        device: of the networks; None means that of ``env``.
    """
    device = env.device if device is None else torch.device(device)
    low, high = env.action_low.to(device), env.action_high.to(device)
    initial = generator(seed, "networks")
    sizes = env.obs_dim, env.act_dim, policy
    actor = Policy(*sizes, initial, env.obs_passthrough_mask, choices_of(env)).to(device)
    critic = Critic(env.obs_dim, policy, update.gamma, initial).to(device)
    order = generator(seed, "minibatches", device)
    return update.create(Networks(actor, critic, low, high), order, distributed)
