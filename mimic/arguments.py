"""The words of the command line: verbs, their options, and complaints that name the nearest valid word."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from characters.errors import InputError, nearest

ENGINES = ("mujoco", "warp", "bullet")  # as in mimic/sim, which is slow to import
DEVICES = ("cpu", "cuda")
PATHS = ("eight", "left", "right")  # as in mimic/steer.py
DIAGRAMS = ("png", "svg", "pdf")  # as in mimic/picture.py
Action = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are InputErrors that name the nearest valid words."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError instead of printing the usage."""
        raise InputError(f"{message}. See {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse everything; an unknown option is an error with a hint, whatever else is wrong."""
        argv = _join_axes(argv)
        try:
            args, unknown = self.parse_known_args(argv)
        except InputError:
            self._check_options(argv)
            raise
        if unknown:
            raise _unknown_option(unknown[0], args.parser)
        return args

    def _check_options(self, argv: Sequence[str]) -> None:
        """Raise InputError for the first option that the verb does not have: a misspelt one may be why one is missing."""
        verbs = next(a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction))
        if argv[0] in verbs:
            known = verbs[argv[0]]._option_string_actions
            for word in argv[1:]:
                if word.startswith("--") and not any(option.startswith(word.split("=")[0]) for option in known):
                    raise _unknown_option(word, verbs[argv[0]])


