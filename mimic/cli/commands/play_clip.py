"""Film a clip as it is, without physics."""

import argparse

from characters import load_character
from mimic.cli.common import say
from mimic.rendering import draw, motion_frames
from mimic.tracking import rules_of
from mocap.catalogue import load_clip
from retarget.ground import lift_penetration


def run(args: argparse.Namespace) -> int:
    """Film a clip as it is, without physics."""
    motion = load_clip(args.clip)
    character = load_character(motion.character)
    motion = motion if args.raw else lift_penetration(motion, character)
    turns = rules_of((motion,), character).sync_root_yaw
    frames = motion_frames(motion, character, args.seconds, turn_on=turns)
    film = draw(frames, character, args.out, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0
