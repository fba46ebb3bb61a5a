"""Describe a motion file and the conventions assumed for it."""

import argparse

from mimic.cli.common import say
from mimic.cli.motion_files import reading_options
from mimic.cli.tables import print_card, print_description
from mimic.core.files import write_bytes, write_json
from mocap.describe import describe, retarget_command, stick_figure
from mocap.formats import take_names
from mocap.skeleton import KeypointMotion, SkeletonMotion
from retarget.inspect_page import inspect_page
from retarget.quality_report_html import quality_report_html
from retarget.retarget_file import load_motion, mapping_of, quality_report_of


def run(args: argparse.Namespace) -> int:
    """Describe a motion file and the conventions assumed for it."""
    clip = load_motion(args.file, reading_options(args))
    report = describe(clip)
    report["mapping"] = mapping_of(clip)
    if isinstance(clip, SkeletonMotion | KeypointMotion) and len(takes := take_names(args.file)) > 1:
        report["takes"] = list(takes)
    card = quality_report_of(clip)
    print_description(report)
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
