"""Distil several controllers into one."""

import argparse

from mimic.cli.common import say
from mimic.core import program
from mimic.runs.distill import distill
from mimic.runs.teachers import load_teachers


def run(args: argparse.Namespace) -> int:
    """Distil several controllers into one."""
    teachers = load_teachers(args.teachers, args.character)
    result = distill(teachers, args.out, args.minutes, args.seed or 0, threads=args.threads, say=say)
    say(f"done in {result.minutes:.1f} minutes, {result.samples / 1e6:.2f} M samples; controller {result.controller}")
    say(f"judge it: {program.command(f'evaluate --controller {args.out}')}")
    return 0
