"""Plot of a push test: survival against impulse, and the directions of the pushes that were survived."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from mimic.core.plotting import new_figure, save_figure
from mimic.evaluation.push import PushReport

_BLUE, _RED = "#1f77b4", "#c03028"


def draw_pushes(report: PushReport, picture: Path, title: str) -> None:
    """Draw the plot and write it as the file ``picture``. Raises InputError if the file cannot be written."""
    figure = new_figure(10.0, 4.2)
    figure.suptitle(title, fontsize=11)
    grid = figure.add_gridspec(1, 2, width_ratios=(3, 2))
    curve = figure.add_subplot(grid[0])
    sizes = np.array(report.impulse_Ns)
    bands = [wilson(share, count) for share, count in zip(report.survival, report.pushed, strict=True)]
    curve.fill_between(sizes, [b[0] for b in bands], [b[1] for b in bands], alpha=0.2, color=_BLUE, linewidth=0)
    curve.plot(sizes, report.survival, marker="o", color=_BLUE)
    half = report.half_survive_Ns
    if half is not None:
        curve.plot([half, half, 0], [0, 0.5, 0.5], color="black", linewidth=0.8, linestyle=":")
        curve.annotate(
            f"half survive {half:.0f} N·s",
            (half, 0.03),
            xytext=(-4, 0),
            textcoords="offset points",
            fontsize=9,
            ha="right",
        )
    curve.set(xlabel="impulse [N·s]", ylabel=f"share not down {report.watched_s:g} s later", ylim=(0, 1.03))
    curve.set_xlim(left=0)
    curve.grid(alpha=0.3)
    mass = sizes[-1] / max(report.speed_change_m_s[-1], 1e-9)
    above = curve.secondary_xaxis("top", functions=(lambda x: x / mass, lambda v: v * mass))
    above.set_xlabel("change of speed [m/s]; band: 95 % interval", fontsize=9)
    _draw_directions(figure.add_subplot(grid[1], projection="polar"), report)
    save_figure(figure, picture)


def _draw_directions(axes: Any, report: PushReport) -> None:
    """Draw one dot per push, in the push's direction and at its size, seen from above; forward is up."""
    for survived, colour, name in ((True, _BLUE, "survived"), (False, _RED, "fell")):
        chosen = [p for p in report.pushes if p.survived == survived and p.impulse_Ns > 0]
        angles, sizes = [p.angle_rad for p in chosen], [p.impulse_Ns for p in chosen]
        axes.scatter(angles, sizes, s=10, color=colour, alpha=0.85, label=name, edgecolors="none")
    axes.set_theta_zero_location("N")
    axes.set_xticks([0, math.pi / 2, math.pi, 3 * math.pi / 2], ["forward", "left", "back", "right"], fontsize=9)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_rlabel_position(45)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.2, -0.15), fontsize=8, frameon=False)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a ``share`` measured in ``count`` trials (Wilson 1927)."""
    if count == 0:
        return 0.0, 1.0
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # rounding must not leave the share outside its interval
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)
