"""Cells of a table: results of our runs, and published ones."""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal

import yaml

from mimic.paper.plans import Plan

_QUOTED = Path(__file__).with_name("quoted.yaml")


@dataclass(frozen=True)
class Cell:
    """The return of an algorithm in a task, mean and standard deviation over seeds.

    Attributes:
        task: a Gymnasium id, or the name of a clip.
        algorithm: the name of the variant.
        seeds, samples: number of seeds, and of samples per run; None where the source does not state them.
        std: standard deviation over seeds; None for one seed, and where the source does not state it.
        source: "run" for a result of mimic, "quoted" for a published one.
        origin: the publication of a quoted cell; for a run, the title of its panel.
    """

    task: str
    algorithm: str
    seeds: int | None
    samples: int | None
    mean: float
    std: float | None
    source: Literal["run", "quoted"]
    origin: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, as the JSON file of `paper` holds them."""
        return dict(vars(self))


def run_cells(plan: Plan, out: Path) -> list[Cell]:
    """Return the cells with results in ``out``; each averages the seeds that have finished."""
    cells = []
    for panel in plan.panels:
        for variant in panel.variants:
            jobs = [job for job in panel.jobs() if job.variant == variant]
            results = [found for job in jobs if (found := job.result(out)) is not None]
            if results:
                spread = stdev(results) if len(results) > 1 else None
                sizes = len(results), panel.samples, mean(results), spread
                cells.append(Cell(panel.task, variant.name, *sizes, "run", panel.title))
    return cells


def quoted_cells(table: str) -> list[Cell]:
    """Return the published cells for the table or figure named ``table``; empty if none are stored."""
    cells = []
    for part in yaml.safe_load(_QUOTED.read_text(encoding="utf-8")):
        if table not in part["tables"]:
            continue
        for algorithm, by_task in part["cells"].items():
            for task, value in by_task.items():
                average, spread = value if isinstance(value, list) else (value, None)
                sizes = part["seeds"], part["samples"], float(average), spread
                cells.append(Cell(task, algorithm, *sizes, "quoted", part["source"]))
    return cells
