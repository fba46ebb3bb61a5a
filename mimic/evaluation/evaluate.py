"""Evaluation: run a policy without training aids, in episodes that start at random phases of the clip.

An episode lasts 20 s by default, or until a clip that does not loop is over. The normalised return is the sum of an
episode's rewards divided by the largest possible sum (600 for 20 s at 30 Hz; less if the clip ends sooner). The time after
a fall therefore counts as zero (Peng et al. 2018, 2019).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mimic.evaluation.metric import Means, Metric, make_metrics
from mimic.evaluation.report import EvaluationReport, NormalizedReturn, TimeWindow
from mimic.tracking import Termination, TrackingEnv
from mimic.tracking.reference import of_clip
from mimic.tracking.reference_tracker import ROUNDING_S

Act = Callable[[Tensor], Tensor]  # observations (N, D) to actions (N, A)
_WINDOW_S = 10.0
_FIRST_SHARE = 0.1


class _Scores:
    """Collects rewards, length and end of each episode."""

    def __init__(self, env: TrackingEnv) -> None:
        n, device = env.num_envs, env.device
        self.possible = _possible_steps(env)
        self._maximum = env.reward.maximum
        self.end = torch.zeros(n, dtype=torch.int8, device=device)
        self.up = torch.ones(n, dtype=torch.bool, device=device)
        self.rewards: list[Tensor] = []  # (N,) a step
        self.steps = torch.zeros(n, dtype=torch.float64, device=device)
        self.terms = Means()

    def add(self, reward: Tensor, end: Tensor, terms: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Add one control step.

        Returns (N,) bool twice: the episodes for which the step counts, and those that failed in it.
        """
        whole = self.up & ((end == Termination.NONE) | (end == Termination.TIMEOUT) | (end == Termination.CLIP_END))
        self.rewards.append(torch.where(whole, reward, 0.0).double() / self._maximum)
        self.steps += whole
        for name, value in terms.items():
            self.terms.add(name, value, whole)
        fell = self.up & ~whole
        self.end = torch.where(self.up, end, self.end)
        self.up = self.up & (end == Termination.NONE)
        return whole, fell

    @property
    def survived(self) -> Tensor:
        """Which episodes neither fell nor diverged, (N,) bool."""
        return (self.end != Termination.FAIL) & (self.end != Termination.DIVERGED)


@torch.no_grad()
def evaluate(
    env: TrackingEnv, act: Act, start_times: Tensor | None = None, extra: Sequence[Metric] = ()
) -> EvaluationReport:
    """Run one episode in each environment of ``env``, which must have been made with ``training=False``.

    Averages are over the steps before the end of each episode.

    Args:
        env: the environment.
        act: the policy: a function from observations (N, D) to actions (N, A).
        start_times: (N,) clip times [s]; by default those of :func:`random_starts`. They depend on the environment's seed
            alone, so that two policies start from the same phases.
        extra: metrics beside the registered ones (``mimic.evaluation.metric.METRICS``).
    """
    obs = env.reset(random_starts(env) if start_times is None else start_times)
    scores = _Scores(env)
    metrics = [*make_metrics(env), *extra]
    for _ in range(int(scores.possible.max())):
        action = act(obs)
        for metric in metrics:
            metric.before(env, action)
        step = env.step(action)
        obs = step.obs
        whole, fell = scores.add(step.reward, step.end, step.info)
        for metric in metrics:
            metric.after(env, whole, fell)
        if not bool(scores.up.any()):
            break
    return _report(env, scores, {name: value for metric in metrics for name, value in metric.report().items()})


def random_starts(env: TrackingEnv) -> Tensor:
    """Draw a clip time for each environment, (N,) float64 [s]; the environment's seed determines the result.

    Times are uniform over a looping clip. In a one-shot clip they are uniform over the part that leaves room for a whole
    episode, and at least over the first 10 %. A start near the end of such a clip is trivially easy.
    """
    duration = min(motion.duration for motion in env.motions)
    latest = 1.0 if env.tracker.reference.all_loop else max(_FIRST_SHARE, 1.0 - env.episode_s / duration)
    share = torch.rand(env.num_envs, dtype=torch.float64, generator=torch.Generator().manual_seed(env.seed))
    return (share * duration * latest).to(env.device)


def _possible_steps(env: TrackingEnv) -> Tensor:
    """Return the largest possible number of control steps of each episode, (N,)."""
    limit = env.state_dict()["step_limit"].double()
    at, reference = env.tracker.current, env.tracker.reference
    if reference.all_loop:
        return limit
    left = (env.tracker.durations - ROUNDING_S - at.clip_time) / env.control_dt
    return torch.where(of_clip(reference.loops, at.clip), limit, torch.minimum(limit, left.ceil().clamp_min(1)))


def _report(env: TrackingEnv, scores: _Scores, metrics: dict[str, Any]) -> EvaluationReport:
    returns = torch.stack(scores.rewards).sum(0) / scores.possible
    return EvaluationReport(
        clip=env.motion.name,
        character=env.character.name,
        episodes=env.num_envs,
        episode_s=round(float(scores.possible.max()) * env.control_dt, 3),
        normalized_return=NormalizedReturn(float(returns.mean()), float(returns.std(correction=0))),
        survival=float(scores.survived.double().mean()),
        mean_steps=float(scores.steps.mean()),
        mean_time_s=float(scores.steps.mean()) * env.control_dt,
        metrics=metrics,
        reward_terms=scores.terms.report(),
        by_time=_by_time(scores, env.control_dt),
    )


def _by_time(scores: _Scores, dt: float) -> tuple[TimeWindow, ...]:
    """Compute return and survival in windows of 10 s, over the episodes that could last to the end of the window."""
    rewards, size = torch.stack(scores.rewards), round(_WINDOW_S / dt)
    windows = []
    for first in range(0, int(scores.possible.max()), size):
        last = min(first + size, int(scores.possible.max()))
        there = scores.possible >= last
        earned = rewards[first:last, there].sum(0) / (last - first)
        fallen = ~scores.survived[there] & (scores.steps[there] < last)
        survival = float((~fallen).double().mean())
        windows.append(TimeWindow(round(first * dt, 3), round(last * dt, 3), float(earned.mean()), survival))
    return tuple(windows)
