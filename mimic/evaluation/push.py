"""Pushes: how large a push does a controller survive?

A push changes the velocity of the whole character at once by impulse / mass, in a horizontal direction: the momentum
that a blow of that impulse [N·s] gives. It is set through ``Engine.reset``, which every engine has, so that it means the
same in all of them. (A blow on the trunk alone gives the same momentum, but leaves the limbs behind and spins: somewhat
harder to bear at the same impulse.)

The test is paired: pushes of every size come at the same moments, from the same starts, in the same directions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from mimic.evaluation.evaluate import Act
from mimic.tracking import End, TrackingEnv

FIRST_S, LAST_S = 1.0, 3.0  # a push comes at a random time in between...
WATCHED_S = 5.0  # ... and who is not down so long after it has survived
_SPEED_STEP, _STEPS = 0.3, 8  # [m/s] between two sizes, and how many beside zero, where none are asked for


@dataclass(frozen=True)
class Plan:
    """K pushes: who is pushed how, and from where in the clip it starts.

    Attributes:
        impulse: (K,) [N·s].
        angle: (K,) [rad] from the clip's forward direction, to the left.
        step: (K,) control step before which the push comes.
        start: (K,) clip time [s] at which the episode begins.
    """

    impulse: Tensor
    angle: Tensor
    step: Tensor
    start: Tensor


def default_impulses(mass: float) -> tuple[float, ...]:
    """Sizes up to a change of speed of about 2.5 m/s, in steps of a multiple of 5 N·s."""
    step = 5.0 * max(1, round(_SPEED_STEP * mass / 5.0))
    return tuple(step * k for k in range(_STEPS + 1))


def make_plan(env: TrackingEnv, impulses: Sequence[float]) -> Plan:
    """Share the environments out over the sizes, in blocks; a clip that does not loop is pushed in its first half."""
    each = env.num_envs // len(impulses)
    generator = torch.Generator().manual_seed(env.seed)
    start, when, turn = torch.rand(3, each, dtype=torch.float64, generator=generator)
    # one direction in each of ``each`` equal sectors
    turn = (torch.randperm(each, generator=generator) + turn) / each
    first, last = FIRST_S, LAST_S
    if not env.motion.loop:
        first, last = 0.1 * env.motion.duration, 0.5 * env.motion.duration
        start = start * 0.0
    steps = ((first + (last - first) * when) / env.control_dt).round().long()
    return Plan(
        impulse=torch.tensor(impulses, dtype=torch.float32).repeat_interleave(each).to(env.device),
        angle=(2 * math.pi * turn).float().repeat(len(impulses)).to(env.device),
        step=steps.repeat(len(impulses)).to(env.device),
        start=(start * env.motion.duration).repeat(len(impulses)).to(env.device),
    )


@torch.no_grad()
def push_test(env: TrackingEnv, act: Act, impulses: Sequence[float]) -> dict[str, Any]:
    """Push every character of ``env`` (made with ``training=False``) once, and see who falls within 5 s.

    The number of environments must be a multiple of the number of ``impulses``. Episodes that fall before their push are
    left out.

    Returns:
        ``impulse_Ns``, and by size: ``speed_change_m_s``, ``pushed`` (episodes) and ``survival``;
        ``half_survive_Ns``: where survival passes a half, by linear interpolation, None if it does not; ``pushes``, one
        by one: impulse, angle [rad] from the clip's forward direction to the left, and whether it was survived.
    """
    if env.num_envs % len(impulses):
        raise ValueError(f"{env.num_envs} environments cannot be shared out over {len(impulses)} sizes")
    plan = make_plan(env, impulses)
    watch = round(WATCHED_S / env.control_dt)
    obs = env.reset(plan.start)
    running = torch.ones_like(plan.step, dtype=torch.bool)
    pushed, fell = torch.zeros_like(running), torch.zeros_like(running)
    for step in range(int(plan.step.max()) + watch):
        now = running & (plan.step == step)
        if bool(now.any()):
            env.push(now.nonzero().squeeze(1), _speed(env, plan, now))
            obs = torch.where(now[:, None], env.observe(), obs)
            pushed |= now
        result = env.step(act(obs))
        obs = result.obs
        fell |= running & ((result.end == End.FAIL) | (result.end == End.DIVERGED))
        running = running & (result.end == End.NONE) & (step < plan.step + watch)
        if not bool(running.any()):
            break
    return _report(env, plan, pushed, ~fell)


def _speed(env: TrackingEnv, plan: Plan, now: Tensor) -> Tensor:
    """Change of velocity (K, 3) [m/s], world axes, of those who are pushed now."""
    angle = plan.angle[now] + env.clock.now.yaw[now]
    direction = torch.stack((angle.cos(), angle.sin(), torch.zeros_like(angle)), -1)
    return direction * (plan.impulse[now] / env.character.mass)[:, None]


def _report(env: TrackingEnv, plan: Plan, pushed: Tensor, survived: Tensor) -> dict[str, Any]:
    sizes = sorted(set(plan.impulse.tolist()))
    counts = [int((pushed & (plan.impulse == size)).sum()) for size in sizes]
    alive = [int((pushed & survived & (plan.impulse == size)).sum()) for size in sizes]
    survival = [a / n if n else 0.0 for a, n in zip(alive, counts, strict=True)]
    rows = zip(plan.impulse.tolist(), plan.angle.tolist(), survived.tolist(), pushed.tolist(), strict=True)
    return {
        "impulse_Ns": sizes,
        "speed_change_m_s": [size / env.character.mass for size in sizes],
        "pushed": counts,
        "survival": survival,
        "half_survive_Ns": half_point(sizes, survival),
        "watched_s": WATCHED_S,
        "pushes": [{"impulse_Ns": i, "angle_rad": a, "survived": s} for i, a, s, was in rows if was],
    }


def half_point(sizes: Sequence[float], survival: Sequence[float]) -> float | None:
    """The size at which survival first falls to a half, by linear interpolation; None if it never does, or starts below."""
    if survival[0] <= 0.5:
        return None
    points = list(zip(sizes, survival, strict=True))
    for (x, above), (y, below) in pairwise(points):
        if above > 0.5 >= below:
            return x + (y - x) * (above - 0.5) / (above - below)
    return None
