"""Steer a controller of several clips along a path, and film it."""

import argparse

from characters import load_character
from mimic.cli.common import say
from mimic.play.path_following import draw_path_result, steer
from mimic.rendering import draw
from mimic.runs.controller import load_controller
from mocap.catalogue import names_in


def run(args: argparse.Namespace) -> int:
    """Steer a controller of several clips along a path, and film it."""
    controller = load_controller(args.controller)
    result = steer(controller, args.path, args.radius, args.seconds)
    report = result.report()
    say(
        f"{report['laps']:.2f} laps in {report['seconds']:.0f} s, {report['falls']} falls; distance from the path "
        f"{100 * report['mean_distance_m']:.0f} cm on average, {100 * report['largest_distance_m']:.0f} cm at most"
    )
    if args.picture:
        draw_path_result(result, names_in(controller.clip), args.picture)
        say(f"{args.picture}: picture of the path and the character's track, from above")
    character = load_character(controller.spec.character)
    film = draw(
        result.frames, character, args.out, view="ghost", size=args.size, renderer=args.renderer, quality=args.quality
    )
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0
