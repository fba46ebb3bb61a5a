#!/usr/bin/env python3
"""Command line of mimic: finds the verb, and makes one line and an exit code of what goes wrong."""

import io
import os
import sys
from collections.abc import Sequence

from mimic.cli import clips, export, machine, train, watch
from mimic.cli.arguments import Verbs
from mimic.core.errors import InputError, nearest

_SIGPIPE = 13  # by number, for Windows has no such signal


def all_verbs() -> Verbs:
    """The whole command line."""
    verbs = Verbs("Mocap in, a simulated character that performs it out.\n\nBegin with: run_mimic.py --clip cartwheel")
    for family in (train, watch, export, clips, machine):
        family.add(verbs)
    return verbs


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 2 for bad input, 3 for a diverged learner, 4 for a GPU lost or full, 130 after Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    _say_what_the_terminal_can()
    options: dict[str, object] = {}
    try:
        verbs = all_verbs()
        if not argv or argv[0] in ("-h", "--help"):
            verbs.parser.print_help()
            return 0
        if argv[0].startswith("-"):
            argv.insert(0, "run")
        if argv[0] not in verbs.names:
            raise InputError(f"no verb '{argv[0]}'; {nearest(argv[0], verbs.names)}")
        args = verbs.parser.parse(argv)
        options = vars(args)
        _use_one_torch_thread()
        code: int = args.action(args)
        return code
    except InputError as error:
        print(f"run_mimic.py: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + _SIGPIPE
    except KeyboardInterrupt:
        print("run_mimic.py: stopped", file=sys.stderr)
        return 130
    except RuntimeError as error:
        from mimic.gpu.device_errors import EXIT_CODE, explain

        said = str(error) if hasattr(error, "exit_code") else explain(error, options)
        if said is None:
            raise
        print(f"run_mimic.py: {said}", file=sys.stderr)
        return int(getattr(error, "exit_code", EXIT_CODE))


def _say_what_the_terminal_can() -> None:
    """Where the output has no sign for ±, print something else instead of stopping."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _use_one_torch_thread() -> None:
    """The simulator has the cores: torch's own threads would fight it for them over tensors too small to share."""
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())
