"""Keep a run's best checkpoint as a controller folder and print its evaluation."""

import argparse

from mimic.cli.common import say
from mimic.cli.tables import print_evaluation, print_library
from mimic.runs.distill_config import is_distillation
from mimic.runs.evaluate_library import LibraryEvaluation
from mimic.runs.package_controller import package_controller
from mimic.runs.run_config import read_run


def run(args: argparse.Namespace) -> int:
    """Keep a run's best checkpoint as a controller folder and print its evaluation."""
    if not is_distillation(args.run) and read_run(args.run).task.name == "gymnasium":
        return _of_task(args)
    evaluation = package_controller(args.run, args.out, args.episodes, args.threads)
    if isinstance(evaluation, LibraryEvaluation):
        print_library(evaluation)
    else:
        print_evaluation(evaluation, {"controller": args.out})
    return 0


def _of_task(args: argparse.Namespace) -> int:
    from mimic.runs.package_task_controller import package_task_controller

    found = package_task_controller(args.run, args.out, args.episodes, args.threads).to_json()
    mean, std = found["return"]["mean"], found["return"]["std"]
    say(f"{args.out}: return {mean:.1f} ± {std:.1f} over {args.episodes} episodes of '{found['task']}'")
    return 0
