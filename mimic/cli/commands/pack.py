"""Keep a run's best checkpoint as a controller folder and print its evaluation."""

import argparse

from mimic.cli.tables import print_evaluation, print_library
from mimic.runs.evaluate_library import LibraryEvaluation
from mimic.runs.package_controller import package_controller


def run(args: argparse.Namespace) -> int:
    """Keep a run's best checkpoint as a controller folder and print its evaluation."""
    evaluation = package_controller(args.run, args.out, args.episodes, args.threads)
    if isinstance(evaluation, LibraryEvaluation):
        print_library(evaluation)
    else:
        print_evaluation(evaluation, {"controller": args.out})
    return 0
