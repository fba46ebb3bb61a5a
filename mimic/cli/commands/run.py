"""Make or find a controller for a clip, evaluate and film it, and print a short table."""

import argparse
from pathlib import Path

from mimic.cli.common import new_run, overridden_options, resolve_available_clip, say
from mimic.cli.motion_files import clip_of_run, one_take, retargeting
from mimic.cli.run_clip import run_clip
from mimic.cli.tables import print_evaluation
from mimic.runs.controller import latest_run_of_clip
from mimic.runs.motion_file import CLIPS_FOLDER, Retargeting, clip_title, is_prepared, must_be_retargeted


def run(args: argparse.Namespace) -> int:
    """Make or find a controller for a clip, evaluate and film it, and print a short table.

    A motion file of another skeleton is retargeted first.
    """
    resolve_available_clip(args)
    one_take(args)
    how = retargeting(args)
    out = args.out or Path("out") / clip_title(args.clip, how)
    if must_be_retargeted(args.clip, how):
        args.clip = _clip(args.clip, how, out)
    anew = bool(overridden_options(args))
    report = run_clip(new_run(args), out, args.minutes, args.seconds, args.threads, say, train_anew=anew)
    paths = {"controller": report.controller, "evaluation": report.evaluation_path, "video": report.video or "none"}
    print_evaluation(report.evaluation, paths)
    return 0


def _clip(clip: str, how: Retargeting, out: Path) -> str:
    """Retarget a motion file, unless `train` or this command has done so before for the latest run of its clip."""
    title = clip_title(clip, how)
    trained = latest_run_of_clip(title)
    folder = trained if trained and is_prepared(clip, how, trained / CLIPS_FOLDER) else out
    return clip_of_run(clip, how, folder, in_use=latest_run_of_clip(title, out) is not None)
