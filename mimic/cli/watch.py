"""Commands that evaluate a controller and film controllers and clips."""

import argparse
from pathlib import Path

from mimic.cli.arguments import (
    Commands,
    add_controller,
    add_engine,
    add_film_options,
    add_threads,
    diagram,
    impulses,
    positive,
    seed,
    whole,
)
from mimic.cli.retarget_options import add_retarget_options, add_take
from mimic.core import program
from mimic.play import PATHS


def add(commands: Commands) -> None:
    """Add ``evaluate``, ``render``, ``steer``, ``perform``, ``play`` and ``play-clip``."""
    _add_evaluate(commands)
    _add_render(commands)
    _add_steer(commands)
    _add_perform(commands)
    _add_play(commands)
    _add_play_clip(commands)


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add(
        "evaluate", "measure how well a controller tracks its clip, or its return in a Gymnasium task"
    )
    evaluate.add_argument(
        "--task", metavar="ID", help="measure the return in this Gymnasium task; --controller is a run of train --task"
    )
    add_controller(evaluate)
    evaluate.add_argument(
        "--clip", help="one or several clips, as of `train`, if the controller has a library (default: each of its own)"
    )
    add_take(evaluate)
    evaluate.add_argument(
        "--episodes", type=whole, default=32, help="number of episodes, each with a random start (default 32)"
    )
    evaluate.add_argument("--seconds", type=positive, default=20.0, help="length of an episode (default 20)")
    evaluate.add_argument(
        "--seed", type=seed, help="seed of the starts (default: the same starts for every controller)"
    )
    evaluate.add_argument("--json", type=Path, metavar="OUT")
    evaluate.add_argument(
        "--push", nargs="?", type=impulses, const=(), metavar="N·s,...", help="push the character: survival by impulse"
    )
    evaluate.add_argument("--push-plot", type=diagram, metavar="OUT.png", help="draw survival by impulse")
    evaluate.add_argument(
        "--footfall", type=diagram, metavar="OUT.png", help="draw when each foot is on the ground, beside the clip"
    )
    add_engine(evaluate)
    add_threads(evaluate)


def _add_render(commands: Commands) -> None:
    render = commands.add("render", "film a controller beside its clip")
    add_controller(render)
    render.add_argument(
        "--clip",
        help="one or several clips, as of `train`, if the controller has a library (default: its own, one after another)",
    )
    add_take(render)
    render.add_argument("--seconds", type=positive, default=10.0, help="length of the film (default 10)")
    render.add_argument("--view", choices=("side", "ghost"), default="side")
    add_film_options(render)


def _add_steer(commands: Commands) -> None:
    lead = commands.add("steer", "lead a controller of several clips along a path, and film it")
    which = lead.add_mutually_exclusive_group(required=True)
    which.add_argument("controller", nargs="?", default=argparse.SUPPRESS, metavar="PATH|NAME", help="the controller")
    which.add_argument("--controller", metavar="PATH|NAME", help="the same, as an option")
    which.add_argument("--character", choices=("humanoid", "dog"), help="the controller of this character that ships")
    lead.add_argument("--path", choices=PATHS, default="eight")
    lead.add_argument(
        "--radius", type=positive, default=3.0, metavar="M", help="radius of the path's circles (default 3)"
    )
    lead.add_argument("--seconds", type=positive, default=25.0, help="for which it is led (default 25)")
    lead.add_argument("--speed", type=positive, metavar="M/S", help="of a library (default: that of its slowest gait)")
    lead.add_argument("--picture", type=diagram, metavar="OUT.png", help="draw path and track from above")
    lead.add_argument("--json", type=Path, metavar="OUT", help="write laps, falls and the distance from the path")
    add_film_options(lead, required=False)


def _add_perform(commands: Commands) -> None:
    perform = commands.add("perform", "let a character perform a script of commands with times, and film it")
    perform.add_argument("script", type=Path, metavar="SCRIPT.yaml", help="the commands (docs/driving.md)")
    perform.add_argument(
        "--controller", metavar="PATH|NAME", default="humanoid", help="a controller of a library (default humanoid)"
    )
    perform.add_argument("--json", type=Path, metavar="OUT", help="write what happened, and when")
    add_film_options(perform)


def _add_play(commands: Commands) -> None:
    play = commands.add("play", "drive a character in a web page, by keys, gamepad or touch")
    play.add_argument(
        "--controller",
        action="append",
        metavar="PATH|NAME",
        help="a controller of a library, or several: A,B (default humanoid); one of a single clip plays that clip",
    )
    play.add_argument("--port", type=whole, help="port on 127.0.0.1 (default: the first free one from 8000 on)")
    play.add_argument("--no-open", action="store_true", help="open no browser, only print the address")


def _add_play_clip(commands: Commands) -> None:
    play = commands.add("play-clip", "film a clip as it is, without physics")
    play.add_argument("--clip", required=True, help=f"a name from `{program.command('clips')}`, or a clip file")
    play.add_argument(
        "--seconds",
        type=positive,
        help="length of the film (default: whole cycles of at least 4 s; a clip that plays once, and a second more)",
    )
    add_retarget_options(play)
    play.add_argument("--raw", action="store_true", help="do not lift frames out of the ground")
    add_film_options(play)
