"""Clips: what there is, what a file holds, and files fitted onto a character."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mimic.cli.arguments import Verbs, add_reading_options, positive
from mimic.cli.common import say

if TYPE_CHECKING:
    from mocap.conventions import ReadOptions


def add(verbs: Verbs) -> None:
    """``clips``, ``fetch``, ``inspect``, ``retarget``."""
    clips = verbs.add("clips", do_clips, "the named clips, where they lie and their licences")
    clips.add_argument("--json", action="store_true")

    fetch = verbs.add("fetch", do_fetch, "download named clips whose files may not be shipped, or all")
    fetch.add_argument("names", nargs="+", metavar="NAME|all")
    fetch.add_argument(
        "--accept-licence", action="store_true", help="you have read the licence, which is shown without"
    )

    inspect = verbs.add("inspect", do_inspect, "what a motion file holds, and what was guessed about it")
    inspect.add_argument("file", type=Path, metavar="FILE", help="a motion file, or a name from `run_mimic.py clips`")
    add_reading_options(inspect)
    inspect.add_argument("--json", type=Path, metavar="OUT")
    inspect.add_argument("--html", type=Path, metavar="OUT")

    fit = verbs.add("retarget", do_retarget, "fit a motion file onto a character, with a report card")
    fit.add_argument("file", type=Path, metavar="FILE", help="any motion file, or a name from `run_mimic.py clips`")
    fit.add_argument("--character", required=True, metavar="NAME|MJCF", help="humanoid, dog, or your own MJCF or YAML")
    fit.add_argument("--map", type=Path, metavar="YAML", help="role: joint lines that override the mapping")
    fit.add_argument("--out", type=Path, required=True, metavar="OUT.npz", help="a clip for --clip OUT.npz")
    fit.add_argument("--json", type=Path, metavar="OUT", help="the report card for scripts")
    fit.add_argument("--html", type=Path, metavar="OUT", help="the report card as a page")
    fit.add_argument("--video", type=Path, metavar="OUT.mp4")
    fit.add_argument("--start", type=float, metavar="S", help="first second that is wanted")
    fit.add_argument("--end", type=float, metavar="S", help="last second that is wanted")
    fit.add_argument(
        "--loop", action="store_true", help="close it into a cycle, of --start to --end or the best there is"
    )
    fit.add_argument("--mirror", action="store_true", help="swap left and right")
    fit.add_argument("--repair", action="store_true", help="mend a clip that is the character's own already")
    fit.add_argument("--speed", type=positive, default=1.0, help="times as fast")
    fit.add_argument("--fps", type=positive, help="frame rate of the result (default: the file's)")
    fit.add_argument("--licence", help="what its owner allows, as in CC0: exports of what is trained on it say so")
    add_reading_options(fit, fps="--source-fps")


def do_clips(args: argparse.Namespace) -> int:
    """List the named clips."""
    from mimic.cli.tables import print_clips
    from mimic.runs.controller import shipped_controllers
    from mocap.catalogue import list_clips

    clips, controllers = list_clips(), shipped_controllers()
    if args.json:
        print(json.dumps([info.to_json() | {"controller": info.name in controllers} for info in clips], indent=1))
    else:
        print_clips(clips, controllers)
    return 0


def do_fetch(args: argparse.Namespace) -> int:
    """Download named clips whose licence has been accepted."""
    from mocap.catalogue import fetch_clips

    for info in fetch_clips(args.names, args.accept_licence):
        say(f"{info.name}: {info.where}")
    return 0


def do_inspect(args: argparse.Namespace) -> int:
    """Say what a motion file holds."""
    from mimic.cli.tables import print_card, print_description
    from mimic.core.files import write_bytes, write_json
    from mocap.describe import describe, retarget_command, stick_figure
    from retarget.inspect_page import inspect_page
    from retarget.quality_report_html import quality_report_html
    from retarget.retarget_file import load_motion, quality_report_of

    clip = load_motion(args.file, _reading_options(args))
    report = describe(clip)
    print_description(report)
    card = quality_report_of(clip)
    if card:
        print_card(card)
        report["card"] = card.to_json()
    else:
        say(f"next: {retarget_command(clip, args.file)}")
    if args.json:
        write_json(args.json, report)
    if args.html:
        page = inspect_page(report, stick_figure(clip))
        write_bytes(args.html, (page + quality_report_html(card) if card else page).encode())
    return 0


def do_retarget(args: argparse.Namespace) -> int:
    """Fit a motion file onto a character."""
    from mimic.cli.tables import print_card
    from mimic.core.files import write_bytes, write_json
    from mocap.formats.clip_npz import write_clip_npz
    from retarget.pipeline import Options
    from retarget.quality_report_html import quality_report_html
    from retarget.retarget_file import retarget_file

    options = Options(args.start, args.end, args.loop, args.mirror, args.speed, args.repair, args.fps)
    result = retarget_file(args.file, args.character, args.out, options, _reading_options(args), args.map)
    motion = replace(result.motion, license=args.licence) if args.licence else result.motion
    write_bytes(args.out, write_clip_npz(motion))
    print_card(result.report)
    if args.html:
        write_bytes(args.html, quality_report_html(result.report).encode())
    if args.json:
        write_json(args.json, result.report.to_json())
    failed = (
        "mend first what failed (--html OUT.html draws where), or, as it is, "
        if result.report.verdict == "fail"
        else ""
    )
    say(f"{args.out}: {failed}train on it with run_mimic.py train --clip {args.out}")
    if args.video:
        from mimic.render import draw, motion_frames

        film = draw(motion_frames(motion, result.character, None), result.character, args.video)
        say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}'")
    return 0


def _reading_options(args: argparse.Namespace) -> "ReadOptions":
    """What the user said about a motion file. Raises InputError for a word that means nothing."""
    from mocap.conventions import ReadOptions

    keys = ("unit", "up", "forward", "root", "take", "skeleton")
    return ReadOptions(fps=args.source_fps, **{key: getattr(args, key) for key in keys})
