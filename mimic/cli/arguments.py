"""Parser of the command line, options that several commands share, and errors that name the nearest valid word."""

import argparse
import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mimic.core import program
from mimic.core.errors import InputError, nearest
from mimic.core.files import check_writable
from mimic.core.plotting import FORMATS as DIAGRAMS
from mimic.rl.algorithms import ALGORITHMS
from mimic.sim import ENGINES

DEVICES = ("cpu", "cuda")
_SIZES = {"540p": (960, 540), "720p": (1280, 720), "1080p": (1920, 1080)}


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputErrors, which name the nearest valid words."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError instead of printing the usage."""
        raise InputError(f"{message}. See {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse a command line. An unknown option is reported first, with a hint, before any other error."""
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
        """Raise InputError for the first unknown option: a misspelt option may be the reason why a required one is missing."""
        parser, words = self, list(argv)
        while words and (command := commands_of(parser).get(words[0])):
            parser = command
            words.pop(0)
        known = parser._option_string_actions
        for word in words if parser is not self else []:
            if word.startswith("--") and not any(option.startswith(word.split("=")[0]) for option in known):
                raise _unknown_option(word, parser)


def commands_of(parser: Parser) -> dict[str, Parser]:
    """Return the commands of a parser by name; none if it has no commands."""
    return next((a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)), {})


def _join_axes(argv: Sequence[str]) -> list[str]:
    """Join ``--up -z`` to ``--up=-z``, because argparse would take the axis for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in ("--up", "--forward") and word in ("-x", "-y", "-z"):
            word = f"{joined.pop()}={word}"
        joined.append(word)
    return joined


def _unknown_option(word: str, parser: argparse.ArgumentParser) -> InputError:
    return InputError(f"unknown option '{word}'; {nearest(word.split('=')[0], parser._option_string_actions)}")


class CommandGroup:
    """Commands, or the subcommands of one, that are added one at a time.

    Attributes:
        names: names of the commands added so far.
    """

    def __init__(self, subparsers: Any, prefix: str = "") -> None:
        self._subparsers, self._prefix = subparsers, prefix
        self.names: list[str] = []

    def add(self, name: str, help_text: str) -> Parser:
        """Add the command ``name`` and return its parser, to which the caller adds options.

        ``mimic/cli/commands/NAME.py`` runs the command.
        """
        self.names.append(name)
        parser: Parser = self._subparsers.add_parser(name, help=help_text, description=help_text)
        parser.set_defaults(command=f"{self._prefix}{name}", parser=parser)
        return parser


class Commands(CommandGroup):
    """The command line.

    Attributes:
        parser: of the whole command line; ``run(parser.parse(argv))`` carries a command out.
    """

    def __init__(self, program: str, description: str) -> None:
        as_written = argparse.RawDescriptionHelpFormatter
        self.parser = Parser(prog=program, description=description, formatter_class=as_written)
        self.parser.add_argument("--version", action="store_true", help="print the version and stop")
        super().__init__(
            self.parser.add_subparsers(dest="verb", metavar="COMMAND", parser_class=Parser, title="commands")
        )

    def add_group(self, name: str, metavar: str, help_text: str) -> CommandGroup:
        """Add a command with subcommands, and return the group to which the caller adds them."""
        self.names.append(name)
        parser: Parser = self._subparsers.add_parser(name, help=help_text, description=help_text)
        second = parser.add_subparsers(dest=name, metavar=metavar, parser_class=Parser, title="of", required=True)
        return CommandGroup(second, f"{name}-")


def run(args: argparse.Namespace) -> int:
    """Import the command and carry it out; returns its exit code."""
    try:
        module = importlib.import_module(f"mimic.cli.commands.{args.command.replace('-', '_')}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "bench":
            raise
        raise InputError("benchmarks are in the source checkout, not in the installed package") from None
    if isinstance(report := getattr(args, "json", None), Path):
        check_writable(report)
    return int(module.run(args))


def add_run_options(parser: Parser, tasks: bool = False) -> None:
    """Add the options that describe a run of a clip, or with ``tasks`` also of a Gymnasium task.

    Most default to None, so that an option that was given can be recognised.
    """
    clip = f"a name from `{program.command('clips')}`, or a clip file"
    presets, default = "fast, feet, gpu, library, paper, or a YAML file", "default fast; gpu on a GPU's engine"
    if tasks:
        add_task_or_clip(parser, f"{clip}; several: A,B,C, a folder of clips, or a pack (docs/libraries.md)")
        presets, default = presets.replace("gpu", "gpu, gym"), f"{default}; gym with --task"
    else:
        parser.add_argument("--clip", required=True, help=clip)
    parser.add_argument("--preset", help=f"{presets} ({default})")
    parser.add_argument("--algorithm", choices=ALGORITHMS.names(), help="default awr")
    parser.add_argument("--num-envs", type=whole, help="environments side by side (default: the preset's)")
    add_engine(parser)
    parser.add_argument("--seed", type=seed, help="default 0")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one value of the preset"
    )
    add_threads(parser)


def add_task_or_clip(parser: Parser, clip_help: str) -> None:
    """Add ``--clip`` and ``--task``, of which exactly one must be given."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--clip", help=clip_help)
    what.add_argument("--task", metavar="ID", help="a Gymnasium task, as in Hopper-v5 or CartPole-v1")


