"""A process that has imported the program and runs one command line after another, each in a fork of its own.

Starting Python and torch takes seconds, forking milliseconds: so a test can afford to kill a command twenty times. It
reads requests as JSON lines (``argv``, ``log``: file for the output, ``cwd``) and answers each with ``{"pid": ...}`` at
once and ``{"code": ...}`` at the end, negative for a signal. Nothing here starts a thread, which a fork would lose.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
import torch._dynamo  # every optimiser imports it when it is made

import mimic.rl.curve
import mimic.runs.training  # noqa: F401 (what `train` imports when it is called)
import run_mimic


def serve() -> None:
    """Answer requests until there are no more."""
    torch.set_num_threads(1)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(request)
        _answer(pid=pid)
        _, status = os.waitpid(pid, 0)
        _answer(code=os.waitstatus_to_exitcode(status))


def _answer(**words: int) -> None:
    print(json.dumps(words), flush=True)


def _run(request: dict[str, object]) -> NoReturn:
    log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    try:
        os.chdir(str(request["cwd"]))
        code = run_mimic.main([str(word) for word in request["argv"]])  # type: ignore[attr-defined]
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
