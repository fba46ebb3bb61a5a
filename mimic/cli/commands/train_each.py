"""Train one controller for each of several clips: trainings side by side, or one of them as a job of a cluster."""

import argparse
from collections.abc import Callable
from pathlib import Path

from mimic.cli.common import new_run, say
from mimic.cli.motion_files import clip_of_run, retargeting
from mimic.cli.tables import print_table
from mimic.core import checkpoint, program
from mimic.core.errors import InputError
from mimic.rl.threads import usable_cores
from mimic.rl.trainer import CHECKPOINTS
from mimic.runs.controller import CONFIG_FILE, RUNS_FOLDER, short_name
from mimic.runs.motion_file import is_file
from mimic.runs.side_by_side import LOG_FILE, Outcome, Training, train_side_by_side
from mimic.runs.training import check_folder
from mocap.catalogue import available_name

_SETTINGS = ("preset", "algorithm", "num_envs", "engine", "device", "seed")  # a resumed run takes them from its folder


def train_each(args: argparse.Namespace, train: Callable[[argparse.Namespace], int]) -> int:
    """Train every clip of the list, ``--jobs`` at a time, and print a table; with ``--job`` only that one, here, by ``train``."""
    clips, how = _clips(args), retargeting(args)
    if how.is_stated:
        raise InputError("--each takes no options of motion files; retarget each file with its own")
    folder: Path = args.out or RUNS_FOLDER
    outs = {clip: folder / f"{short_name(clip)}-{args.algorithm or 'awr'}" for clip in clips}
    if args.job is not None:
        return _train_one(args, clips, outs, train)
    begun = {clip for clip in clips if args.resume and (outs[clip] / CONFIG_FILE).exists()}
    for clip in (clip for clip in clips if clip not in begun):
        check_folder(outs[clip])
        ready = clip_of_run(clip, how, outs[clip])
        new_run(
            argparse.Namespace(**{**vars(args), "clip": ready}), args.initial
        )  # bad input is reported before any training
    at_once = min(args.jobs or 1, len(clips))
    threads = args.threads or max(1, usable_cores() // at_once)
    trainings = [Training(clip, _words(args, clip, outs[clip], clip in begun, threads), outs[clip]) for clip in clips]
    gpus = _gpus() if args.device == "cuda" else 0

    def environment(place: int) -> dict[str, str]:
        gpu = {"CUDA_VISIBLE_DEVICES": str(place % gpus)} if gpus else {}
        return {"OMP_NUM_THREADS": str(threads), **gpu}  # the learner's share of the cores

    say(f"{len(clips)} trainings, {at_once} at a time, {threads} threads each")
    outcomes = train_side_by_side(trainings, at_once, environment, say)
    _print(trainings, outcomes)
    if any(outcome.code != 0 for outcome in outcomes):
        say(f"the last lines above come from {folder}/.../{LOG_FILE}; repeat the command with --resume to go on")
        return max(abs(outcome.code or 0) for outcome in outcomes)
    return 0


def _clips(args: argparse.Namespace) -> list[str]:
    if args.task or not args.clip:
        raise InputError("--each trains clips: --clip a,b,c")
    clips = [name if is_file(name) else available_name(name) for name in args.clip.split(",") if name]
    names = [short_name(clip) for clip in clips]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"--clip: {', '.join(twice)} is named twice, and each needs a run folder of its own")
    return clips


def _train_one(
    args: argparse.Namespace, clips: list[str], outs: dict[str, Path], train: Callable[[argparse.Namespace], int]
) -> int:
    """Train the clip with the index ``--job`` in this process."""
    if args.job >= len(clips):
        raise InputError(f"--job {args.job}: there are {len(clips)} clips, so it must be 0 to {len(clips) - 1}")
    clip = clips[args.job]
    one = argparse.Namespace(
        **{**vars(args), "clip": clip, "out": outs[clip], "each": False, "job": None, "jobs": None}
    )
    if args.resume and (one.out / CONFIG_FILE).exists():
        vars(one).update(dict.fromkeys(_SETTINGS), set=[], initial=None)
    else:
        one.resume = False
    return train(one)


def _words(args: argparse.Namespace, clip: str, out: Path, resume: bool, threads: int) -> tuple[str, ...]:
    """Return the command line of the training of ``clip``; one that goes on keeps the settings it began with."""
    words = ["train", "--clip", clip, "--out", str(out), "--threads", str(threads)]
    for name in ("minutes", "samples"):
        if value := getattr(args, name):
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    if resume:
        return (*words, "--resume")
    for name in _SETTINGS:
        if (value := getattr(args, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    for setting in args.set:
        words += ["--set", setting]
    if args.initial:
        words += ["--from", args.initial]
    return (*words, *(["--data", *map(str, args.data)] if args.data else []))


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _print(trainings: list[Training], outcomes: list[Outcome]) -> None:
    rows = []
    for training, outcome in zip(trainings, outcomes, strict=True):
        best = "" if outcome.best is None else f"{outcome.best:.3f}"
        state = "done" if outcome.code == 0 else outcome.last_line
        if outcome.code == 0 and not checkpoint.steps(training.folder / CHECKPOINTS):
            state = "no checkpoint"
        amount = f"{outcome.samples / 1e6:.2f} M", f"{outcome.minutes:.1f}"
        rows.append((training.name, best, *amount, str(training.folder), state))
    header = ("clip", "best return", "samples", "minutes", "run", "state")
    print_table(f"evaluate one: {program.command('evaluate --controller RUN')}", header, rows, numeric=(1, 2, 3))
