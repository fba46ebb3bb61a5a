"""Commands that export controllers and clips to game engines, the web and animation tools."""

import argparse
from pathlib import Path
from typing import Any

from mimic.cli.arguments import Commands, positive
from mimic.cli.retarget_options import add_take
from mimic.core import program


def add(commands: Commands) -> None:
    """Add ``export`` and ``verify``."""
    export = commands.add("export", "export a controller or a clip to a game engine, the web or an animation tool")
    what = export.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--controller",
        metavar="PATH|NAME",
        action=_Once,
        help="a controller; --animation and --web take several: A,B",
    )
    what.add_argument("--clip", help=f"a name from `{program.command('clips')}`, or a clip file")
    add_take(export)
    export.add_argument("--out", type=Path, metavar="DIR", help="folder for the bundle or the animation files")
    export.add_argument(
        "--zip", action="store_true", help="write a zip file instead of a folder (controller bundle only)"
    )
    export.add_argument(
        "--animation", metavar="FORMATS", help="write the motion instead of a bundle, as glb,bvh,usd, below --out"
    )
    export.add_argument(
        "--fps", type=positive, default=60.0, help="frames a second of animations and replays (default 60)"
    )
    export.add_argument(
        "--seconds", type=positive, help="length from the start (default for animations: one closed cycle)"
    )
    export.add_argument(
        "--onto", type=Path, metavar="THEIRS.glb", help="with --animation glb: onto the skinned character of this file"
    )
    export.add_argument("--map", type=Path, metavar="YAML", help="with --onto: lines `role: bone` of the character")
    export.add_argument("--in-place", action="store_true", help="remove the horizontal travel from animations")
    export.add_argument("--replay", type=Path, metavar="OUT.html", help="write one HTML file that plays the motion")
    export.add_argument(
        "--web", type=Path, metavar="DIR", help="write a web page that simulates the controllers A,B,... live"
    )

    verify = commands.add("verify", "check that a controller bundle is undamaged and computes the recorded numbers")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder or zip file that export made")
    verify.add_argument("--json", type=Path, metavar="OUT")


class _Once(argparse.Action):
    """Stores a value, and refuses a second one, which would silently replace the first."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        earlier = getattr(namespace, self.dest)
        if earlier is not None:
            parser.error(
                f"{option_string} appears twice; name one controller, or for --animation and --web several as "
                f"{earlier},{values}"
            )
        setattr(namespace, self.dest, values)
