"""Measure how often a controller of a library gets up, from lying poses and after pushes."""

import argparse
import sys

from mimic.cli.common import announce, emit
from mimic.core.printing import show
from mimic.play.recovering import bench_recover
from mimic.runs.controller import load_controller


def run(args: argparse.Namespace) -> int:
    """Measure how often a controller gets up from lying poses, and after pushes while it walks."""
    controller = load_controller(args.controller)
    announce("lying poses and pushes, a minute or two")
    report = bench_recover(controller, args.poses, args.seed, args.threads, lambda line: show(line, sys.stderr))
    return emit(args, report.to_json())
