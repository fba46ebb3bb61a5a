"""Learning curves of a figure: a diagram for each panel, a line for each variant."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from mimic.core.plotting import new_figure, save_figure
from mimic.paper.plans import Panel, Plan

_POINTS = 100  # of a mean curve
_COLUMNS = 3


def draw(plan: Plan, out: Path, picture: Path) -> bool:
    """Draw the evaluations of the runs in ``out``; False if there are none. Raises InputError if it cannot be written.

    Lines are means over seeds, bands the range.
    """
    panels = _by_title(plan)
    drawn = [title for title, parts in panels.items() if any(_curves(part, out) for part in parts)]
    if not drawn:
        return False
    columns = min(_COLUMNS, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    figure = new_figure(4.5 * columns, 3.4 * rows)
    for number, title in enumerate(drawn, 1):
        axes = figure.add_subplot(rows, columns, number)
        for part in panels[title]:
            for name, curves in _curves(part, out).items():
                _draw_line(axes, name, curves)
        axes.set(title=title, xlabel="samples [million]", ylabel="return of the mean action")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    save_figure(figure, picture)
    return True


def _by_title(plan: Plan) -> dict[str, list[Panel]]:
    found: dict[str, list[Panel]] = {}
    for panel in plan.panels:
        found.setdefault(panel.title or panel.task, []).append(panel)
    return found


def _curves(panel: Panel, out: Path) -> dict[str, list[list[tuple[int, float]]]]:
    """Curves of each variant's seeds."""
    found: dict[str, list[list[tuple[int, float]]]] = {}
    for job in panel.jobs():
        curve = [(samples, score) for samples, score in job.curve(out) if samples <= 1.05 * job.samples]
        if len(curve) > 1:
            found.setdefault(job.variant.name, []).append(curve)
    return found


def _draw_line(axes: Any, name: str, curves: list[list[tuple[int, float]]]) -> None:
    x = np.linspace(0.0, min(curve[-1][0] for curve in curves), _POINTS)
    scores = np.array([np.interp(x, [p[0] for p in curve], [p[1] for p in curve]) for curve in curves])
    seeds = f", {len(curves)} seeds" if len(curves) > 1 else ""
    (line,) = axes.plot(x / 1e6, scores.mean(0), label=name + seeds)
    if len(curves) > 1:
        axes.fill_between(x / 1e6, scores.min(0), scores.max(0), color=line.get_color(), alpha=0.2, linewidth=0)
