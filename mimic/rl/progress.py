"""Progress of a run on the screen: a bar on a terminal, elsewhere a line every ten seconds."""

import contextlib
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as RichProgress

from mimic.core.printing import printable, show

_EVERY = 10.0  # seconds between plain lines


class Progress(Protocol):
    """Shows rows as they come."""

    def show(self, row: Mapping[str, float], share: float, eta_s: float) -> None:
        """``row`` of metrics, ``share`` of the run done (0 if it has no end), seconds to go (inf if unknown)."""

    def say(self, line: str) -> None:
        """Print a message; a bar does not overwrite it."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def make_progress(stream: TextIO | None = None) -> Progress:
    """A bar if ``stream`` (standard output) is a terminal, else plain lines."""
    stream = stream or sys.stdout
    return Lossy(BarProgress(stream) if stream.isatty() else PlainProgress(stream))


def describe(row: Mapping[str, float], eta_s: float) -> str:
    """One line: samples, samples/s, return of training episodes, evaluation, time to go."""
    parts = [f"{row.get('samples', 0.0) / 1e6:.2f} M samples"]
    if row.get("samples_per_s") is not None:
        parts.append(f"{row['samples_per_s']:.0f}/s")
    for key, name in (("episode_return", "return"), ("episode_length", "steps"), ("kl", "KL")):
        if row.get(key) is not None:
            parts.append(f"{name} {row[key]:.3g}")
    if "eval/normalized_return" in row:
        parts.append(f"normalised return {row['eval/normalized_return']:.3f}")
    if "eval/return" in row:
        parts.append(f"evaluated {row['eval/return']:.4g}")
    if "eval/survival" in row:
        parts.append(f"survival {100 * row['eval/survival']:.0f} %")
    if eta_s != float("inf"):
        parts.append(f"{eta_s / 60.0:.0f} min to go" if eta_s >= 90.0 else f"{eta_s:.0f} s to go")
    return "  ".join(parts)


class Silent:
    """Shows nothing; if several processes train, all but the first use it."""

    def show(self, row: Mapping[str, float], share: float, eta_s: float) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing to leave."""


class Lossy:
    """Another progress, whose lines are lost where a terminal has gone or a disk is full: a run goes on without them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def show(self, row: Mapping[str, float], share: float, eta_s: float) -> None:
        """Show the row if that is possible."""
        with contextlib.suppress(OSError):
            self._progress.show(row, share, eta_s)

    def say(self, line: str) -> None:
        """Say the line if that is possible."""
        with contextlib.suppress(OSError):
            self._progress.say(line)

    def close(self) -> None:
        """Close it, whether or not the terminal is still there."""
        with contextlib.suppress(OSError):
            self._progress.close()


class PlainProgress:
    """A line at most every ten seconds, and for every evaluation."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = float("-inf")

    def show(self, row: Mapping[str, float], share: float, eta_s: float) -> None:
        """Print the row if it is time, or an evaluation."""
        now = time.monotonic()
        if now - self._last >= _EVERY or any(key.startswith("eval/") for key in row):
            self._last = now
            self.say(describe(row, eta_s))

    def say(self, line: str) -> None:
        """Print a line."""
        show(line, self._stream)

    def close(self) -> None:
        """Nothing to put back."""


class BarProgress:
    """A live bar; evaluations stay above it as lines."""

    def __init__(self, stream: TextIO) -> None:
        columns: tuple[Any, ...] = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
        self._bar = RichProgress(*columns, console=Console(file=stream))
        self._task = self._bar.add_task("", total=1.0)
        self._bar.start()

    def show(self, row: Mapping[str, float], share: float, eta_s: float) -> None:
        """Move the bar; print an evaluation above it."""
        self._bar.update(self._task, completed=share, description=describe(row, eta_s))
        if any(key.startswith("eval/") for key in row):
            self.say(describe(row, eta_s))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(printable(line), markup=False, highlight=False)

    def close(self) -> None:
        """Let go of the terminal."""
        self._bar.stop()
