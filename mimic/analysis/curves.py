"""Plot the learning curves of several runs, and print them as tables; the data are the runs' ``metrics.jsonl``.

Runs that differ only in the seed, and in how often they were evaluated, form one group, shown by its mean and range. Runs of
clips have a normalised return and the time to the fall; runs of Gymnasium tasks have a return and the length of episodes.
"""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mimic.core.errors import InputError
from mimic.core.files import read_file
from mimic.core.plotting import new_figure, save_figure
from mimic.rl.metrics_log import METRICS_FILE, read_rows
from mimic.runs.controller import CONFIG_FILE, MAX_CONFIG
from mimic.runs.run_config import read_run, run_to_dict

_POINTS = 200  # of a mean curve
_ROWS = 25  # of the table, about
Axis = Literal["samples", "hours"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """Names of the log's columns for return and length of evaluated episodes, and labels for plots and tables."""

    score_key: str
    length_key: str
    label: str
    digits: str  # format of the return
    length: str  # format of the length, with its unit


MEASURES = (
    Measure("eval/normalized_return", "eval/mean_time_s", "normalised return", ".3f", "{:.1f} s"),
    Measure("eval/return", "eval/mean_steps", "return", ".1f", "{:.0f} steps"),
)


@dataclass(frozen=True)
class Point:
    """One evaluation: samples [million], hours of simulating and learning, return, and mean length of episodes."""

    samples: float
    hours: float
    score: float
    length: float


Curve = list[Point]


@dataclass(frozen=True)
class Group:
    """Curves of runs that differ only in the seed."""

    name: str
    runs: list[str]
    curves: list[Curve]
    measure: Measure = MEASURES[0]

    def reach(self, axis: Axis) -> float:
        """Return the largest value of ``axis`` that all runs of the group reached."""
        return min(getattr(curve[-1], axis) for curve in self.curves)

    def at(self, x: Array, axis: Axis) -> Array:
        """Interpolate the return of each run at the values ``x`` (P,) of ``axis``: (runs, P)."""
        rows = [np.interp(x, [getattr(p, axis) for p in c], [p.score for p in c]) for c in self.curves]
        return np.array(rows)


def read_curve(run: Path) -> tuple[Curve, Measure]:
    """Read the evaluations of a run from its folder; return them and their ``Measure``.

    Raises InputError if the folder has no evaluations.
    """
    path = run / METRICS_FILE
    rows = [_with_time(row) for row in read_rows(path)] if path.is_file() else []
    for measure in MEASURES:
        names = ("samples", "time_s", measure.score_key, measure.length_key)
        figures: list[list[Any]] = [[row.get(name) for name in names] for row in rows]
        curve = [
            Point(samples / 1e6, seconds / 3600, score, length)
            for samples, seconds, score, length in figures
            if all(isinstance(x, (int, float)) and abs(x) < 1e300 for x in (samples, seconds, score, length))
        ]
        if curve:
            return curve, measure
    raise InputError(f"{run}: no evaluations in {METRICS_FILE}; give folders that `train` has written")


def _with_time(row: dict[str, Any]) -> dict[str, Any]:
    """Add the time to the fall [s] to a row of an old log, which has that time in control steps of 1/30 s."""
    steps = row.get("eval/mean_steps")
    return {"eval/mean_time_s": steps / 30, **row} if isinstance(steps, float) else row


def read_groups(runs: list[Path]) -> list[Group]:
    """Group the curves of runs by settings without the seed. Raises InputError if a run has no evaluations, or clips and tasks are mixed."""
    members: dict[str, list[Path]] = {}
    runs = list({run.resolve(): run for run in runs}.values())  # each once
    for run in runs:
        members.setdefault(_settings(run), []).append(run)
    algorithms = [_algorithm(folders[0]) for folders in members.values()]
    groups = []
    for folders, algorithm in zip(members.values(), algorithms, strict=True):
        # the algorithm names a group if no other group has the same
        name = algorithm if algorithm and algorithms.count(algorithm) == 1 and len(runs) > 1 else folders[0].name
        different = len({_config(run).get("seed") for run in folders}) == len(folders)
        seeds = f", {len(folders)} {'seeds' if different else 'runs'}" if len(folders) > 1 else ""
        read = [read_curve(run) for run in folders]
        groups.append(Group(name + seeds, [run.name for run in folders], [curve for curve, _ in read], read[0][1]))
    if len({group.measure for group in groups}) > 1:
        raise InputError("runs of clips and of tasks have different returns; draw them in separate pictures")
    return groups


def draw_curves(groups: list[Group], picture: Path) -> None:
    """Plot the return over samples and over hours, one line per group, in the file ``picture``.

    Raises InputError if the file cannot be written.
    """
    figure = new_figure(10.0, 4.0)
    by_samples, by_time = figure.subplots(1, 2, sharey=True)
    axes_of: tuple[tuple[Any, Axis], ...] = ((by_samples, "samples"), (by_time, "hours"))
    for number, group in enumerate(groups):
        for axes, axis in axes_of:
            _draw_group(axes, group, axis, f"C{number}")
    by_samples.set(xlabel="samples [million]", ylabel=groups[0].measure.label)
    if all(point.score >= 0.0 for group in groups for curve in group.curves for point in curve):
        by_samples.set(ylim=(0, None))
    by_time.set(xlabel="hours of simulating and learning")
    for axes in (by_samples, by_time):
        axes.grid(alpha=0.3)
        axes.set_xlim(left=0)
    by_samples.legend(title="line: mean; band: range" if any(len(g.curves) > 1 for g in groups) else None)
    save_figure(figure, picture)


def _draw_group(axes: Any, group: Group, axis: Axis, colour: str) -> None:
    if len(group.curves) == 1:
        points = group.curves[0]
        xs, ys = [getattr(p, axis) for p in points], [p.score for p in points]
        axes.plot(xs, ys, marker=".", color=colour, label=group.name)
        return
    x = np.linspace(0.0, group.reach(axis), _POINTS)
    scores = group.at(x, axis)
    axes.fill_between(x, scores.min(0), scores.max(0), color=colour, alpha=0.2, linewidth=0)
    axes.plot(x, scores.mean(0), color=colour, linewidth=2, label=group.name)
    for curve in group.curves:
        axes.plot([getattr(p, axis) for p in curve], [p.score for p in curve], color=colour, linewidth=0.6, alpha=0.6)


def curve_table(groups: list[Group]) -> str:
    """Make a Markdown table of return and mean length of episodes by samples, with one column per group.

    For several seeds a cell holds the mean, the range in brackets, and the number of runs if some have no evaluation there.
    """
    step = _table_step(groups)
    columns = [[_by_step(curve, step) for curve in group.curves] for group in groups]
    lines = ["| samples (M) | " + " | ".join(g.name for g in groups) + " |", "|" + "--|" * (len(groups) + 1)]
    for k in sorted({k for column in columns for curve in column for k in curve}):
        cells = [
            _cell([curve.get(k) for curve in column], group.measure)
            for column, group in zip(columns, groups, strict=True)
        ]
        lines.append(f"| {k * step:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def reach_table(groups: list[Group], score: float) -> str:
    """Make a Markdown table of the samples and minutes at which each run first reaches the return ``score``."""
    lines = [f"| {groups[0].measure.label} of {score:g} reached | samples (M) | minutes |", "|--|--|--|"]
    for group in groups:
        for name, curve in zip(group.runs, group.curves, strict=True):
            first = next((p for p in curve if p.score >= score), None)
            found = f"{first.samples:.2f} | {60 * first.hours:.0f}" if first else "not | not"
            lines.append(f"| {name} | {found} |")
    return "\n".join(lines)


def _table_step(groups: list[Group]) -> float:
    """Return the distance between two rows of the table in samples [million].

    This is the rounded median distance of evaluations, or a multiple of that.
    """
    curves = [curve for group in groups for curve in group.curves]
    apart = [b.samples - a.samples for curve in curves for a, b in pairwise(curve)]
    usual = median(apart) if apart else 0.5
    quarter = 10.0 ** math.floor(math.log10(max(usual, 1e-6))) / 4
    step = max(1, round(usual / quarter)) * quarter
    longest = max(curve[-1].samples for curve in curves)
    return step * max(1, math.ceil(longest / step / _ROWS))


def _by_step(curve: Curve, step: float) -> dict[int, Point]:
    """Return the evaluation nearest to each multiple k of ``step``, by k, if it is within a quarter of a step."""
    found: dict[int, Point] = {}
    for point in curve:
        k = round(point.samples / step)
        off = abs(point.samples - k * step)
        if off <= 0.25 * step and (k not in found or off < abs(found[k].samples - k * step)):
            found[k] = point
    return found


def _cell(points: list[Point | None], measure: Measure) -> str:
    there = [p for p in points if p is not None]
    if not there:
        return ""
    if len(points) == 1:
        return f"{there[0].score:{measure.digits}} ({measure.length.format(there[0].length)})"
    scores = [p.score for p in there]
    some = f", {len(there)} of {len(points)}" if len(there) < len(points) else ""
    average, low, high = (format(value, measure.digits) for value in (mean(scores), min(scores), max(scores)))
    return f"{average} ({low} to {high}{some})"


def _config(run: Path) -> dict[str, Any]:
    """Return the unchecked content of ``config.json``; empty if the file cannot be read."""
    try:
        data = json.loads(read_file(run / CONFIG_FILE, MAX_CONFIG))
    except (InputError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _settings(run: Path) -> str:
    """Return a text of the run's settings without the seed and the frequency of evaluation.

    Runs with the same text form one group.
    """
    try:
        whole = run_to_dict(read_run(run))  # with settings that are newer than the run, which had their defaults
    except (InputError, RecursionError):
        whole = _config(run)
        preset = whole.get("preset")
        if isinstance(preset, dict):  # a run of an earlier version
            whole = {key: value for key, value in whole.items() if key != "preset"} | preset
    config = {key: value for key, value in whole.items() if key not in ("seed", "learn_threads")}
    if isinstance(trainer := config.get("trainer"), dict):
        apart = ("evaluate_every", "checkpoint_minutes")
        config["trainer"] = {key: value for key, value in trainer.items() if key not in apart}
    return json.dumps(config, sort_keys=True) if config else str(run)


def _algorithm(run: Path) -> str:
    """Return the name of the run's algorithm in capitals; "" if ``config.json`` does not state it."""
    name = _config(run).get("algorithm")
    name = name.get("type") if isinstance(name, dict) else name
    return name.upper() if isinstance(name, str) else ""
