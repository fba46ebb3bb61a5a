"""Runs what is missing of a table, one run after another. A run is a folder with checkpoints, so a kill loses little."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mimic.core.errors import InputError
from mimic.paper.job import Job
from mimic.rl.optim import LearnerDiverged
from mimic.rl.progress import Silent
from mimic.runs.training import StopCriteria, train

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_TO_THE_END = ("samples", "held-out loss")


def run_missing(
    jobs: Sequence[Job], out: Path, limit_hours: float | None, say: Callable[[str], None], threads: int = 0
) -> bool:
    """Train the runs of ``jobs`` that have no result yet; False if time ran out.

    A run that this machine cannot do, for instance without an extra, is left out with a line that says why.

    Args:
        out: folder of the runs' folders.
        limit_hours: time limit; None sets none.
        say: receives a line for each run.
        threads: simulation threads; 0 means all cores.
    """
    end = None if limit_hours is None else time.monotonic() + 3600.0 * limit_hours
    missing = [job for job in jobs if job.result(out) is None]
    for number, job in enumerate(missing, 1):
        minutes = 0.0 if end is None else (end - time.monotonic()) / 60.0
        if end is not None and minutes <= 0.0:
            say(f"the time is up; {len(missing) - number + 1} runs are left. Repeat the command to go on with them")
            return False
        say(f"[{number} of {len(missing)}] {job.folder}, {job.samples:g} samples")
        try:
            stopped_by = _run(job, out, minutes, threads)
        except (InputError, LearnerDiverged) as error:
            say(f"left out: {error}")
            continue
        if stopped_by in _SIGNALS:
            signal.raise_signal(signal.Signals[stopped_by])
        if stopped_by in _TO_THE_END:
            say(f"    return {job.result(out):.4g}")
    return all(job.result(out) is not None for job in jobs)


def _run(job: Job, out: Path, minutes: float, threads: int) -> str:
    begun = job.begun(out)
    until = StopCriteria(samples=job.samples, minutes=minutes)
    found = train(begun or job.config(), out / job.folder, until, threads, Silent(), resume=begun is not None)
    return found.stopped_by
