"""Clips: what there is, what a file holds, and files fitted onto a character."""

from pathlib import Path

from mimic.cli.arguments import Commands, add_reading_options, positive


def add(commands: Commands) -> None:
    """``clips``, ``fetch``, ``inspect``, ``retarget``."""
    clips = commands.add("clips", "the named clips, where they lie and their licences")
    clips.add_argument("--json", action="store_true")

    fetch = commands.add("fetch", "download named clips whose files may not be shipped, or all")
    fetch.add_argument("names", nargs="+", metavar="NAME|all")
    fetch.add_argument(
        "--accept-licence", action="store_true", help="you have read the licence, which is shown without"
    )

    inspect = commands.add("inspect", "what a motion file holds, and what was guessed about it")
    inspect.add_argument("file", type=Path, metavar="FILE", help="a motion file, or a name from `run_mimic.py clips`")
    add_reading_options(inspect)
    inspect.add_argument("--json", type=Path, metavar="OUT")
    inspect.add_argument("--html", type=Path, metavar="OUT")

    fit = commands.add("retarget", "fit a motion file onto a character, with a report card")
    fit.add_argument("file", type=Path, metavar="FILE", help="any motion file, or a name from `run_mimic.py clips`")
    fit.add_argument("--character", required=True, metavar="NAME|MJCF", help="humanoid, dog, or your own MJCF or YAML")
    fit.add_argument("--map", type=Path, metavar="YAML", help="role: joint lines that override the mapping")
    fit.add_argument("--out", type=Path, required=True, metavar="OUT.npz", help="a clip for --clip OUT.npz")
    fit.add_argument("--json", type=Path, metavar="OUT", help="the report card for scripts")
    fit.add_argument("--html", type=Path, metavar="OUT", help="the report card as a page")
    fit.add_argument("--video", type=Path, metavar="OUT.mp4")
    fit.add_argument("--start", type=float, metavar="S", help="first second that is wanted")
    fit.add_argument("--end", type=float, metavar="S", help="last second that is wanted")
    fit.add_argument(
        "--loop", action="store_true", help="close it into a cycle, of --start to --end or the best there is"
    )
    fit.add_argument("--mirror", action="store_true", help="swap left and right")
    fit.add_argument("--repair", action="store_true", help="mend a clip that is the character's own already")
    fit.add_argument("--speed", type=positive, default=1.0, help="times as fast")
    fit.add_argument("--fps", type=positive, help="frame rate of the result (default: the file's)")
    fit.add_argument("--licence", help="what its owner allows, as in CC0: exports of what is trained on it say so")
    add_reading_options(fit, fps="--source-fps")
