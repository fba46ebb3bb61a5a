"""Where a process of the program begins: signals end it with one line and an exit code, from the first moment.

A signal raises an exception where the program happens to be, so that files half written and child processes go with it.
While a module is being imported, and once the program ends anyway, libraries would lose the exception or abort. There the
process ends at once. This module imports little, because nothing is caught before it.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mimic.core import program

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_PATIENCE_S = 3.0  # further signals are ignored for so long: the program is ending


class Stopped(KeyboardInterrupt):
    """A signal asks the program to end; ``exit_code`` is the shell's for it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def entry(name: str = "mimic") -> int:
    """Run the command of this process's command line and return the exit code. No signal is handled after that."""
    program.name = name
    with signals_end_the_program():
        from mimic.cli.main import main

        return main(None, name)


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


def _end(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{program.name}: stopped\n".encode())  # print may be what was interrupted
    os._exit(128 + number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
