"""Film a clip as it is, without physics."""

import argparse

from characters import Character, load_character
from mimic.cli.common import say
from mimic.cli.motion_files import one_take, retargeting, scratch_clip
from mimic.rendering import draw, motion_frames
from mimic.rendering.scene import Frame
from mimic.tracking import rules_of
from mocap.catalogue import load_clips
from mocap.clip_library import read_library
from mocap.motion import Motion
from retarget.ground import lift_penetration


def run(args: argparse.Namespace) -> int:
    """Film a clip as it is, without physics, or several clips one after another."""
    one_take(args)
    clip = scratch_clip(args.clip, retargeting(args))
    motions = load_clips("+".join(one.name for one in read_library(clip)))
    character = load_character(motions[0].character)
    frames = [frame for motion in motions for frame in _frames(motion, character, args)]
    film = draw(frames, character, args.out, size=args.size, renderer=args.renderer, quality=args.quality)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def _frames(motion: Motion, character: Character, args: argparse.Namespace) -> list[Frame]:
    motion = motion if args.raw else lift_penetration(motion, character)
    turns = rules_of((motion,), character).sync_root_yaw
    return motion_frames(motion, character, args.seconds, turn_on=turns)
