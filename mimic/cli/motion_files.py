"""What the arguments say about a motion file as ``--clip``, and the file as a clip for a run or for one command."""

import argparse
import atexit
import shutil
import tempfile
from pathlib import Path

from mimic.cli.common import say
from mimic.core.errors import InputError
from mimic.runs.controller import Controller, short_name
from mimic.runs.motion_file import CLIPS_FOLDER, Retargeting, clip_title, must_be_retargeted, prepare_file
from mocap.clip_library import is_library, read_library
from mocap.conventions import ReadOptions
from retarget.pipeline import Options
from retarget.takes import is_pattern


def retargeting(args: argparse.Namespace) -> Retargeting:
    """Return how the arguments say to retarget a motion file. Raises InputError for an unknown unit or axis."""
    if not hasattr(args, "root_motion"):
        return Retargeting.of_take(getattr(args, "take", None))
    return Retargeting(args.character, edits(args), reading_options(args), args.map, args.licence, args.loop)


def edits(args: argparse.Namespace) -> Options:
    """Return the part of the recording and the edits that the arguments ask for."""
    return Options(
        args.start, args.end, bool(args.loop), args.mirror, args.speed, args.repair, args.fps, args.root_motion
    )


def one_take(args: argparse.Namespace) -> str | None:
    """Return ``--take``. Raises InputError for a pattern, which asks for several."""
    take: str | None = args.take
    if is_pattern(take):
        raise InputError(f"--take {take}: name one take; `retarget` takes several")
    return take


def reading_options(args: argparse.Namespace) -> ReadOptions:
    """Return the user's options for reading a motion file. Raises InputError for an unknown unit or axis."""
    keys = ("unit", "up", "forward", "root", "take", "skeleton")
    return ReadOptions(fps=args.source_fps, **{key: getattr(args, key) for key in keys})


def clip_of_run(clip: str, how: Retargeting, out: Path, in_use: bool = False) -> str:
    """Return the name of a clip for ``load_clip``; a motion file of another skeleton is retargeted into ``out / "clips"``.

    ``in_use`` says that a run was trained on it. Raises InputError if the file cannot be read or retargeted.
    """
    return prepare_file(clip, how, out / CLIPS_FOLDER, say, in_use) if must_be_retargeted(clip, how) else clip


def scratch_folder() -> Path:
    """Return a new folder that is removed when the program ends."""
    folder = tempfile.mkdtemp(prefix="mimic-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def scratch_clip(clip: str, how: Retargeting) -> str:
    """Return the name of a clip for ``load_clip``; a motion file of another skeleton is retargeted for this command only.

    Raises InputError if the file cannot be read or retargeted.
    """
    if is_library(clip) or not must_be_retargeted(clip, how):
        if is_library(clip) and how.is_stated:
            raise InputError("--take and other options of a motion file are for one clip; retarget each file first")
        return clip
    return prepare_file(clip, how, scratch_folder(), say)


def known_clip(controller: Controller, clip: str, take: str | None) -> str:
    """Return the controller's clip that was made from the motion file ``clip``; other clips are returned as they are.

    A motion file on which the controller was not trained is retargeted for this command only. Raises InputError.
    """
    how = Retargeting.of_take(take, controller.spec.character)
    if clip in controller.clips or not must_be_retargeted(clip, Retargeting.of_take(take)):
        return clip
    title = clip_title(clip, how)
    known = [its for its in controller.clips if short_name(its) == title]
    return known[0] if known else scratch_clip(clip, how)


def select_clips(controller: Controller, text: str, take: str | None = None) -> Controller:
    """Return the controller for the clips of ``--clip``; says on which it was not trained. Raises InputError."""
    asked = [one.name for one in read_library(text)]
    if take and len(asked) > 1:
        raise InputError("--take is for one clip; retarget each file first")
    names = [known_clip(controller, name, take) for name in asked]
    for name in names:
        chosen = controller.of_clip(name)
        if name not in controller.clips:
            say(f"{chosen.path}: was not trained on '{short_name(name)}'")
    return controller.of_clips(names)
