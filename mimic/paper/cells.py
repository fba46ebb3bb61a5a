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
        seeds, samples: None where a source does not say.
        std: None for one seed, and where a source does not say.
        source: whether we ran it or quote it.
        origin: where a quoted cell is from; of ours the panel's title.
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
        """The cell as the JSON file has it."""
        return dict(vars(self))


def run_cells(plan: Plan, out: Path) -> list[Cell]:
    """The cells that have a result in ``out``; of some seeds, if not all have one."""
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
    """Published cells of a table or figure."""
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
