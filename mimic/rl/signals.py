"""The first Ctrl-C (or SIGTERM, or SIGHUP of a closed terminal) lets the iteration finish and saves the run; the second stops at once."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = tuple(signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopOnSignal:
    """Context manager; ``received`` is None or the signal that asks for a stop.

    A second signal raises KeyboardInterrupt. Handlers are set in the main thread only (elsewhere this does nothing), and
    restored at the end. ``said`` is printed at the first signal.
    """

    def __init__(self, said: str = "") -> None:
        self._said = said
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS if _is_heard(number)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        if self._said:
            with contextlib.suppress(OSError):  # the terminal may have gone
                os.write(2, f"\n{self._said}\n".encode())  # print may be what was interrupted


def _is_heard(number: signal.Signals) -> bool:
    """Whether to handle the signal: ``nohup`` has SIGHUP ignored. A script's background job handles SIGINT nevertheless."""
    return number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
