"""What has begun and must not stay if the process ends: unfinished files, and programs that write them.

A context manager undoes its own work, but not if a signal arrives before its ``with`` block or ends the process at once.
"""

import contextlib
from collections.abc import Callable

_undo: list[Callable[[], None]] = []


def begin(undo: Callable[[], None]) -> None:
    """Remember ``undo``, which deletes what has begun, until :func:`finish` is called with it."""
    _undo.append(undo)


def finish(undo: Callable[[], None]) -> None:
    """Forget ``undo``: what had begun is complete, or gone."""
    with contextlib.suppress(ValueError):
        _undo.remove(undo)


def undo_all() -> None:
    """Call and forget every ``undo``, the latest first; the errors of one do not stop the others."""
    while _undo:
        with contextlib.suppress(Exception):
            _undo.pop()()
