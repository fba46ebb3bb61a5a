"""How well a policy tracks its clip: episodes of 20 s from random phases, or a clip that plays once, without training aids.

Normalised return is the sum of an episode's rewards over the most it could have earned (600 for 20 s at 30 Hz; fewer
where the clip itself ends sooner), so everything after a fall counts as zero (Peng et al. 2018, 2019).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mimic.evaluation.drift import Drift
from mimic.evaluation.foot_sliding import FootSliding
from mimic.evaluation.metrics import JerkMetric, Means, Metric, TrackingErrors
from mimic.evaluation.torque import TorqueMetric
from mimic.tracking import End, TrackingEnv
from mimic.tracking.reference_tracker import ROUNDING_S

Act = Callable[[Tensor], Tensor]  # observations (N, D) to actions (N, A)
_WINDOW_S = 10.0
_FIRST_SHARE = 0.1


class _Scores:
    """What each episode has earned, how long it lasted and how it ended."""

    def __init__(self, env: TrackingEnv) -> None:
        n, device = env.num_envs, env.device
        self.possible = _possible_steps(env)
        self.end = torch.zeros(n, dtype=torch.int8, device=device)
        self.up = torch.ones(n, dtype=torch.bool, device=device)
        self.rewards: list[Tensor] = []  # (N,) a step
        self.steps = torch.zeros(n, dtype=torch.float64, device=device)
        self.terms = Means()

    def add(self, reward: Tensor, end: Tensor, terms: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Count a step; (N,) bool each: episodes for which it was a whole one, and those that failed in it."""
        whole = self.up & ((end == End.NONE) | (end == End.TIMEOUT) | (end == End.CLIP_END))
        self.rewards.append(torch.where(whole, reward, 0.0).double())
        self.steps += whole
        for name, value in terms.items():
            self.terms.add(name, value, whole)
        fell = self.up & ~whole
        self.end = torch.where(self.up, end, self.end)
        self.up = self.up & (end == End.NONE)
        return whole, fell

    @property
    def survived(self) -> Tensor:
        """(N,) bool."""
        return (self.end != End.FAIL) & (self.end != End.DIVERGED)


@torch.no_grad()
def evaluate(
    env: TrackingEnv, act: Act, start_times: Tensor | None = None, extra: Sequence[Metric] = ()
) -> dict[str, Any]:
    """Run one episode in each of the environments of ``env`` (made with ``training=False``).

    Start times are random (:func:`random_starts`) and depend on the environment's seed alone, so that two policies are judged
    from the same starts. ``extra`` meters watch too, and add their figures.

    Returns:
        The fields of ``evaluation.json``: clip, character, episodes, normalized_return {mean, std}, survival,
        success_rate, mpjpe_m (root-relative, mean over bodies), root_error_m, joint_velocity_error_rad_s, jerk_m_s3 and that of the
        reference, foot_skate_m_s, foot_depth_m, torque_mean_share, torque_peak_share and torque_at_limit_share,
        mean_steps, mean_time_s, drift_m (of one clip), reward_terms, by_time; averages are over the steps before the end of each episode.
    """
    obs = env.reset(random_starts(env) if start_times is None else start_times)
    scores = _Scores(env)
    meters: list[Metric] = [TrackingErrors(), JerkMetric(env.control_dt), FootSliding(env), TorqueMetric(env), *extra]
    if env.num_clips == 1:
        meters.append(Drift(env))
    for _ in range(int(scores.possible.max())):
        action = act(obs)
        for meter in meters:
            meter.before(env, action)
        step = env.step(action)
        obs = step.obs
        whole, fell = scores.add(step.reward, step.end, step.info)
        for meter in meters:
            meter.after(env, whole, fell)
        if not bool(scores.up.any()):
            break
    figures = {name: value for meter in meters for name, value in meter.report().items()}
    return _report(env, scores, figures)


def random_starts(env: TrackingEnv) -> Tensor:
    """A clip time for each environment, (N,) float64 [s], by the environment's seed.

    Anywhere in a loop. In a clip that plays once, wherever an episode's length of it is left, but at least in its first tenth:
    who starts at the end has little left to do wrong, and a long clip is more than its beginning.
    """
    latest = 1.0 if env.motion.loop else max(_FIRST_SHARE, 1.0 - env.episode_s / env.motion.duration)
    share = torch.rand(env.num_envs, dtype=torch.float64, generator=torch.Generator().manual_seed(env.seed))
    return (share * env.motion.duration * latest).to(env.device)


def _possible_steps(env: TrackingEnv) -> Tensor:
    """Control steps each episode could last, (N,)."""
    limit = env.state_dict()["step_limit"].double()
    if env.motion.loop:
        return limit
    left = (env.motion.duration - ROUNDING_S - env.clock.now.clip_time) / env.control_dt
    return torch.minimum(limit, left.ceil().clamp_min(1))


def _report(env: TrackingEnv, scores: _Scores, figures: dict[str, Any]) -> dict[str, Any]:
    returns = torch.stack(scores.rewards).sum(0) / scores.possible
    return {
        "clip": env.motion.name,
        "character": env.character.name,
        "episodes": env.num_envs,
        "episode_s": round(float(scores.possible.max()) * env.control_dt, 3),
        "normalized_return": {"mean": float(returns.mean()), "std": float(returns.std(correction=0))},
        "survival": float(scores.survived.double().mean()),
        "mean_steps": float(scores.steps.mean()),
        "mean_time_s": float(scores.steps.mean()) * env.control_dt,
        **figures,
        "reward_terms": scores.terms.report(),
        "by_time": _by_time(scores, env.control_dt),
    }


def _by_time(scores: _Scores, dt: float) -> list[dict[str, float]]:
    """Return and survival in windows of 10 s: does it keep going? Episodes that could not last so long are left out."""
    rewards, size = torch.stack(scores.rewards), round(_WINDOW_S / dt)
    windows = []
    for first in range(0, int(scores.possible.max()), size):
        last = min(first + size, int(scores.possible.max()))
        there = scores.possible >= last
        earned = rewards[first:last, there].sum(0) / (last - first)
        fallen = ~scores.survived[there] & (scores.steps[there] < last)
        windows.append(
            {
                "from_s": round(first * dt, 3),
                "to_s": round(last * dt, 3),
                "normalized_return": float(earned.mean()),
                "survival": float((~fallen).double().mean()),
            }
        )
    return windows
