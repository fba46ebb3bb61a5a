"""Film a controller beside its clip."""

import argparse

from mimic.cli.common import say
from mimic.cli.motion_files import select_clips
from mimic.rendering.controller_film import render_controller
from mimic.runs.controller import load_controller


def run(args: argparse.Namespace) -> int:
    """Film a controller beside its clip."""
    controller = load_controller(args.controller)
    if args.clip:
        controller = select_clips(controller, args.clip, args.take)
    film = render_controller(
        controller, args.out, args.seconds, view=args.view, size=args.size, renderer=args.renderer, quality=args.quality
    )
    say(f"{film.path}: {film.frames} frames in {film.seconds:.0f} s with renderer '{film.renderer}' ({film.reason})")
    return 0
