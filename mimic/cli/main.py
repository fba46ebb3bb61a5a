"""The program: runs the command, and turns an error into one line and an exit code."""

import argparse
import errno
import importlib.metadata
import io
import os
import sys
from collections.abc import Sequence

from mimic.cli import clips, export, machine, train, watch
from mimic.cli.arguments import Commands, run
from mimic.core import program
from mimic.core.errors import InputError, nearest
from mimic.core.printing import show, show_error

_DISK = 5
_SIGPIPE = 13  # by number, for Windows has no such signal


def all_commands() -> Commands:
    """Return the command line with all commands."""
    text = f"Mocap in, a simulated character that performs it out.\n\nBegin with: {program.command('--clip cartwheel')}"
    commands = Commands(program.name, text)
    for family in (train, watch, export, clips, machine):
        family.add(commands)
    return commands


def main(argv: Sequence[str] | None = None, name: str = "mimic") -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; None means those of this process.
        name: the program's name in messages.

    Returns:
        The exit code: 2 for bad input, 3 for a diverged learner, 4 for a GPU that is lost or full, 5 for a full disk, 6 for a damaged
        checkpoint, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    program.name = name
    options: dict[str, object] = {}
    _replace_unprintable_signs()
    try:
        if argv[:1] == ["--version"]:
            show(f"{name} {_version()}")
            return 0
        args = _parsed(argv, all_commands())
        if args is None:
            return 0
        options = vars(args)
        _use_one_torch_thread()
        code = run(args)
        sys.stdout.flush()
        return code
    except InputError as error:
        show_error(f"{name}: {error}")
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + _SIGPIPE
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it may be what refuses
        show_error(f"{name}: {error.filename or 'the output'}: {error.strerror or error}")
        return _DISK if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) else 2
    except KeyboardInterrupt as stopped:
        show_error(f"{name}: stopped")
        return int(getattr(stopped, "exit_code", 130))
    except RuntimeError as error:
        from mimic.gpu.device_errors import EXIT_CODE, explain  # imports torch

        said = str(error) if hasattr(error, "exit_code") else explain(error, options)
        if said is None:
            raise
        show_error(f"{name}: {said}")
        return int(getattr(error, "exit_code", EXIT_CODE))


def _parsed(argv: list[str], commands: Commands) -> argparse.Namespace | None:
    """Parse the command and its options; None if only help was asked for. Options without a command mean ``run``."""
    if not argv or argv[0] in ("-h", "--help"):
        commands.parser.print_help()
        return None
    words = ["run", *argv] if argv[0].startswith("-") else argv
    if words[0] not in commands.names:
        raise InputError(f"no command '{words[0]}'; {nearest(words[0], commands.names)}")
    return commands.parser.parse(words)


def _version() -> str:
    try:
        return importlib.metadata.version("mimic-animation")
    except importlib.metadata.PackageNotFoundError:
        return "(source checkout)"


def _replace_unprintable_signs() -> None:
    """Make stdout and stderr print '?' for characters that the terminal's encoding lacks, such as ±."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _use_one_torch_thread() -> None:
    """Limit torch to one thread. Its tensors are too small to share, and the cores serve the simulator."""
    import torch  # after the command line is parsed, because it takes a second

    torch.set_num_threads(1)
