"""Fit a motion file onto a character."""

import argparse
from dataclasses import replace

from mimic.cli.common import reading_options, say
from mimic.cli.tables import print_card
from mimic.core import program
from mimic.core.files import write_bytes, write_json
from mimic.rendering import draw, motion_frames
from mocap.formats.clip_npz import write_clip_npz
from retarget.pipeline import Options
from retarget.quality_report_html import quality_report_html
from retarget.retarget_file import retarget_file


def run(args: argparse.Namespace) -> int:
    """Fit a motion file onto a character."""
    options = Options(args.start, args.end, args.loop, args.mirror, args.speed, args.repair, args.fps)
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
