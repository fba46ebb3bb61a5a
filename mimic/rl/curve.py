"""The learning curve of a run as a picture."""

from pathlib import Path
from typing import Any

from mimic.core.plotting import new_figure, save_figure
from mimic.rl.metrics_log import read_rows

_EVALUATED = (
    ("eval/normalized_return", "normalised return"),
    ("eval/survival", "survival"),
    ("eval/return", "return"),
)
_TRAINED = (("episode_return", "return of training episodes"),)


def draw_learning_curve(metrics: Path, picture: Path) -> bool:
    """Draw return and survival over samples from a metrics file as a PNG; False if there is nothing to draw.

    Uses evaluations where there are any, else the return of training episodes.
    """
    rows = read_rows(metrics)
    curves = _curves(rows, _EVALUATED) or _curves(rows, _TRAINED)
    if not curves:
        return False
    figure = new_figure(7.0, 4.0)
    axes = figure.add_subplot()
    for name, points in curves.items():
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            marker="." if len(points) < 100 else "",
            label=name,
        )
    axes.set_xlabel("samples [million]")
    if all(y >= 0.0 for points in curves.values() for _, y in points):
        axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, picture)
    return True


def _curves(rows: list[dict[str, Any]], wanted: tuple[tuple[str, str], ...]) -> dict[str, list[tuple[float, float]]]:
    curves = {
        name: [(row["samples"] / 1e6, row[key]) for row in rows if row.get(key) is not None] for key, name in wanted
    }
    return {name: points for name, points in curves.items() if points}
