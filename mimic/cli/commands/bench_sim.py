"""Measure the environment's speed, and its ratio to the speed of the simulator alone in the same run."""

import argparse

from bench.sim import bench_sim
from mimic.cli.common import announce, emit, simulator
from mimic.runs.preset import load_preset
from mimic.sim import check_engine


def run(args: argparse.Namespace) -> int:
    """Measure the environment's speed, and its ratio to the speed of the simulator alone in the same run."""
    where = simulator(args)
    check_engine(*where)
    announce("environment and simulator in turns, some 15 seconds")
    return emit(
        args, bench_sim(args.character, load_preset(args.preset), args.num_envs, args.threads, args.pybullet, *where)
    )
