"""Controllers and clips taken out to game engines, the web and animation tools."""

from pathlib import Path

from mimic.cli.arguments import Commands, positive


def add(commands: Commands) -> None:
    """``export``, ``verify``."""
    export = commands.add("export", "take a controller or a clip out to a game engine")
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

    verify = commands.add("verify", "is a controller bundle whole, and does it compute what was recorded?")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder or zip file that export made")
    verify.add_argument("--json", type=Path, metavar="OUT")
