"""Commands about clips: list, download, inspect and retarget them."""

from pathlib import Path

from mimic.cli.arguments import Commands, add_reading_options
from mimic.cli.retarget_options import add_retarget_options
from mimic.core import program


def add(commands: Commands) -> None:
    """Add ``clips``, ``fetch``, ``inspect`` and ``retarget``."""
    _add_clips(commands)
    _add_fetch(commands)
    _add_inspect(commands)
    _add_retarget(commands)


def _add_clips(commands: Commands) -> None:
    clips = commands.add("clips", "list the named clips with their files and licences")
    clips.add_argument("--json", action="store_true")


def _add_fetch(commands: Commands) -> None:
    fetch = commands.add("fetch", "download named clips whose files may not be shipped, or all")
    fetch.add_argument("names", nargs="+", metavar="NAME|all")
    fetch.add_argument(
        "--accept-licence",
        action="store_true",
        help="download: you have read the licence, which is printed without this option",
    )


def _add_inspect(commands: Commands) -> None:
    inspect = commands.add("inspect", "describe a motion file and the conventions assumed for it")
    inspect.add_argument(
        "file", type=Path, metavar="FILE", help=f"a motion file, or a name from `{program.command('clips')}`"
    )
    add_reading_options(inspect, "--fps")
    inspect.add_argument("--json", type=Path, metavar="OUT")
    inspect.add_argument("--html", type=Path, metavar="OUT")


def _add_retarget(commands: Commands) -> None:
    fit = commands.add("retarget", "fit a motion file onto a character, with a quality report")
    fit.add_argument(
        "file", type=Path, metavar="FILE", help=f"any motion file, or a name from `{program.command('clips')}`"
    )
    fit.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT.npz",
        help="the clip to write, used with --clip OUT.npz; a folder for --take all or --take PATTERN",
    )
    fit.add_argument("--json", type=Path, metavar="OUT", help="the quality report for scripts")
    fit.add_argument("--html", type=Path, metavar="OUT", help="the quality report as a page")
    fit.add_argument("--video", type=Path, metavar="OUT.mp4")
    add_retarget_options(fit, character_required=True)
