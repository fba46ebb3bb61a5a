"""Measure the speed of retargeting, and that of the library mink on the same targets."""

import argparse

from bench.retarget_speed import bench_retarget
from mimic.cli.common import announce, emit


def run(args: argparse.Namespace) -> int:
    """Measure the speed of retargeting, and that of the library mink on the same targets."""
    announce("retargeting and mink in turns, a minute or so")
    return emit(args, bench_retarget(args.character, args.clip))
