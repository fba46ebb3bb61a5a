"""Let a character perform a script of commands, and film it."""

import argparse
from collections.abc import Mapping
from typing import Any

from characters import load_character
from mimic.cli.common import say
from mimic.core.files import write_json
from mimic.play.performing import perform
from mimic.play.script import read_script
from mimic.rendering import draw
from mimic.runs.controller import load_controller
from mocap.stance import STAND


def run(args: argparse.Namespace) -> int:
    """Let a character perform a script of commands, and film it."""
    controller = load_controller(args.controller)
    script = read_script(args.script, tuple(dict.fromkeys((*controller.clips, STAND))))
    performance = perform(controller, script)
    for event in performance.events:
        say(f"{event.time:6.2f} s  {event.kind:<9} {_words(event.what)}")
    if args.json:
        write_json(args.json, performance.to_json())
    character = load_character(controller.spec.character)
    film = draw(
        performance.frames, character, args.out,
        view="ghost", size=args.size, renderer=args.renderer, quality=args.quality,
    )  # fmt: skip
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def _words(what: Mapping[str, Any]) -> str:
    """Return a dictionary as `steer speed 1.2, turn 0`."""
    parts = [
        f"{name} {_words(value)}" if isinstance(value, Mapping) else _pair(name, value) for name, value in what.items()
    ]
    return ", ".join(parts)


def _pair(name: str, value: Any) -> str:
    return name if value is True else f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
