"""Reproduce a table or figure of the lecture: train the missing runs, and print the results."""

import argparse
from collections.abc import Sequence

from mimic.cli.common import say
from mimic.cli.tables import print_table
from mimic.core.errors import InputError, nearest
from mimic.core.files import write_json
from mimic.paper import cost
from mimic.paper.cells import Cell, quoted_cells, run_cells
from mimic.paper.picture import draw
from mimic.paper.plans import PLANS, Plan
from mimic.paper.runner import run_missing


def run(args: argparse.Namespace) -> int:
    """Print the cost, train the missing runs, and print the table's cells."""
    plan = _plan(args)
    jobs, out = plan.jobs(), args.out
    missing = [job for job in jobs if job.result(out) is None]
    samples = sum(job.samples - min(job.samples, job.progress(out)[0]) for job in missing) / 1e6
    limit = "" if args.hours is None else f", of which at most {args.hours:g} now"
    price = f"{samples:.1f} M samples, about {cost.hours(missing, out):.1f} hours on one core{limit}"
    say(f"{plan.name}: {len(jobs)} runs in {out}, {len(missing)} of them to do: {price}")
    complete = run_missing(jobs, out, args.hours, say, args.threads) if args.hours != 0 else not missing
    cells, quoted = run_cells(plan, out), quoted_cells(plan.name)
    if args.json:
        report = {"paper": plan.name, "complete": complete, "cells": [cell.to_json() for cell in (*cells, *quoted)]}
        write_json(args.json, report)
    if plan.picture and draw(plan, out, picture := out / f"{plan.name}.png"):
        say(f"picture: {picture}")
    say(f"\n{plan.title}: mean ± standard deviation over seeds (seeds)")
    _print_cells([*cells, *quoted])
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    plan = PLANS[args.what]
    known = sorted({panel.task for panel in plan.panels})
    for task in args.tasks:
        if task not in known:
            raise InputError(f"--tasks: {plan.name} has no '{task}'; {nearest(task, known)}")
    return plan.scaled(args.tasks, args.seeds or 0, args.samples or 0)


def _print_cells(cells: Sequence[Cell]) -> None:
    """Print a table for each source and number of samples: tasks by algorithms, with the number of seeds in brackets."""
    groups: dict[tuple[str, str, int | None], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.source, cell.origin, cell.samples), []).append(cell)
    for (source, origin, samples), group in groups.items():
        algorithms = list(dict.fromkeys(cell.algorithm for cell in group))
        rows: dict[str, list[str]] = {cell.task: [""] * len(algorithms) for cell in group}
        for cell in group:
            rows[cell.task][algorithms.index(cell.algorithm)] = _entry(cell)
        size = f"{samples / 1e6:g} M samples" if samples else "samples not stated"
        title = ": ".join(word for word in (source, origin) if word)
        numeric = range(1, len(algorithms) + 1)
        say(f"\n{title}; {size}")
        print_table("", ("task", *algorithms), [(task, *row) for task, row in rows.items()], numeric)


def _entry(cell: Cell) -> str:
    digits = 0 if abs(cell.mean) >= 10.0 else 3
    spread = "" if cell.std is None else f" ± {cell.std:.{digits}f}"
    return f"{cell.mean:.{digits}f}{spread} ({'?' if cell.seeds is None else cell.seeds})"
