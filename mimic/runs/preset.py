"""Presets: every number of a training run in one YAML file, checked key by key.

A file that begins with ``base: NAME`` says only what differs from that preset; weight 0 takes a term out of its reward.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from mimic.core.errors import ConfigError, nearest
from mimic.core.strict_config import build, read_yaml, replace
from mimic.rl.algorithms.awr import AWRConfig
from mimic.rl.algorithms.ppo import PPOConfig
from mimic.rl.policy import PolicyConfig
from mimic.rl.rollout import RolloutConfig
from mimic.rl.trainer import TrainerConfig
from mimic.tracking.config import EnvConfig

_PRESETS = Path(__file__).parents[1] / "presets"

AlgorithmName = Literal["awr", "ppo", "rwr"]
ALGORITHMS: tuple[str, ...] = get_args(AlgorithmName)


@dataclass(frozen=True)
class AWRPreset:
    """Rollout and update settings of AWR."""

    rollout: RolloutConfig
    update: AWRConfig


@dataclass(frozen=True)
class PPOPreset:
    """Rollout and update settings of PPO."""

    rollout: RolloutConfig
    update: PPOConfig


@dataclass(frozen=True)
class Preset:
    """A whole training run: task, networks, algorithm, schedule."""

    num_envs: int
    env: EnvConfig
    policy: PolicyConfig
    awr: AWRPreset
    ppo: PPOPreset
    trainer: TrainerConfig = field(default_factory=TrainerConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.num_envs <= 1_000_000:
            raise ValueError("num_envs must be at least 1, and at most a million")

    def algorithm(self, name: AlgorithmName) -> AWRPreset | PPOPreset:
        """The rollout and update settings of one algorithm; RWR is AWR with weights from the return alone.

        Raises ConfigError for another name.
        """
        if name == "rwr":
            return dataclasses.replace(self.awr, update=dataclasses.replace(self.awr.update, weight_mode="rwr"))
        if name not in ALGORITHMS:
            raise ConfigError(f"no algorithm '{name}'; {nearest(name, ALGORITHMS)}")
        return self.awr if name == "awr" else self.ppo


def preset_names() -> list[str]:
    """Names of the presets that ship."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def load_preset(name: str, settings: tuple[str, ...] = ()) -> Preset:
    """A preset that ships, by name, or any by its path, with ``key=value`` settings applied.

    Raises:
        ConfigError: no such preset, unknown key or wrong value; the message names the nearest valid ones.
    """
    data, names = _read(_path_of(name, Path()))
    try:
        preset = build(Preset, data, names)
    except ConfigError as error:
        alone = name not in preset_names() and " on " not in names
        hint = (
            "; a file that says only what differs begins with base: fast" if alone and "missing" in str(error) else ""
        )
        raise ConfigError(f"{error}{hint}") from None
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not value.strip():
            raise ConfigError(f"--set {setting}: write key=value, as in --set awr.update.temperature=2")
        preset = replace(preset, key.strip(), value.strip())
    return preset


def check_settings(settings: Sequence[str], algorithm: AlgorithmName) -> None:
    """Raise ConfigError for a setting of an algorithm that does not run: it would change nothing, unnoticed."""
    mine, other = ("ppo", "awr") if algorithm == "ppo" else ("awr", "ppo")
    for setting in settings:
        if setting.strip().startswith(f"{other}."):
            raise ConfigError(
                f"--set {setting}: this run learns by {algorithm}, whose settings are {mine}.*; for the others add --algorithm {other}"
            )


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[Any, str]:
    """What the file of a preset holds on top of its base, and the names of both for an error."""
    if path.resolve() in above:
        raise ConfigError(f"{path.name}: is its own base")
    data = read_yaml(path)
    if not isinstance(data, dict) or "base" not in data:
        return data, path.name
    base = data.pop("base")
    if not isinstance(base, str):
        raise ConfigError(f"{path.name}: base is the name of a preset or of a YAML file, not {base!r}")
    below, names = _read(_path_of(base, path.parent, f"{path.name}: base: "), (*above, path.resolve()))
    return _merged(below, data), f"{path.name} on {names}"


def _path_of(name: str, folder: Path, where: str = "") -> Path:
    """The file of a preset that ships, or any beside ``folder``."""
    own = name.endswith((".yaml", ".yml"))
    path = folder / name if own else _PRESETS / f"{name}.yaml"
    if own and not path.is_file():
        raise ConfigError(f"{where}there is no file '{path}'; presets that ship: {', '.join(preset_names())}")
    if not path.is_file():
        raise ConfigError(f"{where}no preset '{name}'; {nearest(name, preset_names())}")
    return path


def _merged(base: Any, changes: Any) -> Any:
    """``changes`` over ``base``, key by key; a section that is left empty changes nothing."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return base if changes is None and isinstance(base, dict) else changes
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}
