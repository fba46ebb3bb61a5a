"""Simulate for a training on another machine."""

import argparse

from mimic.runs.actors import join_as_actor


def run(args: argparse.Namespace) -> int:
    """Join the learner at HOST:PORT, and simulate until it ends."""
    join_as_actor(args.learner, args.threads)
    return 0
