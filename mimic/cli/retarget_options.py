"""Options of retargeting, which `retarget` and all commands that take a motion file as ``--clip`` share."""

import argparse
from pathlib import Path

from mimic.cli.arguments import Parser, add_reading_options, positive

ROOT_MOTIONS = ("auto", "keep", "from-feet", "none")


def add_retarget_options(parser: Parser, character_required: bool = False) -> None:
    """Add the options that say how a motion file is read and retargeted."""
    group = parser if character_required else parser.add_argument_group("of a motion file", "as of `retarget`")
    guess = "" if character_required else " (default: a guess)"
    group.add_argument(
        "--character",
        required=character_required,
        metavar="NAME|MJCF",
        help=f"humanoid, dog, or your own MJCF or YAML{guess}",
    )
    group.add_argument("--map", type=Path, metavar="YAML", help="lines `role: joint` that override the mapping")
    group.add_argument("--start", type=float, metavar="S", help="start of the part to use")
    group.add_argument("--end", type=float, metavar="S", help="end of the part to use")
    by_default = "no" if character_required else "a motion that ends as it begins"
    group.add_argument(
        "--loop",
        action=argparse.BooleanOptionalAction,
        help=f"close it into a cycle: --start to --end, or else the best cycle found (default: {by_default})",
    )
    group.add_argument(
        "--root-motion",
        choices=ROOT_MOTIONS,
        default="auto",
        help="travel: auto recovers it from the feet of a motion made in place, keep takes the file's (default auto)",
    )
    group.add_argument("--mirror", action="store_true", help="swap left and right")
    group.add_argument(
        "--repair", action="store_true", help="repair a clip that is already on this character's skeleton"
    )
    group.add_argument(
        "--speed",
        type=positive,
        help="play it this many times as fast (default: 1; a hand-keyed motion as fast as the body has the force for)",
    )
    group.add_argument("--fps", type=positive, help="frame rate of the result (default: the file's)")
    group.add_argument(
        "--licence", help="licence of the recording, as in CC0; controllers trained on it carry it into exports"
    )
    add_reading_options(group)


def add_take(parser: Parser) -> None:
    """Add ``--take`` to a command that takes no other option of a motion file."""
    parser.add_argument("--take", metavar="NAME", help="the animation of the motion file --clip, if it has several")
