"""Fit a motion file onto a character."""

import argparse
from dataclasses import replace

from mimic.cli.common import say
from mimic.cli.motion_files import edits, reading_options
from mimic.cli.tables import print_card
from mimic.core import program
from mimic.core.errors import InputError
from mimic.core.files import write_bytes, write_json
from mimic.rendering import draw, motion_frames
from mocap.formats.clip_npz import write_clip_npz
from retarget.pipeline import Options
from retarget.quality_report_html import quality_report_html
from retarget.retarget_file import retarget_file
from retarget.takes import Take, file_name, is_pattern, matching_takes, retarget_takes
from retarget.takes_page import takes_page


def run(args: argparse.Namespace) -> int:
    """Fit a motion file onto a character."""
    options = edits(args)
    if is_pattern(args.take):
        return _all_takes(args, options)
    result = retarget_file(args.file, args.character, args.out, options, reading_options(args), args.map)
    motion = replace(result.motion, license=args.licence) if args.licence else result.motion
    write_bytes(args.out, write_clip_npz(motion))
    print_card(result.report)
    if args.html:
        write_bytes(args.html, quality_report_html(result.report).encode())
    if args.json:
        write_json(args.json, result.report.to_json())
    failed = (
        "correct first the checks that failed (--html OUT.html shows where); or nevertheless "
        if result.report.verdict == "fail"
        else ""
    )
    say(f"{args.out}: {failed}train on it with {program.command(f'train --clip {args.out}')}")
    if args.video:
        film = draw(motion_frames(motion, result.character, None), result.character, args.video)
        say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}'")
    return 0


def _all_takes(args: argparse.Namespace, options: Options) -> int:
    """Fit all takes that match --take; write a folder of clips, and a page about them."""
    if args.video or (args.out.suffix and not args.out.is_dir()):
        wrong = "--video films one take" if args.video else f"--out {args.out} is one file"
        raise InputError(f"{wrong}; with --take {args.take} give a folder as --out, and no --video")
    names = matching_takes(args.file, args.take)
    args.out.mkdir(parents=True, exist_ok=True)
    count = iter(range(1, len(names) + 1))

    def done(take: Take) -> None:
        line = f"{next(count)} of {len(names)} {take.name}: {take.verdict}"
        if take.result is None:
            say(f"{line}, {take.refused}")
            return
        motion = replace(take.result.motion, license=args.licence) if args.licence else take.result.motion
        write_bytes(args.out / f"{file_name(take.name)}.npz", write_clip_npz(motion))
        worst = [check.label for check in take.result.report.checks if check.verdict == "fail"]
        say(line + (f", {', '.join(worst)}" if worst else ""))

    takes = retarget_takes(args.file, args.character, args.out, options, reading_options(args), args.map, done)
    page = args.html or args.out / "report.html"
    write_bytes(page, takes_page(args.file.stem, takes).encode())
    if args.json:
        write_json(args.json, {"takes": {take.name: take.to_json() for take in takes}})
    verdicts = [take.verdict for take in takes]
    say(f"{args.out}: " + ", ".join(f"{verdicts.count(v)} {v}" for v in ("pass", "warn", "fail", "refused")))
    say(f"{page}: all takes on one page, the worst first")
    return 0
