"""Evidence about a run: its log, its settings, some episodes of its newest policy, and a check of its clip.

A run folder may come from an unknown source, so its content is not trusted. Log entries that are not finite numbers are
ignored, settings are checked key by key, and every byte of a checkpoint is verified.
"""

import math
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from characters import Character, load_character
from mimic.analysis.clip_check import ClipCheck, check_clip, worst
from mimic.analysis.falls import FallMetric, Falls
from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, InputError
from mimic.core.strict_config import to_dict
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.report import EvaluationReport
from mimic.rl.metrics_log import METRICS_FILE, read_rows
from mimic.rl.trainer import CHECKPOINTS
from mimic.runs.controller import CONFIG_FILE, load_controller
from mimic.runs.preset import load_preset
from mimic.runs.run_config import RunConfig, read_run, run_of
from mimic.tracking import preprocess_motion, rules_of
from mocap.catalogue import load_clips

TRIAL_S = 10.0
_TRIAL_SEED = 777
_MIN_ROWS = 5


@dataclass(frozen=True)
class Trial:
    """Episodes of the newest policy without noise and training aids; ``falls`` is None if no episode falls."""

    checkpoint: Path
    report: EvaluationReport
    falls: Falls | None


@dataclass(frozen=True, kw_only=True)
class RunEvidence:
    """Evidence about a run of any task: input of the rules about learning.

    Attributes:
        run: folder of the run.
        config: its settings.
        rows: numbers of its log, one dictionary per iteration.
        notes: parts of the evidence that are missing, and why.
    """

    run: Path
    config: RunConfig
    rows: list[dict[str, float]]
    notes: list[str] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Number of samples that the run has collected."""
        return int(self.rows[-1].get("samples", 0)) if self.rows else 0

    def values(self, key: str) -> list[float]:
        """Return all entries of one column of the log, in order."""
        return [row[key] for row in self.rows if key in row]

    def recent(self, key: str) -> float | None:
        """Return the median of the last tenth (at least 5) of a column's entries; None if there are fewer than 5."""
        values = self.values(key)
        return None if len(values) < _MIN_ROWS else statistics.median(values[-max(_MIN_ROWS, len(values) // 10) :])

    @property
    def section(self) -> str:
        """The prefix of the algorithm's settings for ``--set``, which is its name, such as "awr"."""
        return self.config.algorithm.name

    @property
    def update(self) -> Any:
        """The algorithm's update settings."""
        return self.config.algorithm.update

    @property
    def rollout(self) -> Any:
        """The algorithm's rollout settings."""
        return self.config.algorithm.rollout

    def usual(self, key: str) -> Any:
        """Return an algorithm setting's value, such as ``update.gamma``, in the preset `usual_preset`; None if it has none."""
        found: Any = load_preset(usual_preset(self.config)).algorithm(self.config.algorithm.name)
        for part in key.split("."):
            found = getattr(found, part, None)
        return found


@dataclass(frozen=True, kw_only=True)
class Evidence(RunEvidence):
    """Evidence about a run of a clip.

    Attributes:
        character: the run's character.
        clip: check of its clips; of several, the most demanding one in each respect.
        trial: episodes of its newest policy; None if there is no policy.
    """

    character: Character
    clip: ClipCheck
    trial: Trial | None = None


def gather(run: Path, episodes: int = 64, threads: int = 0) -> Evidence:
    """Read the folder of a run of a clip and evaluate its newest policy. Raises InputError or CheckpointError."""
    config = config_of(run)
    motions, env_config = load_clips(config.task.title), config.task.env
    character = load_character(motions[0].character)
    asked = tuple(preprocess_motion(motion, character, env_config) for motion in motions)
    task, height = rules_of(asked, character), env_config.termination.contact_height
    clip = worst([check_clip(m, character, task, height, a) for m, a in zip(motions, asked, strict=True)])
    rows, notes = read_log(run)
    trial = None
    try:
        trial = _trial(run, config, episodes, threads)
    except CheckpointError as error:
        notes.append(f"no policy to evaluate ({error})")
    return Evidence(run=run, config=config, character=character, rows=rows, clip=clip, trial=trial, notes=notes)


def config_of(run: Path) -> RunConfig:
    """Read the settings of the run in folder ``run``. Raises InputError or CheckpointError if it is not a run."""
    if not (run / CONFIG_FILE).is_file():
        raise InputError(f"{run}: not a run folder; give one that `train` has written (it holds {CONFIG_FILE})")
    return read_run(run)


def read_log(run: Path) -> tuple[list[dict[str, float]], list[str]]:
    """Read the numbers of a run's log, one dictionary per row; also return a list of notes if there are none."""
    rows = [_numbers(row) for row in read_rows(run / METRICS_FILE)]
    missing = f"{METRICS_FILE} holds no rows: the run stopped before its first iteration, or was moved"
    return rows, [] if rows else [missing]


def _trial(run: Path, config: RunConfig, episodes: int, threads: int) -> Trial:
    path = checkpoint.latest(run / CHECKPOINTS).path
    controller = load_controller(path)
    if controller.clip != config.task.title:
        raise CheckpointError(
            f"{path}: this checkpoint is of '{controller.clip}', but {CONFIG_FILE} names '{config.task.title}'"
        )
    env = controller.with_episodes_of(TRIAL_S).make_env(episodes, seed=_TRIAL_SEED, threads=threads)
    falls = FallMetric(env)
    return Trial(path, evaluate(env, controller.policy.mean, extra=[falls]), falls.falls())


def usual_preset(run: RunConfig) -> str:
    """Return the name of the default preset: "gym" for tasks of Gymnasium, "fast" for clips."""
    return "gym" if run.task.name == "gymnasium" else "fast"


def changed_settings(run: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ from the default preset, `usual_preset`.

    Each dotted key, as ``--set`` takes it, maps to the pair (value in this run, value in the preset).
    """
    preset = load_preset(usual_preset(run))
    usual = replace(run_of(run.task, preset, run.algorithm.name), task=replace(run.task, env=preset.env))  # type: ignore[type-var]
    here, there = _flat(_settings(run)), _flat(_settings(usual))
    return {key: (here[key], there.get(key)) for key in here if here[key] != there.get(key)}


def _settings(run: RunConfig) -> dict[str, Any]:
    """Return the settings of a run as nested dictionaries, with the keys of ``--set``."""
    return {
        "num_envs": run.num_envs,
        "env": to_dict(run.task.env),
        "policy": to_dict(run.policy),
        run.algorithm.name: {"rollout": to_dict(run.algorithm.rollout), "update": to_dict(run.algorithm.update)},
        "trainer": to_dict(run.trainer),
    }


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in row.items() if _is_number(v)}


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )
