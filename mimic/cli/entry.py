"""The entry point of a process: from the start, a signal ends the program with one line and an exit code.

A signal raises an exception, so that unfinished files and child processes are cleaned up. During the import of a module,
and after the command has ended, libraries would lose the exception or abort. There a signal ends the process at once. This
module imports little, because signals before its import are not handled.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mimic.core import program, unfinished

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PATIENCE_S = 3.0  # further signals are ignored for so long: the program is ending


class Stopped(KeyboardInterrupt):
    """Raised when a signal asks the program to end; ``exit_code`` is 128 plus the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def entry(name: str = "mimic") -> int:
    """Run the command of this process's command line and return the exit code. No signal is handled after that."""
    program.name = name
    with signals_end_the_program():
        from mimic.cli.main import main

        code = main(None, name)
    if code > 128 and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # Python's last steps would let a second one kill it
    return code


@contextmanager
def signals_end_the_program() -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP raise :class:`Stopped`, except those that this process was told to ignore.

    Afterwards a signal ends the process at once, because Python is being taken down. Does nothing outside the main thread.
    """
    first: float | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is not None and now - first < _PATIENCE_S:
            return
        if first is not None or _is_importing(frame):
            _end(number, frame)
        first = now
        raise Stopped(number)

    mine = [n for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN] if _in_main_thread() else []
    for number in mine:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, _end)
        unfinished.undo_all()


def _end(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{program.name}: stopped\n".encode())  # print may be what was interrupted
    unfinished.undo_all()
    os._exit(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
