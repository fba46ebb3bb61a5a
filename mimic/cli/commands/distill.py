"""Distil several controllers into one."""

import argparse

from mimic.cli.common import say
from mimic.core import program
from mimic.core.errors import InputError
from mimic.runs.distill import distill
from mimic.runs.distill_config import DistillConfig, DistillRun, read_distillation
from mimic.runs.teachers import clips_of, load_teacher, load_teachers

_MINUTES = 20.0


def run(args: argparse.Namespace) -> int:
    """Distil several controllers into one, or continue doing so."""
    if args.resume:
        found = _resumed(args)
        teachers = [load_teacher(name) for name in found.teachers]
        config, minutes = found.distill, found.minutes
    else:
        minutes = _minutes(args)
        teachers = load_teachers(_names(args), args.character)
        config = _config(args, len(clips_of(teachers)))
    result = distill(teachers, args.out, config, minutes, args.threads, args.resume, say)
    say(f"done in {result.minutes:.1f} minutes, {result.samples / 1e6:.2f} M samples; controller {result.controller}")
    say(f"judge it: {program.command(f'evaluate --controller {args.out}')}")
    return 0


def _names(args: argparse.Namespace) -> str:
    if not args.teachers:
        raise InputError("--from is missing: name the teachers, such as --from walk,run,jump, or --from all")
    return str(args.teachers)


def _config(args: argparse.Namespace, clips: int) -> DistillConfig:
    config = DistillConfig.for_clips(clips, args.seed or 0)
    return config.with_samples(args.samples) if args.samples else config


def _minutes(args: argparse.Namespace) -> float:
    """Return the minutes that the distillation may take; 0 if --samples is given. Raises InputError for both."""
    if args.samples and args.minutes:
        raise InputError("--minutes and --samples both decide the number of rounds; give one of them")
    return 0.0 if args.samples else args.minutes or _MINUTES


def _resumed(args: argparse.Namespace) -> DistillRun:
    """Read the distillation in the folder --out. Raises InputError if an option contradicts its settings."""
    found = read_distillation(args.out)
    given = {"--from": args.teachers, "--character": args.character, "--minutes": args.minutes}
    given |= {"--samples": args.samples, "--seed": args.seed is not None}
    if other := [option for option, value in given.items() if value]:
        raise InputError(f"{args.out}: a resumed run keeps its settings: leave out {', '.join(other)}")
    return found
