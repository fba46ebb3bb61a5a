"""Everything that is known of a run: its log, its settings, a few episodes of its newest policy, and its clip.

A run folder may come from anybody: nothing in it is trusted. Log entries that are not finite numbers are left out,
settings are checked key by key, and a checkpoint is read only where every byte is as its manifest says.
"""

import math
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from characters import load_character
from mimic.analysis.clip_check import ClipCheck, check_clip, worst
from mimic.analysis.falls import FallMetric, Falls
from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, InputError
from mimic.core.strict_config import to_dict
from mimic.evaluation.evaluate import evaluate
from mimic.rl.metrics_log import METRICS_FILE, read_rows
from mimic.rl.trainer import CHECKPOINTS
from mimic.runs.controller import CONFIG_FILE, load_controller
from mimic.runs.preset import Preset, load_preset
from mimic.runs.training import RunConfig, read_run
from mimic.tracking import prepared, task_of
from mocap.catalogue import load_clips

TRIAL_S = 10.0
_TRIAL_SEED = 777
_MIN_ROWS = 5


@dataclass(frozen=True)
class Trial:
    """Episodes of the newest policy without noise and training aids: the evaluation's report, and the falls."""

    checkpoint: Path
    report: dict[str, Any]
    falls: Falls | None


@dataclass(frozen=True)
class Evidence:
    """What the rules look at."""

    run: Path
    config: RunConfig
    rows: list[dict[str, float]]
    clip: ClipCheck
    trial: Trial | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Samples the run has seen."""
        return int(self.rows[-1].get("samples", 0)) if self.rows else 0

    def values(self, key: str) -> list[float]:
        """All entries of one column of the log, in order."""
        return [row[key] for row in self.rows if key in row]

    def recent(self, key: str) -> float | None:
        """Median of a column over the last tenth of its entries, at least 5; None if there are fewer."""
        values = self.values(key)
        return None if len(values) < _MIN_ROWS else statistics.median(values[-max(_MIN_ROWS, len(values) // 10) :])

    @property
    def section(self) -> str:
        """Where the algorithm's settings are in a preset: RWR's are AWR's."""
        return "awr" if self.config.algorithm == "rwr" else self.config.algorithm

    @property
    def update(self) -> Any:
        """The algorithm's update settings."""
        return self.config.preset.algorithm(self.config.algorithm).update

    @property
    def rollout(self) -> Any:
        """The algorithm's rollout settings."""
        return self.config.preset.algorithm(self.config.algorithm).rollout

    def usual(self, key: str) -> Any:
        """What the preset ``fast`` has for a key below the algorithm, as in ``update.gamma``; None if nothing."""
        found: Any = load_preset("fast").algorithm(self.config.algorithm)
        for part in key.split("."):
            found = getattr(found, part, None)
        return found


def gather(run: Path, episodes: int = 64, threads: int = 0) -> Evidence:
    """Read a run folder and let its newest policy act. Raises InputError or CheckpointError if it is not a run."""
    if not (run / CONFIG_FILE).is_file():
        raise InputError(f"{run}: not a run folder; give one that `train` has written (it holds {CONFIG_FILE})")
    config = read_run(run)
    motions, env_config = load_clips(config.clip), config.preset.env
    character = load_character(motions[0].character)
    asked = tuple(prepared(motion, character, env_config) for motion in motions)
    task, height = task_of(asked, character), env_config.termination.contact_height
    clip = worst([check_clip(m, character, task, height, a) for m, a in zip(motions, asked, strict=True)])
    rows = [_numbers(row) for row in read_rows(run / METRICS_FILE)]
    notes = [] if rows else [f"{METRICS_FILE} holds no rows: the run stopped before its first iteration, or was moved"]
    trial = None
    try:
        trial = _try_out(run, config, episodes, threads)
    except CheckpointError as error:
        notes.append(f"no policy to try out ({error})")
    return Evidence(run, config, rows, clip, trial, notes)


def _try_out(run: Path, config: RunConfig, episodes: int, threads: int) -> Trial:
    path = checkpoint.latest(run / CHECKPOINTS).path
    controller = load_controller(str(path))
    if controller.clip != config.clip:
        raise CheckpointError(f"{path}: is of '{controller.clip}', the run of '{config.clip}'")
    controller = replace(controller, env_config=replace(controller.env_config, evaluation_s=TRIAL_S))
    env = controller.make_env(episodes, seed=_TRIAL_SEED, threads=threads)
    meter = FallMetric(env)
    return Trial(path, evaluate(env, controller.policy.mean, extra=[meter]), meter.falls())


def changed_settings(preset: Preset) -> dict[str, tuple[Any, Any]]:
    """Settings that differ from the preset ``fast``: dotted key -> (here, there)."""
    here, there = _flat(to_dict(preset)), _flat(to_dict(load_preset("fast")))
    return {key: (here[key], there.get(key)) for key in here if here[key] != there.get(key)}


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