def _join_axes(argv: Sequence[str]) -> list[str]:
    """``--up -z`` as ``--up=-z``: argparse would take the axis for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in ("--up", "--forward") and word in ("-x", "-y", "-z"):
            word = f"{joined.pop()}={word}"
        joined.append(word)
    return joined


def _unknown_option(word: str, parser: argparse.ArgumentParser) -> InputError:
    return InputError(f"unknown option '{word}'; {nearest(word.split('=')[0], parser._option_string_actions)}")


def build_parser(actions: Mapping[str, Action], description: str | None) -> Parser:
    """The command line, one sub-parser a verb; ``args.action`` is what ``actions`` has for it."""
    parser = Parser(prog="run_mimic.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)

    def verb(name: str, help_text: str) -> Parser:
        sub: Parser = verbs.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(action=actions[name], parser=sub)
        return sub

    job = verb("run", "controller, evaluation and video of one clip (what --clip alone does)")
    _add_run_options(job)
    job.add_argument(
        "--minutes", type=positive, default=10.0, help="training time, if there is no controller yet (default 10)"
    )
    job.add_argument("--seconds", type=positive, default=10.0, help="length of the video")
    job.add_argument("--out", type=Path, help="folder for everything that is made (default out/CLIP)")

    train = verb("train", "train a controller, or go on training it")
    _add_run_options(train)
    train.add_argument(
        "--minutes",
        type=positive,
        default=0.0,
        help="stop after so many minutes (default: at --samples, else at Ctrl-C)",
    )
    train.add_argument("--samples", type=whole, default=0, help="stop at so many samples in all")
    train.add_argument(
        "--from", dest="initial", default="", metavar="PATH|NAME", help="begin with what this controller can do already"
    )
    train.add_argument("--resume", action="store_true", help="go on with the run in --out, or the last one of the clip")
    train.add_argument("--out", type=Path, help="run folder (default runs/CLIP-ALGORITHM)")

    evaluate = verb("evaluate", "how well a controller tracks its clip")
    evaluate.add_argument("--controller", required=True, metavar="PATH|NAME")
    evaluate.add_argument("--episodes", type=whole, default=32, help="from as many random phases (default 32)")
    evaluate.add_argument("--seconds", type=positive, default=20.0, help="length of an episode (default 20)")
    evaluate.add_argument("--seed", type=seed, help="of other phases (default: the same for everyone)")
    evaluate.add_argument("--json", type=Path, metavar="OUT")
    evaluate.add_argument(
        "--push", nargs="?", type=impulses, const=(), metavar="N·s,...", help="push it: impulse against survival"
    )
    evaluate.add_argument("--push-plot", type=diagram, metavar="OUT.png", help="the same as a picture")
    evaluate.add_argument(
        "--footfall", type=diagram, metavar="OUT.png", help="which foot is down when, beside the clip"
    )
    _add_engine(evaluate)
    _add_threads(evaluate)

    pack = verb("pack", "keep a run's best checkpoint as a small controller folder, evaluated")
    pack.add_argument("run", type=Path, metavar="RUN")
    pack.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    pack.add_argument("--episodes", type=whole, default=32)
    _add_threads(pack)

    render = verb("render", "film a controller beside its clip")
    render.add_argument("--controller", required=True, metavar="PATH|NAME")
    render.add_argument("--seconds", type=positive, default=10.0, help="length of the film (default 10)")
    render.add_argument("--view", choices=("side", "ghost"), default="side")
    _add_film_options(render)

    lead = verb("steer", "lead a controller of several clips (train --clip A+B+C) along a path, and film it")
    lead.add_argument("--controller", required=True, metavar="PATH|NAME")
    lead.add_argument("--path", choices=PATHS, default="eight")
    lead.add_argument("--radius", type=positive, default=3.0, metavar="M", help="of the path's circles (default 3)")
    lead.add_argument("--seconds", type=positive, default=25.0)
    lead.add_argument("--picture", type=diagram, metavar="OUT.png", help="path and track from above")
    _add_film_options(lead)

    play = verb("play-clip", "film a clip as it is, without physics")
    play.add_argument("--clip", required=True)
    play.add_argument("--seconds", type=positive, default=None)
    play.add_argument("--raw", action="store_true", help="leave frames below the ground where they are")
    _add_film_options(play)

    export = verb("export", "take a controller or a clip out to a game engine")
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

    verify = verb("verify", "is a controller bundle whole, and does it compute what was recorded?")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder or zip file that export made")
    verify.add_argument("--json", type=Path, metavar="OUT")

    clips = verb("clips", "the named clips, where they lie and their licences")
    clips.add_argument("--json", action="store_true")

    fetch = verb("fetch", "download named clips whose files may not be shipped, or all")
    fetch.add_argument("names", nargs="+", metavar="NAME|all")
    fetch.add_argument(
        "--accept-licence", action="store_true", help="you have read the licence, which is shown without"
    )

    inspect = verb("inspect", "what a motion file holds, and what was guessed about it")
    inspect.add_argument("file", type=Path, metavar="FILE", help="a motion file, or a name from `run_mimic.py clips`")
    add_reading_options(inspect)
    inspect.add_argument("--json", type=Path, metavar="OUT")
    inspect.add_argument("--html", type=Path, metavar="OUT")

    fit = verb("retarget", "fit a motion file onto a character, with a report card")
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
    add_reading_options(fit, fps="--source-fps")

    curves = verb("curves", "learning curves of several runs in one picture and a table")
    curves.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    curves.add_argument("--out", type=diagram, default=Path("curves.png"), metavar="OUT.png")
    curves.add_argument("--reach", type=positive, metavar="RETURN", help="also say when each run first reached it")

    diagnose = verb("diagnose", "why a run does not learn, in words: where it falls, what is at fault, what to try")
    diagnose.add_argument("run", type=Path, metavar="RUN", help="a folder that train has written")
    diagnose.add_argument("--episodes", type=whole, default=64, help="episodes its newest policy is tried out in")
    diagnose.add_argument("--json", type=Path, metavar="OUT")
    _add_threads(diagnose)

    bench = verb("bench", "measure speed")
    bench.add_argument("what", choices=("sim", "train", "retarget"), help="environment, training, or retargeting")
    bench.add_argument("--clip", type=Path, metavar="FILE", help="what to retarget (default: a clip at hand, enlarged)")
    bench.add_argument("--character", choices=("humanoid", "dog"), default="humanoid")
    bench.add_argument("--num-envs", type=whole, default=0, help="default: 4096 for sim, the preset's for train")
    bench.add_argument("--preset", default="fast")
    bench.add_argument("--algorithm", choices=("awr", "ppo", "rwr"), default="awr")
    bench.add_argument("--pybullet", action="store_true", help="time pybullet's DeepMimic environment beside it")
    bench.add_argument("--json", type=Path, metavar="OUT")
    _add_engine(bench)
    _add_threads(bench)

    doctor = verb("doctor", "what this machine can do, and what would help")
    doctor.add_argument("--json", action="store_true")
    return parser


def _add_run_options(parser: Parser) -> None:
    parser.add_argument("--clip", required=True, help="a name from `run_mimic.py clips`, or a clip file")
    parser.add_argument("--preset", default="fast", help="fast, feet, paper, or a YAML file (default fast)")
    parser.add_argument("--algorithm", choices=("awr", "ppo", "rwr"), default="awr")
    parser.add_argument("--num-envs", type=whole, default=0, help="environments side by side (default: the preset's)")
    _add_engine(parser)
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one value of the preset"
    )
    _add_threads(parser)


def add_reading_options(parser: Parser, fps: str = "--fps") -> None:
    """What the user may say about a motion file: the fields of ``mocap.conventions.ReadOptions``."""
    parser.add_argument("--unit", help="unit of length in the file: m, cm, mm, inch, cmu, or metres a unit")
    parser.add_argument("--up", metavar="AXIS", help="axis of the file that points up: y, z, -y ...")
    parser.add_argument("--forward", metavar="AXIS", help="axis of the file that the figure faces at first")
    parser.add_argument(fps, dest="source_fps", type=positive, help="frames a second of the file")
    parser.add_argument("--root", metavar="NAME", help="which figure, where a file has several")
    parser.add_argument("--take", metavar="NAME", help="which animation, where a file has several")
    parser.add_argument("--skeleton", metavar="FILE", help="the file with the bones: an ASF, a SMPL body model (.npz)")


def _add_film_options(parser: Parser) -> None:
    parser.add_argument(
        "--size", type=picture_size, default=(1280, 480), metavar="WxH", help="of the picture (default 1280x480)"
    )
    parser.add_argument("--renderer", choices=("auto", "egl", "tiny"), default="auto")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.mp4")


def _add_engine(parser: Parser) -> None:
    parser.add_argument(
        "--engine", choices=ENGINES, default="mujoco", help="mujoco (CPU, the default), warp (GPU) or bullet (check)"
    )
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="cuda: with --engine warp; to train, with any")


def _add_threads(parser: Parser) -> None:
    parser.add_argument("--threads", type=thread_count, default=0, help="simulation threads (default: all cores)")


def positive(text: str) -> float:
    """A number above zero."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' must be above 0")
    return value


