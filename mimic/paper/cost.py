"""How long the runs of a table would take, from runs that are there, else from a table of measured speeds."""

from collections.abc import Iterable
from pathlib import Path

from mimic.paper.job import Job

# minutes of one core for a million samples of our learners, measured on two loaded cores; Ant and Humanoid are estimates
_MINUTES = {
    "HalfCheetah-v5": 4.0,
    "Hopper-v5": 6.0,
    "Walker2d-v5": 6.0,
    "Ant-v5": 9.0,
    "Humanoid-v5": 14.0,
    "LunarLander-v3": 5.0,
}
_USUAL = 6.0
# what a library's learner takes beyond ours, with its default settings
_MORE = {"sb3-ppo": 10.0, "trpo": 7.0, "sac": 255.0, "td3": 255.0, "ddpg": 245.0}


def hours(jobs: Iterable[Job], out: Path) -> float:
    """Return the hours that the unfinished part of ``jobs`` takes, one run after another."""
    return sum(_minutes(job, out) for job in jobs) / 60.0


def _minutes(job: Job, out: Path) -> float:
    if job.result(out) is not None:
        return 0.0
    samples, seconds = job.progress(out)
    rest = max(0, job.samples - samples)
    if samples >= job.samples // 10:
        return rest * seconds / samples / 60.0
    million = _MINUTES.get(job.task, _USUAL) + _MORE.get(job.variant.algorithm, 0.0)
    return rest * million / 1e6
