"""Presets: every number of a training run in one YAML file, checked key by key.

A file that begins with ``base: NAME`` holds only its differences from that preset; weight 0 removes a reward term.

A preset is for one kind of task (``task``, by default ``tracking``); the section ``env`` holds the settings of the task.
The section ``algorithms`` holds the settings of each algorithm by name. Presets and ``--set`` may also name an algorithm
at the top level, as in ``awr: {update: {...}}`` and ``--set awr.update.temperature=2``.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mimic.core.errors import ConfigError, nearest
from mimic.core.strict_config import build, read_yaml, replace
from mimic.rl.algorithm import AlgorithmConfig, adopt, algorithm_from
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.policy import PolicyConfig
from mimic.rl.trainer import TrainerConfig
from mimic.runs.tasks import TASKS

_PRESETS = Path(__file__).parents[1] / "presets"


@dataclass(frozen=True)
class Preset:
    """A training run without its clip, its seed and its engine.

    Attributes:
        num_envs: number of environments that are simulated together.
        env: settings of the task, an instance of the task's class ``settings``.
        policy: settings of the networks.
        algorithms: settings of the algorithms by name; `algorithm` also finds inherited settings.
        trainer: when to evaluate and to save.
        task: the kind of task, a name in `TASKS`.
    """

    num_envs: int
    env: Any
    policy: PolicyConfig
    algorithms: dict[str, AlgorithmConfig]
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    task: str = "tracking"

    def __post_init__(self) -> None:
        if not 1 <= self.num_envs <= 1_000_000:
            raise ValueError(f"num_envs must be from 1 to 1,000,000, found {self.num_envs}")

    def algorithm(self, name: str) -> AlgorithmConfig:
        """Return the settings of the algorithm ``name``.

        These are its settings in the preset, else those of the algorithm from which it inherits, else its defaults.
        Raises InputError if there is no such algorithm.
        """
        if name in self.algorithms:
            return self.algorithms[name]
        inherits = ALGORITHMS.get(name).inherits
        return adopt(name, self.algorithm(inherits)) if inherits else algorithm_from(name, {}, name)


def preset_names() -> list[str]:
    """Return the names of the presets in ``mimic/presets``, sorted."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def load_preset(name: str, settings: tuple[str, ...] = ()) -> Preset:
    """Load a preset that ships by its name, or another by the path of its file, and apply ``key=value`` settings.

    Raises:
        ConfigError: no such preset, an unknown key or a wrong value; the message names the nearest valid ones.
    """
    data, names = _read(_path_of(name, Path()))
    try:
        preset = preset_from(data, names)
    except ConfigError as error:
        alone = name not in preset_names() and " on " not in names
        hint = "; a file that holds only differences begins with base: fast"
        raise ConfigError(f"{error}{hint if alone and 'missing' in str(error) else ''}") from None
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not value.strip():
            raise ConfigError(f"--set {setting}: write key=value, as in --set awr.update.temperature=2")
        preset = _changed(preset, key.strip(), value.strip())
    return preset


def preset_from(data: Any, where: str) -> Preset:
    """Check a preset that was read from a file. Raises ConfigError; the message begins with ``where``."""
    read = build(_Sections, data, where)
    algorithms = {
        name: algorithm_from(name, section, f"{where}.algorithms.{name}") for name, section in read.algorithms.items()
    }
    env = build(TASKS.get(read.task).settings, read.env, f"{where}.env")
    try:
        return Preset(read.num_envs, env, read.policy, algorithms, read.trainer, read.task)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def check_settings(settings: Sequence[str], algorithm: str) -> None:
    """Raise ConfigError for a setting of an algorithm that the run does not use, because it would have no effect."""
    mine = _lineage(algorithm)
    for setting in settings:
        head = setting.strip().removeprefix("algorithms.").partition(".")[0]
        if head in ALGORITHMS and head not in mine:
            raise ConfigError(
                f"--set {setting}: this run learns by {algorithm}, whose settings are {mine[-1]}.*; add --algorithm {head}"
            )


@dataclass(frozen=True)
class _Sections:
    """The content of a preset's file, in which the sections of task and algorithms are not yet checked."""

    num_envs: int
    env: Any
    policy: PolicyConfig
    algorithms: dict[str, Any]
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    task: str = "tracking"


def _lineage(algorithm: str) -> list[str]:
    """Return the algorithm's name, that of the algorithm from which it inherits settings, and so on."""
    names = [algorithm]
    while inherits := ALGORITHMS.get(names[-1]).inherits:
        names.append(inherits)
    return names


def _changed(preset: Preset, key: str, value: str) -> Preset:
    """Return the preset with one value changed. The key of an algorithm's setting may leave out ``algorithms.``."""
    head = key.removeprefix("algorithms.").partition(".")[0]
    if head not in ALGORITHMS:
        return replace(preset, key, value)
    if head not in preset.algorithms:
        preset = dataclasses.replace(preset, algorithms=preset.algorithms | {head: preset.algorithm(head)})
    return replace(preset, f"algorithms.{key.removeprefix('algorithms.')}", value)


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[Any, str]:
    """Read a preset's file and merge it with its base; return the content, and the names of the files for errors."""
    if path.resolve() in above:
        raise ConfigError(f"{path.name}: the preset is its own base; 'base' must name another preset")
    data: Any = read_yaml(path)
    if not isinstance(data, dict):
        return data, path.name
    base = data.pop("base", None)
    data = with_algorithms(data)
    if base is None:
        return data, path.name
    if not isinstance(base, str):
        raise ConfigError(f"{path.name}: 'base' must be the name of a preset or of a YAML file, found {base!r}")
    below, names = _read(_path_of(base, path.parent, f"{path.name}: base: "), (*above, path.resolve()))
    return _merged(below, data), f"{path.name} on {names}"


def with_algorithms(data: dict[str, Any]) -> dict[str, Any]:
    """Move the sections of algorithms from the top level of a preset's content into its section ``algorithms``."""
    loose = {name: section for name, section in data.items() if name in ALGORITHMS}
    if not loose:
        return data
    rest = {name: section for name, section in data.items() if name not in loose}
    return rest | {"algorithms": _merged(rest.get("algorithms") or {}, loose)}


def _path_of(name: str, folder: Path, where: str = "") -> Path:
    """Return the path of a preset's file: a YAML file relative to ``folder``, or a preset that ships, by its name."""
    own = name.endswith((".yaml", ".yml"))
    path = folder / name if own else _PRESETS / f"{name}.yaml"
    if own and not path.is_file():
        raise ConfigError(f"{where}there is no file '{path}'; presets that ship: {', '.join(preset_names())}")
    if not path.is_file():
        raise ConfigError(f"{where}no preset '{name}'; {nearest(name, preset_names())}")
    return path


def _merged(base: Any, changes: Any) -> Any:
    """Return ``base`` with the values of ``changes``, key by key; an empty section of ``changes`` changes nothing."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return base if changes is None and isinstance(base, dict) else changes
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}
