"""Export a controller or a clip: one function per product."""

import argparse
import os
from collections.abc import Sequence

from mimic.cli.common import say
from mimic.cli.motion_files import scratch_clip
from mimic.core import program
from mimic.core.errors import InputError
from mimic.core.files import make_folder, write_bytes
from mimic.exporting.animation import (
    Animation,
    Cut,
    check_formats,
    clip_animation,
    controller_animation,
    replay_of_clip,
    replay_of_controller,
    write_animations,
)
from mimic.exporting.bundle import export_bundle
from mimic.exporting.onto import onto
from mimic.exporting.requirements import require_one_clip
from mimic.exporting.web import export_web
from mimic.runs.controller import Controller, load_controller
from mimic.runs.motion_file import Retargeting
from retarget.mapping import read_map


def run(args: argparse.Namespace) -> int:
    """Write the products that the options ask for; without any, a controller bundle."""
    products = {"animation": _export_animation, "replay": _export_replay, "web": _export_web}
    chosen = [make for name, make in products.items() if getattr(args, name)]
    if args.zip and chosen:
        raise InputError("--zip is for the controller bundle; leave out --animation, --replay and --web, or --zip")
    if args.in_place and not args.animation:
        raise InputError("--in-place is for --animation glb,bvh,usd")
    if (args.onto or args.map) and not (args.animation and args.onto):
        raise InputError("--onto is for --animation glb, and --map is for --onto")
    if args.clip:
        args.clip = scratch_clip(args.clip, Retargeting.of_take(args.take))
    for make in chosen or [_export_bundle]:
        make(args)
    return 0


def _exportable(name: str) -> Controller:
    """Load a controller. Raises InputError if it was trained on several clips."""
    controller = load_controller(name)
    require_one_clip(controller)
    return controller


def _export_animation(args: argparse.Namespace) -> None:

    if not args.out:
        raise InputError("--animation needs --out, the folder for its files")
    formats = args.animation.lower().split(",")
    check_formats(formats)  # before the simulation
    cut = Cut(args.fps, args.seconds, args.in_place)
    if args.clip:
        animations = [clip_animation(args.clip, cut)]
    else:
        animations = [controller_animation(_exportable(name), cut) for name in _several(args.controller)]
    if args.onto:
        _write_onto(args, animations)
        return
    paths = write_animations(animations, formats, args.out)
    for animation in animations:
        say(animation.note)
    say("written: " + ", ".join(map(str, paths)))


def _write_onto(args: argparse.Namespace, animations: Sequence[Animation]) -> None:
    if args.animation.lower() != "glb":
        raise InputError("--onto writes GLB: use it with --animation glb")
    bones = read_map(args.map) if args.map else None
    path = args.out / args.onto.name
    if path.exists() and path.samefile(args.onto):
        raise InputError(f"{path} is the character's own file, which would be overwritten; choose another --out")
    worn = onto(args.onto, animations[0].character, [animation.motion for animation in animations], bones)
    make_folder(args.out)
    write_bytes(path, worn.glb)
    for animation in animations:
        say(animation.note)
    say(f"written: {path}; joints: " + ", ".join(f"{role} {bone}" for role, bone in worn.bones.items()))


def _several(names: str) -> list[str]:
    """Split ``A,B`` into names of controllers. An existing path is one name, even if it contains a comma."""
    return [names] if os.path.exists(names) else names.split(",")


def _export_replay(args: argparse.Namespace) -> None:

    if args.clip:
        line = replay_of_clip(args.clip, args.seconds, args.fps, args.replay)
    else:
        line = replay_of_controller(_exportable(args.controller), args.seconds, args.fps, args.replay)
    say(f"{args.replay}: {line}. Open it in any browser")


def _export_web(args: argparse.Namespace) -> None:

    if not args.controller:
        raise InputError("--web needs --controller, whose policy runs in the page")
    size = export_web([load_controller(name) for name in _several(args.controller)], args.web)
    say(f"{args.web}: {size / 1e6:.1f} MB. Show it: python3 -m http.server --directory {args.web}")


def _export_bundle(args: argparse.Namespace) -> None:

    if not args.controller or not args.out:
        raise InputError("a controller bundle needs --controller and --out")
    path, manifest = export_bundle(load_controller(args.controller), args.out, args.zip)
    say(f"{path}: controller bundle '{manifest['name']}', {len(manifest['files'])} files")
    if manifest["warning"]:
        say(f"licence: {manifest['warning']}")
    say(f"check it: {program.command(f'verify {path}')}")
