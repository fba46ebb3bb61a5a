"""Train a new run, or resume one."""

import argparse
from pathlib import Path

from mimic.cli.commands.train_each import train_each
from mimic.cli.common import new_run, overridden_options, resolve_available_clip, say
from mimic.core import program
from mimic.core.errors import InputError
from mimic.runs.controller import RUNS_FOLDER, latest_run_of_clip, short_name
from mimic.runs.run_config import RunConfig, read_run
from mimic.runs.training import StopCriteria, check_folder, train
from mimic.sim import check_engine

_EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


def run(args: argparse.Namespace) -> int:
    """Train until --samples or --minutes are reached, or a signal arrives; with --each a controller for each clip."""
    if args.each:
        return train_each(args, run)
    if args.jobs is not None or args.job is not None:
        raise InputError("--jobs and --job belong to --each, which trains a controller for each clip of a list")
    resolve_available_clip(args)
    asked = args.task or args.clip
    default = RUNS_FOLDER / f"{short_name(asked)}-{args.algorithm or 'awr'}"
    if args.task and args.initial:
        raise InputError("--from starts from the controller of a clip; leave it out with --task")
    if args.resume:
        latest = None if args.algorithm or args.task else latest_run_of_clip(asked)
        out = args.out or latest or default
        config = _resumed(args, out)
    else:
        config, out = new_run(args, args.initial), args.out or default
        check_folder(out)
    title, option = config.task.title, "task" if args.task else "clip"
    say(f"training '{title}' with {config.algorithm.name}, {config.num_envs} environments, in {out}")
    result = train(config, out, StopCriteria(args.samples, args.minutes), args.threads, resume=args.resume)
    say(f"stopped by {result.stopped_by} after {result.samples / 1e6:.2f} M samples; checkpoint {result.checkpoint}")
    longer = f" --minutes {args.minutes:g}" if args.minutes else ""
    say(f"continue: {program.command(f'train --{option} {title} --resume --out {out}{longer}')}")
    return _EXIT_CODES.get(result.stopped_by, 0)


def _resumed(args: argparse.Namespace, out: Path) -> RunConfig:
    """Read the run in the folder ``out``. Raises InputError if the options contradict its settings."""
    config = read_run(out)
    asked = args.task or args.clip
    if config.task.title != asked:
        raise InputError(f"{out}: this run is of '{config.task.title}', not of '{asked}'; choose another --out")
    other = overridden_options(args, config)
    if args.initial not in (None, config.init_from.controller if config.init_from else None):
        other.append("--from")
    if args.data:
        other.append("--data")
    if other:
        raise InputError(f"{out}: a resumed run keeps its settings: leave out {', '.join(other)}")
    check_engine(config.engine, config.device, learning=True)
    return config
