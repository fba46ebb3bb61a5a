"""How well a policy tracks its clip: episodes of 20 s from random phases, without any training aid.

Normalised return is the sum of an episode's rewards over the most it could have earned (600 for 20 s at 30 Hz; fewer
where the clip itself ends sooner), so everything after a fall counts as zero (Peng et al. 2018, 2019).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mimic.env import End, TrackingEnv
from mimic.env.clock import ROUNDING_S

Act = Callable[[Tensor], Tensor]  # observations (N, D) to actions (N, A)


@dataclass
class _Sums:
    """Per-episode sums over the steps it was alive."""

    reward: Tensor
    steps: Tensor
    end: Tensor
    metrics: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, value: Tensor, alive: Tensor) -> None:
        masked = torch.where(alive, value, torch.zeros_like(value)).double()
        self.metrics[name] = self.metrics[name] + masked if name in self.metrics else masked


@torch.no_grad()
def evaluate(env: TrackingEnv, act: Act, start_times: Tensor | None = None) -> dict[str, Any]:
    """Run one episode in each of the environments of ``env`` (made with ``training=False``).

    Start times are uniform over the clip and depend on the environment's seed alone, so that two policies are judged
    from the same starts.

    Returns:
        The fields of ``evaluation.json``: clip, character, episodes, normalized_return {mean, std}, survival,
        mpjpe_m (root-relative, mean over bodies), root_error_m, joint_velocity_error_rad_s, jerk_m_s3 and that of the
        reference, mean_steps, reward_terms; averages are over the steps before the end of each episode.
    """
    if start_times is None:
        share = torch.rand(env.num_envs, dtype=torch.float64, generator=torch.Generator().manual_seed(env.seed))
        start_times = (share * env.motion.duration).to(env.device)
    obs = env.reset(start_times)
    possible = _possible_steps(env)
    n = env.num_envs
    sums = _Sums(torch.zeros(n).double(), torch.zeros(n).double(), torch.zeros(n, dtype=torch.int8))
    alive = torch.ones(n, dtype=torch.bool)
    jerk, reference_jerk = _Jerk(env.control_dt), _Jerk(env.control_dt)
    for _ in range(int(possible.max())):
        step = env.step(act(obs))
        obs, end = step.obs, step.end.cpu()
        whole = alive & ((end == End.NONE) | (end == End.TIMEOUT) | (end == End.CLIP_END))
        sums.reward += torch.where(whole, step.reward.cpu(), 0.0)
        sums.steps += whole
        for name, value in step.info.items():
            sums.add(f"terms.{name}", value.cpu(), whole)
        for name, value in _errors(env).items():
            sums.add(name, value.cpu(), whole)
        sums.add("jerk_m_s3", jerk.next(env.bodies.pos_w - env.bodies.pos_w[:, :1]).cpu(), whole)
        sums.add("reference_jerk_m_s3", reference_jerk.next(env.reference.body_offset_w).cpu(), whole)
        sums.end = torch.where(alive, end, sums.end)
        alive &= end == End.NONE
        if not bool(alive.any()):
            break
    return _report(env, sums, possible)


def _possible_steps(env: TrackingEnv) -> Tensor:
    """Control steps each episode could last, (N,)."""
    limit = env.state_dict()["step_limit"].cpu().double()
    if env.motion.loop:
        return limit
    left = (env.motion.duration - ROUNDING_S - env.clock.now.clip_time.cpu()) / env.control_dt
    return torch.minimum(limit, left.ceil().clamp_min(1))


def _errors(env: TrackingEnv) -> dict[str, Tensor]:
    """Tracking errors of this step, (N,) each."""
    sim, reference = env.sim, env.reference
    offset = env.bodies.pos_w - env.bodies.pos_w[:, :1]
    return {
        "mpjpe_m": (offset - reference.body_offset_w).norm(dim=-1).mean(1),
        "root_error_m": (sim.root_pos_w - reference.state.root_pos_w).norm(dim=-1),
        "joint_velocity_error_rad_s": (sim.joint_vel - reference.state.joint_vel).abs().mean(1),
    }


class _Jerk:
    """Mean third difference of body positions seen from the root, so that re-synchronising the reference is no jerk."""

    def __init__(self, dt: float) -> None:
        self._dt, self._history = dt, list[Tensor]()

    def next(self, pos_w: Tensor) -> Tensor:
        """(N,) [m/s^3]; zero until four steps are known."""
        self._history = [*self._history[-3:], pos_w]
        if len(self._history) < 4:
            return torch.zeros(len(pos_w))
        a, b, c, d = self._history
        return ((d - 3 * c + 3 * b - a).norm(dim=-1) / self._dt**3).mean(1)


def _report(env: TrackingEnv, sums: _Sums, possible: Tensor) -> dict[str, Any]:
    returns = sums.reward / possible
    steps = float(sums.steps.sum())
    mean = {name: float(value.sum()) / max(1.0, steps) for name, value in sums.metrics.items()}
    survived = (sums.end != End.FAIL) & (sums.end != End.DIVERGED)
    return {
        "clip": env.motion.name,
        "character": env.character.name,
        "episodes": env.num_envs,
        "episode_s": round(float(possible.max()) * env.control_dt, 3),
        "normalized_return": {"mean": float(returns.mean()), "std": float(returns.std(correction=0))},
        "survival": float(survived.double().mean()),
        "mean_steps": steps / env.num_envs,
        **{name: value for name, value in mean.items() if not name.startswith("terms.")},
        "reward_terms": {n.removeprefix("terms."): v for n, v in mean.items() if n.startswith("terms.")},
    }