def add_controller(parser: Parser) -> None:
    """Add the controller, which is given as a word or with ``--controller``, exactly once."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("controller", nargs="?", default=argparse.SUPPRESS, metavar="PATH|NAME", help="the controller")
    which.add_argument("--controller", metavar="PATH|NAME", help="the same, as an option")


def add_reading_options(parser: argparse._ActionsContainer, *fps: str) -> None:
    """Add the options that declare a motion file's conventions: the fields of ``mocap.conventions.ReadOptions``."""
    parser.add_argument("--unit", help="unit of length in the file: m, cm, mm, inch, cmu, or metres a unit")
    parser.add_argument("--up", metavar="AXIS", help="axis of the file that points up: y, z, -y ...")
    parser.add_argument("--forward", metavar="AXIS", help="axis of the file that the figure faces in its first frame")
    parser.add_argument("--source-fps", *fps, dest="source_fps", type=positive, help="frames a second of the file")
    parser.add_argument("--root", metavar="NAME", help="the figure to read, if the file has several")
    parser.add_argument(
        "--take",
        metavar="NAME",
        help="the animation to read, if the file has several; retarget also takes all, or a pattern as in Walk*",
    )
    parser.add_argument("--skeleton", metavar="FILE", help="the file with the bones: an ASF, a SMPL body model (.npz)")


def add_film_options(parser: Parser, required: bool = True) -> None:
    """Add the options of a film: file, size and renderer; ``required``: whether a film must be asked for."""
    parser.add_argument(
        "--size",
        type=picture_size,
        default=(1280, 480),
        metavar="WxH",
        help="size of the picture, or 540p, 720p, 1080p (default 1280x480)",
    )
    parser.add_argument("--renderer", choices=("auto", "egl", "ray", "tiny"), default="auto")
    parser.add_argument(
        "--quality", choices=("draft", "good", "best"), default="draft", help="of --renderer ray (default draft)"
    )
    parser.add_argument("--out", type=film_file, required=required, metavar="OUT.mp4")


def add_engine(parser: Parser) -> None:
    """Add ``--engine`` and ``--device``, which are None if they were not given."""
    parser.add_argument(
        "--engine", choices=list(ENGINES), help="mujoco (CPU, the default), warp (GPU) or bullet (a second opinion)"
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        help="cpu (the default) or cuda; training can use cuda with any engine, other commands only with --engine warp",
    )


def add_threads(parser: Parser) -> None:
    """Add ``--threads``."""
    parser.add_argument("--threads", type=thread_count, default=0, help="simulation threads (default: all cores)")


def positive(text: str) -> float:
    """Parse a number above zero."""
    if not 0.0 < (value := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' must be a number above 0")
    return value


def number(text: str) -> float:
    """Parse a number that is 0 or above."""
    if not 0.0 <= (value := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' must be a number, 0 or above")
    return value


def whole(text: str) -> int:
    """Parse a whole number above zero; 1e6 and 1_000_000 are valid too."""
    value = _number(text)
    if not 1 <= value <= 1e15 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number above 0")
    return int(value)


def index(text: str) -> int:
    """Parse a place in a list, a whole number from 0."""
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number, 0 or above")
    return int(text)


def address(text: str) -> tuple[str, int]:
    """Parse an address HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"'{text}' must be HOST:PORT, as in 192.168.0.2:7000")
    return host, int(port)


def words(text: str) -> tuple[str, ...]:
    """Parse words separated by commas."""
    return tuple(word for part in text.split(",") if (word := part.strip()))


def impulses(text: str) -> tuple[float, ...]:
    """Parse impulses [N·s] separated by commas, as in 0,20,40. Returns them sorted, each once."""
    values = sorted({_number(part) for part in text.split(",")})
    if not all(0.0 <= value <= 1e4 for value in values) or len(values) > 100:
        raise argparse.ArgumentTypeError(f"'{text}' must be up to 100 numbers from 0 to 10000, as in 0,20,40")
    return tuple(values)


def seed(text: str) -> int:
    """Parse a whole number, possibly negative, that fits into 32 bits."""
    value = _number(text)
    if not abs(value) < 2**31 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number between -2^31 and 2^31")
    return int(value)


def thread_count(text: str) -> int:
    """Parse a number of threads; 0 means all cores."""
    value = _number(text)
    if not 0 <= value <= 1024 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a number of threads, or 0 for all cores")
    return int(value)


def _number(text: str) -> float:
    """Parse a number. Other text gives NaN, which every range check then refuses."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def diagram(text: str) -> Path:
    """Parse the path of a diagram. Another suffix than .png, .svg or .pdf is refused before the diagram is computed."""
    if Path(text).suffix.lower().removeprefix(".") not in DIAGRAMS:
        raise argparse.ArgumentTypeError(f"'{text}' must end in .{', .'.join(DIAGRAMS)}")
    return Path(text)


def film_file(text: str) -> Path:
    """Parse the path of a film. Another suffix than .mp4 is refused before the film is made."""
    if Path(text).suffix.lower() != ".mp4":
        raise argparse.ArgumentTypeError(f"'{text}' must end in .mp4")
    return Path(text)


def picture_size(text: str) -> tuple[int, int]:
    """Parse the size of a film's picture: WxH, both even, as in 1280x480; or a name, as in 1080p."""
    if text in _SIZES:
        return _SIZES[text]
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"'{text}' must be WIDTHxHEIGHT, as in 1280x480, or one of {', '.join(_SIZES)}"
        )
    if (
        int(width) % 2
        or int(height) % 2
        or not 16 <= min(int(width), int(height)) <= max(int(width), int(height)) <= 8192
    ):
        raise argparse.ArgumentTypeError(f"'{text}': both sides must be even, from 16 to 8192, as in 960x540")
    return int(width), int(height)
