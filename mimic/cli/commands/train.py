"""Train a new run, or resume one."""

import argparse
import os
from pathlib import Path

from mimic.cli.commands.train_each import train_each
from mimic.cli.common import new_run, overridden_options, resolve_available_clip, say
from mimic.cli.motion_files import clip_of_run, one_take, retargeting
from mimic.core import program
from mimic.core.errors import InputError
from mimic.runs.actors import ActorPlan
from mimic.runs.controller import RUNS_FOLDER, latest_run_of_clip, short_name
from mimic.runs.library_clips import prepare_clips
from mimic.runs.motion_file import Retargeting, clip_title, must_be_retargeted
from mimic.runs.run_config import RunConfig, read_run
from mimic.runs.training import StopCriteria, check_folder, train
from mimic.sim import check_engine
from mocap.catalogue import names_in
from mocap.clip_library import LibraryClip, is_library, read_library

_EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


def run(args: argparse.Namespace) -> int:
    """Train until --samples or --minutes are reached, or a signal arrives; with --each a controller for each clip."""
    if args.each:
        return train_each(args, run)
    if args.jobs is not None or args.job is not None:
        raise InputError("--jobs and --job belong to --each, which trains a controller for each clip of a list")
    resolve_available_clip(args)
    how = _retargeting(args)
    asked = args.task or (args.clip if how is None else clip_title(args.clip, how))
    default = RUNS_FOLDER / f"{short_name(asked)}-{args.algorithm or 'awr'}"
    if args.task and args.initial:
        raise InputError("--from starts from the controller of a clip; leave it out with --task")
    if args.resume:
        latest = None if args.algorithm or args.task else latest_run_of_clip(asked)
        out = args.out or latest or default
    else:
        out = args.out or default
        check_folder(out)
    if how is not None:
        args.clip = clip_of_run(args.clip, how, out, in_use=args.resume)
    config = _resumed(args, out) if args.resume else new_run(args, args.initial, _library(args, out))
    title, option = _title(config, args), "task" if args.task else "clip"
    say(f"training '{title}' with {config.algorithm.name}, {config.num_envs} environments, in {out}")
    if not (args.samples or args.minutes):
        say("no --samples or --minutes: trains until Ctrl-C, which keeps the checkpoint; --resume goes on")
    until, plan = StopCriteria(args.samples, args.minutes), _actors(args)
    result = train(config, out, until, args.threads, resume=args.resume, actors=plan)
    say(f"stopped by {result.stopped_by} after {result.samples / 1e6:.2f} M samples; checkpoint {result.checkpoint}")
    longer = f" --minutes {args.minutes:g}" if args.minutes else ""
    say(f"continue: {program.command(f'train --{option} {title} --resume --out {out}{longer}')}")
    return _EXIT_CODES.get(result.stopped_by, 0)


def _retargeting(args: argparse.Namespace) -> Retargeting | None:
    """Return how the motion file of ``--clip`` is retargeted; None if the clip needs no retargeting.

    Raises InputError for options of a motion file if there is none.
    """
    one_take(args)
    how = retargeting(args)
    if args.task or is_library(args.clip):
        if how.is_stated:
            raise InputError("options of a motion file, such as --take, are for one clip; retarget each file first")
        return None
    return how if must_be_retargeted(args.clip, how) else None


def _library(args: argparse.Namespace, out: Path) -> tuple[LibraryClip, ...]:
    """Return the clips of ``--clip``, ready for training, if they are a library, else none."""
    if args.task or not is_library(args.clip):
        return ()
    return prepare_clips(read_library(args.clip), out / "clips", say)


def _title(config: RunConfig, args: argparse.Namespace) -> str:
    """Return what the user calls the task of the run."""
    return str(args.clip) if args.clip and is_library(args.clip) else config.task.title


def _is_of(config: RunConfig, args: argparse.Namespace) -> bool:
    """Whether the run is of the task or the clips that the arguments name."""
    if args.task or not is_library(args.clip):
        return config.task.title == (args.task or args.clip) or _same_file(config.task.title, args.clip)
    asked = [short_name(one.name) for one in read_library(args.clip)]
    return asked == [short_name(name) for name in names_in(config.task.title)]


def _same_file(one: str, other: str | None) -> bool:
    return other is not None and os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _actors(args: argparse.Namespace) -> ActorPlan | None:
    """The actors asked for; None for none."""
    if args.listen and not args.actors:
        raise InputError("--listen belongs to --actors N, which says for how many actors to wait")
    return ActorPlan(args.actors, args.listen) if args.actors else None


def _resumed(args: argparse.Namespace, out: Path) -> RunConfig:
    """Read the run in the folder ``out``. Raises InputError if the options contradict its settings."""
    config = read_run(out)
    asked = args.task or args.clip
    if not _is_of(config, args):
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
