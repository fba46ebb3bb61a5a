"""Measure how often a controller survives a switch of the motion graph from one clip to another."""

import argparse
import sys

from mimic.cli.common import announce, emit
from mimic.core.printing import show
from mimic.play.switching import bench_switch, draw_switches
from mimic.runs.controller import load_controller


def run(args: argparse.Namespace) -> int:
    """Measure how often a controller survives a switch of the motion graph from one clip to another."""
    controller = load_controller(args.controller)
    announce("switches between all ordered pairs of clips, some minutes for twelve clips")
    report = bench_switch(
        controller, args.clips, args.runs, args.seed, args.threads, say=lambda line: show(line, sys.stderr)
    )
    if args.picture:
        draw_switches(report, args.picture)
    return emit(args, report.to_json())
