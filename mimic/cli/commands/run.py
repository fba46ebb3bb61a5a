"""Make or find a controller for a clip, evaluate and film it, and print a short table."""

import argparse
from pathlib import Path

from mimic.cli.common import new_run, overridden_options, resolve_available_clip, say
from mimic.cli.run_clip import run_clip
from mimic.cli.tables import print_evaluation
from mimic.runs.controller import short_name


def run(args: argparse.Namespace) -> int:
    """Make or find a controller for a clip, evaluate and film it, and print a short table."""
    resolve_available_clip(args)
    out = args.out or Path("out") / short_name(args.clip)
    anew = bool(overridden_options(args))
    report = run_clip(new_run(args), out, args.minutes, args.seconds, args.threads, say, train_anew=anew)
    paths = {"controller": report.controller, "evaluation": report.evaluation_path, "video": report.video or "none"}
    print_evaluation(report.evaluation, paths)
    return 0
