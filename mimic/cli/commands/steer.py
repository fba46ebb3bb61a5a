"""Steer a controller of several clips along a path, and film it."""

import argparse

from characters import load_character
from mimic.cli.common import say
from mimic.core.errors import InputError
from mimic.core.files import write_json
from mimic.play.path_following import steer
from mimic.play.path_result import draw_path_result
from mimic.rendering import draw
from mimic.runs.controller import Controller, load_controller
from mocap.catalogue import available_name

_OF_CHARACTER = {"humanoid": ("humanoid",), "dog": ("dog", "dog-authored")}


def run(args: argparse.Namespace) -> int:
    """Steer a controller of several clips along a path, and film it."""
    if not (args.out or args.json or args.picture):
        raise InputError("steer: needs --out FILM.mp4, --json FILE or --picture FILE.png")
    controller = _of_character(args.character) if args.character else load_controller(args.controller)
    result = steer(controller, args.path, args.radius, args.seconds, args.speed)
    report = result.to_json()
    mean, most = (100 * report["from_path_m"][which] for which in ("mean", "max"))
    say(
        f"{report['laps']:.2f} laps in {report['seconds']:.0f} s, {report['falls']} falls; distance from the path "
        f"{mean:.0f} cm on average, {most:.0f} cm at most"
    )
    if args.json:
        write_json(args.json, report)
    if args.picture:
        draw_path_result(result, tuple(dict.fromkeys(result.clips)), args.picture)
        say(f"{args.picture}: picture of the path and the character's track, from above")
    if args.out:
        character = load_character(controller.spec.character)
        film = draw(
            result.frames, character, args.out,
            view="ghost", size=args.size, renderer=args.renderer, quality=args.quality,
        )  # fmt: skip
        say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def _of_character(character: str) -> Controller:
    """Return the library controller of ``character`` that ships and whose clips are on this machine."""
    found = [load_controller(name) for name in _OF_CHARACTER[character]]
    return next((one for one in found if available_name(one.clip) == one.clip), found[-1])
