"""Trainings side by side on one machine: each is a process of its own with its share of cores, or with a GPU of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimic.core import program
from mimic.core.files import make_folder
from mimic.rl.metrics_log import METRICS_FILE, read_rows

LOG_FILE = "train.log"
_POLL_S = 0.2
_START = "import sys; from mimic.cli.entry import entry; sys.exit(entry(sys.argv.pop(1)))"


@dataclass(frozen=True)
class Training:
    """A training that a process of its own carries out.

    Attributes:
        name: in tables and messages.
        words: command line after the program's name.
        folder: the run's folder; what the process prints goes to ``train.log`` in it.
    """

    name: str
    words: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """How a training ended, and how far its run is.

    Attributes:
        code: exit code of the process; None if it was not started.
        samples: transitions of the whole run.
        minutes: of training, of the whole run.
        best: largest normalised return of its evaluations; None if there was none.
        last_line: the last line that the process printed.
    """

    code: int | None
    samples: int
    minutes: float
    best: float | None
    last_line: str


def train_side_by_side(
    trainings: Sequence[Training],
    at_once: int,
    environment: Callable[[int], Mapping[str, str]],
    say: Callable[[str], None],
) -> list[Outcome]:
    """Carry out ``trainings``, ``at_once`` of them at a time; return how each ended.

    An exception, such as that of a signal, ends the processes by SIGTERM: they save and stop. It is raised again afterwards.

    Args:
        trainings: in the order in which they begin.
        at_once: number of processes at a time.
        environment: environment variables of the process in one of the ``at_once`` places, from 0.
        say: receives a line for each training that begins or ends.
    """
    running: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}  # place -> index of the training, process
    codes: dict[int, int] = {}
    waiting = list(enumerate(trainings))
    try:
        while waiting or running:
            for place in sorted(set(range(at_once)) - set(running))[: len(waiting)]:
                index, training = waiting.pop(0)
                make_folder(training.folder)
                log = training.folder / LOG_FILE
                running[place] = index, start_command(training.words, log, environment(place))
                say(f"[{index + 1} of {len(trainings)}] {training.name} begins, in {training.folder}")
            time.sleep(_POLL_S)
            for place, (index, process) in list(running.items()):
                if (code := process.poll()) is not None:
                    codes[index] = code
                    del running[place]
                    how = "is done" if code == 0 else f"ended with exit code {code}"
                    say(f"[{index + 1} of {len(trainings)}] {trainings[index].name} {how}")
    finally:
        for _, process in running.values():
            process.send_signal(signal.SIGTERM)
        for _, process in running.values():
            process.wait()
    return [_outcome(training, codes.get(index)) for index, training in enumerate(trainings)]


def start_command(words: Sequence[str], log: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start this program with the command line ``words``; its output is appended to the file ``log``."""
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-c", _START, program.name, *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then asks the others to end
        )


def _outcome(training: Training, code: int | None) -> Outcome:
    rows = read_rows(training.folder / METRICS_FILE)
    scores = [score for row in rows if (score := row.get("eval/normalized_return")) is not None]
    samples, seconds = (int(rows[-1]["samples"]), float(rows[-1]["time_s"])) if rows else (0, 0.0)
    return Outcome(code, samples, seconds / 60.0, max(scores, default=None), last_line(training.folder / LOG_FILE))


def last_line(path: Path) -> str:
    """Return the last line with text in the file ``path``; "" if there is none."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
