"""Controllers and clips taken out to game engines, the web and animation tools."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mimic.cli.arguments import Verbs, positive
from mimic.cli.common import say
from mimic.core.errors import InputError

if TYPE_CHECKING:
    from mimic.runs.controller import Controller


def add(verbs: Verbs) -> None:
    """``export``, ``verify``."""
    export = verbs.add("export", do_export, "take a controller or a clip out to a game engine")
    what = export.add_mutually_exclusive_group(required=True)
    what.add_argument("--controller", metavar="PATH|NAME", help="several, for --animation and --web: A,B")
    what.add_argument("--clip", help="a name from `run_mimic.py clips`, or a clip file")
    export.add_argument("--out", type=Path, metavar="DIR", help="folder for the bundle or the animation files")
    export.add_argument("--zip", action="store_true", help="a zip file instead of a folder (controller bundle only)")
    export.add_argument(
        "--animation", metavar="FORMATS", help="the motion instead of a bundle: glb,bvh,usd, below --out"
    )
    export.add_argument("--fps", type=positive, default=60.0, help="frames/s of animations and replays (default 60)")
    export.add_argument("--seconds", type=positive, help="so long from the start (animations: one cycle that closes)")
    export.add_argument("--in-place", action="store_true", help="animations without the way over the ground")
    export.add_argument("--replay", type=Path, metavar="OUT.html", help="one HTML file that plays the motion")
    export.add_argument("--web", type=Path, metavar="DIR", help="a web page in which the skills A,B,... run live")

    verify = verbs.add("verify", do_verify, "is a controller bundle whole, and does it compute what was recorded?")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder or zip file that export made")
    verify.add_argument("--json", type=Path, metavar="OUT")


def do_export(args: argparse.Namespace) -> int:
    """Take a controller or a clip out to a game engine: one function a product."""
    products = {"animation": _export_animation, "replay": _export_replay, "web": _export_web}
    chosen = [make for name, make in products.items() if getattr(args, name)]
    if args.zip and chosen:
        raise InputError("--zip is for the controller bundle; leave out --animation, --replay and --web, or --zip")
    if args.in_place and not args.animation:
        raise InputError("--in-place is for --animation glb,bvh,usd")
    for make in chosen or [_export_bundle]:
        make(args)
    return 0


def _exportable(name: str) -> "Controller":
    """A controller of one clip."""
    from mimic.export.requirements import require_one_clip
    from mimic.runs.controller import load_controller

    controller = load_controller(name)
    require_one_clip(controller)
    return controller


def _export_animation(args: argparse.Namespace) -> None:
    from mimic.export.animation import Cut, clip_animation, controller_animation, write_animations

    if not args.out:
        raise InputError("--animation needs --out, the folder for its files")
    cut = Cut(args.fps, args.seconds, args.in_place)
    if args.clip:
        animations = [clip_animation(args.clip, cut)]
    else:
        animations = [controller_animation(_exportable(name), cut) for name in _several(args.controller)]
    paths = write_animations(animations, args.animation.lower().split(","), args.out)
    for animation in animations:
        say(animation.note)
    say("written: " + ", ".join(map(str, paths)))


def _several(names: str) -> list[str]:
    """The controllers of ``A,B``; a path may have a comma in it."""
    return [names] if os.path.exists(names) else names.split(",")


def _export_replay(args: argparse.Namespace) -> None:
    from mimic.export.animation import replay_of_clip, replay_of_controller

    if args.clip:
        line = replay_of_clip(args.clip, args.seconds, args.fps, args.replay)
    else:
        line = replay_of_controller(_exportable(args.controller), args.seconds, args.fps, args.replay)
    say(f"{args.replay}: {line}. Open it in any browser")


def _export_web(args: argparse.Namespace) -> None:
    from mimic.export.web import export_web

    if not args.controller:
        raise InputError("--web needs --controller: it is the policy that runs in the page")
    size = export_web([_exportable(name) for name in _several(args.controller)], args.web)
    say(f"{args.web}: {size / 1e6:.1f} MB. Show it: python3 -m http.server --directory {args.web}")


def _export_bundle(args: argparse.Namespace) -> None:
    from mimic.export.bundle import export_bundle

    if not args.controller or not args.out:
        raise InputError("a controller bundle needs --controller and --out")
    path, manifest = export_bundle(_exportable(args.controller), args.out, args.zip)
    say(f"{path}: controller bundle '{manifest['name']}', {len(manifest['files'])} files")
    if manifest["warning"]:
        say(f"licence: {manifest['warning']}")
    say(f"check it: run_mimic.py verify {path}")


def do_verify(args: argparse.Namespace) -> int:
    """Check a controller bundle; with --json the verdict is written whatever it is."""
    from mimic.cli.tables import print_verdict
    from mimic.core.files import write_json
    from mimic.export.verify import verify

    try:
        verdict = verify(args.bundle)
    except InputError as error:
        if args.json:
            write_json(args.json, {"ok": False, "bundle": str(args.bundle), "error": str(error)})
        raise
    if args.json:
        write_json(args.json, verdict.to_json())
    print_verdict(verdict.to_json())
    return 0
