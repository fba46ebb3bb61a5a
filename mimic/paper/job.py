"""One training run of a table or figure, and the result that its log holds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core.errors import InputError
from mimic.rl.metrics_log import METRICS_FILE, read_rows
from mimic.runs.preset import load_preset
from mimic.runs.run_config import RunConfig, read_run, run_of, run_to_dict, tracking_run
from mimic.runs.tasks.gymnasium import GymnasiumTask
from mocap.catalogue import available_name

_EPISODES = 32  # of an evaluation
_EVERY = 100_000  # samples between evaluations, or the whole run if that is shorter
_FREE = ("trainer", "learn_threads")  # parts of a configuration that do not change what is learned


@dataclass(frozen=True)
class Variant:
    """An algorithm with its settings.

    Attributes:
        name: in tables and pictures.
        algorithm: in `ALGORITHMS`.
        settings: ``key=value`` on top of the preset.
        preset: "" means the usual one: gym for tasks, fast for clips of the humanoid, feet for those of the dog.
    """

    name: str
    algorithm: str
    settings: tuple[str, ...] = ()
    preset: str = ""


@dataclass(frozen=True)
class Job:
    """A run: ``variant`` learns ``task`` (a Gymnasium id, or the name of a clip) from ``samples`` samples with ``seed``."""

    task: str
    variant: Variant
    samples: int
    seed: int

    @property
    def is_clip(self) -> bool:
        """Whether the task is a clip."""
        return self.task in CLIP_PRESETS

    @property
    def folder(self) -> str:
        """Name of the run's folder; jobs that differ only in ``samples`` share it, and the longer one goes on from the shorter."""
        changes = [setting.removeprefix(f"{self.variant.algorithm}.") for setting in self.variant.settings]
        words = (self.task, self.variant.algorithm, self.variant.preset, *changes, f"s{self.seed}")
        return "-".join(word for word in words if word)

    def config(self) -> RunConfig:
        """The run. Raises InputError if this machine lacks what the task or the algorithm needs."""
        trainer = f"trainer.evaluate_every={min(_EVERY, self.samples)}"
        if self.is_clip:
            preset = load_preset(self.variant.preset or CLIP_PRESETS[self.task], (*self.variant.settings, trainer))
            return tracking_run(available_name(self.task), preset, self.variant.algorithm, self.seed)
        settings = (*self.variant.settings, trainer, f"env.evaluation_episodes={_EPISODES}")
        preset = load_preset(self.variant.preset or "gym", settings)
        run = run_of(GymnasiumTask(self.task, preset.env), preset, self.variant.algorithm, self.seed)
        run.task.check()
        return run

    def begun(self, out: Path) -> RunConfig | None:
        """Return the configuration with which the run began in ``out``; None if it has not begun.

        Raises InputError if that differs from today's settings.
        """
        folder = out / self.folder
        if not (folder / "config.json").exists():
            return None
        found, wanted = read_run(folder), self.config()
        if _learned(found) != _learned(wanted):
            raise InputError(f"{folder}: began with other settings than today's; choose another --out, or move it away")
        return found

    def curve(self, out: Path) -> list[tuple[int, float]]:
        """Evaluations so far: (samples, return of the deterministic policy)."""
        key = "eval/normalized_return" if self.is_clip else "eval/return"
        rows = read_rows(out / self.folder / METRICS_FILE)
        return [(row["samples"], row[key]) for row in rows if row.get(key) is not None]

    def result(self, out: Path) -> float | None:
        """The return at the first evaluation after ``samples`` samples; None if the run has not come so far."""
        return next((score for samples, score in self.curve(out) if samples >= self.samples), None)

    def progress(self, out: Path) -> tuple[int, float]:
        """Samples and seconds of the run so far."""
        rows = read_rows(out / self.folder / METRICS_FILE)
        return (int(rows[-1]["samples"]), float(rows[-1]["time_s"])) if rows else (0, 0.0)


CLIP_PRESETS = {"cartwheel": "fast", "spinkick": "fast", "canter": "feet", "trot": "feet", "turn": "feet"}


def _learned(run: RunConfig) -> str:
    """Return the settings that influence learning, as text for comparison."""
    data: dict[str, Any] = run_to_dict(run)
    return json.dumps({key: value for key, value in data.items() if key not in _FREE}, sort_keys=True, default=list)
