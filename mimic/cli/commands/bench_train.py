"""Measure the speed of training, and its ratio to training without optimisations in the same run."""

import argparse

from bench.train import bench_train
from mimic.cli.common import announce, default_preset, emit, simulator
from mimic.runs.preset import load_preset
from mimic.sim import check_engine


def run(args: argparse.Namespace) -> int:
    """Measure the speed of training, and its ratio to training without optimisations in the same run."""
    size = (f"num_envs={args.num_envs}",) if args.num_envs else ()
    preset = load_preset(args.preset or default_preset(args.engine, args.device), size)
    engine, device = simulator(args)
    check_engine(engine, device, learning=True)
    announce("some fifty iterations, a minute or less on two cores")
    return emit(args, bench_train(args.character, preset, args.algorithm, args.threads, engine, device))