def whole(text: str) -> int:
    """A whole number above zero; 1e6 and 1_000_000 are read too."""
    value = float(text)
    if not 1 <= value <= 1e15 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number above 0")
    return int(value)


def impulses(text: str) -> tuple[float, ...]:
    """Impulses [N·s] with commas between, as in 0,20,40: sorted, each once."""
    values = sorted({float(part) for part in text.split(",")})
    if not all(0.0 <= value <= 1e4 for value in values) or len(values) > 100:
        raise argparse.ArgumentTypeError(f"'{text}' must be up to 100 numbers from 0 to 10000, as in 0,20,40")
    return tuple(values)


def seed(text: str) -> int:
    """A whole number, negative ones too, that fits into 32 bits."""
    if abs(value := int(text)) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' must lie between -2^31 and 2^31")
    return value


def thread_count(text: str) -> int:
    """A whole number; 0 means all cores."""
    if not 0 <= (value := int(text)) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}' must be a number of threads, or 0 for all cores")
    return value


def diagram(text: str) -> Path:
    """A file for a diagram: .png, .svg or .pdf; refused here, before anything is computed for it."""
    if Path(text).suffix.lower().removeprefix(".") not in DIAGRAMS:
        raise argparse.ArgumentTypeError(f"'{text}' must end in .{', .'.join(DIAGRAMS)}")
    return Path(text)


def picture_size(text: str) -> tuple[int, int]:
    """WxH, as in 1280x480."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, as in 1280x480")
    return int(width), int(height)
