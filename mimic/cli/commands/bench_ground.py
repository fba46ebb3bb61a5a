"""Measure how often a controller of a library walks and trots on bumps and slopes without a fall."""

import argparse
import sys

from mimic.cli.common import announce, emit
from mimic.core.printing import show
from mimic.play.walking_on_ground import bench_ground
from mimic.runs.controller import load_controller


def run(args: argparse.Namespace) -> int:
    """Measure how often a controller walks and trots on bumps and slopes without a fall."""
    controller = load_controller(args.controller)
    announce("walks on level ground, bumps and slopes, a minute or two")
    report = bench_ground(
        controller, args.clips, args.runs, args.seconds, args.friction, args.mass, args.seed, args.threads,
        say=lambda line: show(line, sys.stderr),
    )  # fmt: skip
    return emit(args, report.to_json())
