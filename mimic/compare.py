"""Learning curves of several runs in one picture, and as a table of numbers, from their ``metrics.jsonl`` files."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from characters.errors import InputError
from mimic.learn.logging import METRICS_FILE, read_rows

Curve = list[tuple[float, float, float, float]]  # samples [M], hours, normalised return, mean time to the fall [s]
_CONTROL_HZ = 30


def read_curve(run: Path) -> Curve:
    """The evaluations of a run folder. Raises InputError if it has none."""
    path = run / METRICS_FILE
    rows = read_rows(path) if path.is_file() else []
    key = "eval/normalized_return"
    curve = [
        (row["samples"] / 1e6, row["time_s"] / 3600, row[key], row["eval/mean_steps"] / _CONTROL_HZ)
        for row in rows
        if row.get(key) is not None
    ]
    if not curve:
        raise InputError(f"{run}: no evaluations in {METRICS_FILE}; give folders that `train` has written")
    return curve


def draw_curves(runs: list[Path], picture: Path) -> None:
    """Normalised return over samples and over hours, a line a run, as a PNG. Raises InputError."""
    figure = Figure(figsize=(10.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    by_samples, by_time = figure.subplots(1, 2, sharey=True)
    for run in runs:
        curve = read_curve(run)
        by_samples.plot([p[0] for p in curve], [p[2] for p in curve], marker=".", label=run.name)
        by_time.plot([p[1] for p in curve], [p[2] for p in curve], marker=".", label=run.name)
    by_samples.set(xlabel="samples [million]", ylabel="normalised return, 20 s", ylim=(0, None))
    by_time.set(xlabel="hours of simulating and learning")
    for axes in (by_samples, by_time):
        axes.grid(alpha=0.3)
    by_samples.legend()
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, format="png", dpi=110)
    except OSError as error:
        raise InputError(f"{picture}: cannot be written ({error.strerror})") from None


def curve_table(runs: list[Path]) -> str:
    """Normalised return (mean time to the fall) at each evaluation, a column a run, as Markdown."""
    curves = {run.name: {round(p[0] * 2) / 2: p for p in read_curve(run)} for run in runs}
    points = sorted({x for curve in curves.values() for x in curve})
    lines = ["| samples (M) | " + " | ".join(curves) + " |", "|" + "--|" * (len(curves) + 1)]
    for x in points:
        cells = [f"{c[x][2]:.3f} ({c[x][3]:.1f} s)" if x in c else "" for c in curves.values()]
        lines.append(f"| {x:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
