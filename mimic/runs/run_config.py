"""The configuration of a run, as ``config.json`` holds it: task, algorithm, engine and other settings.

An older ``config.json``, which held a clip's name and a whole preset, can be read too.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core.errors import CheckpointError, ConfigError, InputError
from mimic.core.files import read_file
from mimic.core.strict_config import build, to_dict
from mimic.rl.algorithm import AlgorithmConfig, adopt, algorithm_from
from mimic.rl.policy import PolicyConfig
from mimic.rl.trainer import TrainerConfig
from mimic.runs.controller import CONFIG_FILE, MAX_CONFIG
from mimic.runs.preset import Preset, load_preset
from mimic.runs.task import Task
from mimic.runs.tasks import TASKS
from mimic.runs.warm_start import InitialController
from mimic.sim import DeviceName
from mimic.tracking import EnvConfig
from mocap.catalogue import names_in
from mocap.clip_library import LibraryClip


@dataclass(frozen=True)
class RunConfig:
    """Everything that shapes a run.

    Attributes:
        task: the task to learn.
        algorithm: the learning algorithm and its settings.
        seed: seed of networks, start states and exploration.
        num_envs: number of environments that are simulated together.
        policy: settings of the networks.
        trainer: when to evaluate and to save.
        engine: name of the simulator.
        device: device of the learner, and of the simulation if the engine runs on it.
        init_from: the controller from whose policy the run starts; None: from random networks.
        learn_threads: threads of an update; 0: chosen for the machine on which the run begins, and then saved.
        data: files of recorded episodes.
    """

    task: Task
    algorithm: AlgorithmConfig
    seed: int
    num_envs: int
    policy: PolicyConfig
    trainer: TrainerConfig
    engine: str = "mujoco"
    device: DeviceName = "cpu"
    init_from: InitialController | None = None
    learn_threads: int = 0
    data: tuple[str, ...] = ()


def run_of(task: Task, preset: Preset, algorithm: str = "awr", seed: int = 0, **where: Any) -> RunConfig:
    """Return the run of a task with the settings of a preset; ``where`` holds other fields of `RunConfig`.

    Raises InputError if there is no such algorithm.
    """
    settings = preset.algorithm(algorithm)
    return RunConfig(task, settings, seed, preset.num_envs, preset.policy, preset.trainer, **where)


def tracking_run(clip: str, preset: Preset, algorithm: str = "awr", seed: int = 0, **where: Any) -> RunConfig:
    """Return the run of one clip, or of several clips ``a+b``, with the settings of a preset.

    ``where`` holds other fields of `RunConfig`. Raises InputError if there is no such algorithm.
    """
    task = TASKS.get("tracking")(names_in(clip), preset.env)  # type: ignore[call-arg]
    return run_of(task, preset, algorithm, seed, **where)


def library_run(
    clips: Sequence[LibraryClip], preset: Preset, algorithm: str = "awr", seed: int = 0, **where: Any
) -> RunConfig:
    """Return the run of a library of clips; arguments as of `tracking_run`.

    A preset by which clips follow one another gets the observation of the preset ``library``, and an episode keeps its clip.
    """
    env: EnvConfig = preset.env
    if env.change_clips and len(clips) > 1:
        env = dataclasses.replace(env, observation=load_preset("library").env.observation, change_clips=False)
    weights = tuple(one.weight for one in clips)
    equal = len(set(weights)) == 1
    task = TASKS.get("tracking")(tuple(one.name for one in clips), env, () if equal else weights)  # type: ignore[call-arg]
    return run_of(task, preset, algorithm, seed, **where)


def run_to_dict(run: RunConfig) -> dict[str, Any]:
    """Convert a run to the content of ``config.json``; `run_from` reads the result back."""
    data: dict[str, Any] = to_dict(run)
    algorithm = {"type": data["algorithm"].pop("name"), **data["algorithm"]}
    return data | {
        "task": {"type": run.task.name, **data["task"]},
        "algorithm": algorithm,
        "engine": {"type": run.engine},
    }


def run_from(data: Any, where: str) -> RunConfig:
    """Read the content of ``config.json``. Raises ConfigError or InputError; the message begins with ``where``."""
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where}: expected an object with the keys task, algorithm and engine, found {type(data).__name__}"
        )
    data = _upgraded(data, where) if "preset" in data else data
    task, algorithm, engine = (_typed(data.get(key), f"{where}.{key}") for key in ("task", "algorithm", "engine"))
    plain = {key: value for key, value in data.items() if key not in ("task", "algorithm", "engine")}
    rest = build(_Plain, plain, where)
    return RunConfig(
        build(TASKS.get(task.pop("type")), task, f"{where}.task"),
        algorithm_from(algorithm.pop("type"), algorithm, f"{where}.algorithm"),
        engine=str(engine["type"]),
        **{field.name: getattr(rest, field.name) for field in dataclasses.fields(rest)},
    )


def read_run(out: Path) -> RunConfig:
    """Read the configuration of the run in folder ``out``.

    Raises InputError if there is no run, CheckpointError if its configuration is damaged.
    """
    path = out / CONFIG_FILE
    if not path.exists():
        raise InputError(f"{out}: is not the folder of a run; `train` without --resume begins one")
    try:
        data = json.loads(read_file(path, MAX_CONFIG, CheckpointError))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a run that can be resumed ({error})") from None
    return run_from(data, str(path))


@dataclass(frozen=True)
class _Plain:
    """The fields of `RunConfig` whose classes are fixed, unlike those of task, algorithm and engine."""

    seed: int
    num_envs: int
    policy: PolicyConfig
    trainer: TrainerConfig
    device: DeviceName = "cpu"
    init_from: InitialController | None = None
    learn_threads: int = 0
    data: tuple[str, ...] = ()


def _typed(section: Any, where: str) -> dict[str, Any]:
    """Return a copy of a section that has the key 'type'. Raises ConfigError naming ``where`` for any other value."""
    if not isinstance(section, dict) or not isinstance(section.get("type"), str):
        raise ConfigError(f"{where}: expected an object with a 'type', found {section!r}")
    return dict(section)


def _upgraded(data: dict[str, Any], where: str) -> dict[str, Any]:
    """Convert an older ``config.json``, {clip, algorithm, preset: {awr, ppo, ...}, ...}, to today's form."""
    try:
        preset, name = dict(data["preset"]), data["algorithm"]
        sections = {key: _without_weight_mode(preset.pop(key)) for key in ("awr", "ppo")}
        section = sections["ppo" if name == "ppo" else "awr"]
        if name == "rwr":
            section = to_dict(adopt("rwr", algorithm_from("awr", section, f"{where}.preset.awr")))
            del section["name"]
        clips, env = names_in(data["clip"]), preset.pop("env")
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{where}: the configuration of an earlier version is incomplete ({error!r})") from None
    rest = {
        key: value for key, value in data.items() if key not in ("clip", "algorithm", "preset", "engine", "beginning")
    }
    return {
        **rest,
        **preset,
        "task": {"type": "tracking", "clips": list(clips), "env": env},
        "algorithm": {"type": name, **section},
        "engine": {"type": data.get("engine", "mujoco")},
        "init_from": data.get("beginning"),
    }


def _without_weight_mode(section: Any) -> Any:
    """Return an algorithm's settings without ``weight_mode``, by which an earlier version distinguished RWR from AWR."""
    update = {key: value for key, value in section["update"].items() if key != "weight_mode"}
    return {**section, "update": update}
