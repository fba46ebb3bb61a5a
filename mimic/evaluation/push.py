"""Push test: measure the largest push that a controller survives.

A push adds impulse / mass to the velocity of every body at once, in a horizontal direction. The velocity is set by
``Engine.reset``, so a push is the same in every engine. A blow on the trunk alone would give the same momentum, but would
also turn the character; at the same impulse such a blow is somewhat harder to survive.

The test is paired: pushes of all sizes have the same starts, times and directions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from mimic.core.strict_config import to_dict
from mimic.evaluation.evaluate import Act
from mimic.tracking import Termination, TrackingEnv

FIRST_S, LAST_S = 1.0, 3.0  # a push comes at a random time in between
WATCHED_S = 5.0  # an episode survives its push if it lasts so long after it
_SPEED_STEP, _STEPS = 0.3, 8  # default sizes: [m/s] between two, and their number beside zero


@dataclass(frozen=True)
class PushPlan:
    """One push per environment.

    Attributes:
        impulse: (N,) size of the push [N·s].
        angle: (N,) direction of the push [rad], from the clip's forward direction to the left.
        step: (N,) control step before which the push comes.
        start: (N,) clip time at which the episode begins [s].
    """

    impulse: Tensor
    angle: Tensor
    step: Tensor
    start: Tensor


@dataclass(frozen=True)
class Push:
    """One push: impulse [N·s], direction [rad] from the clip's forward direction to the left, and whether it was survived."""

    impulse_Ns: float
    angle_rad: float
    survived: bool


@dataclass(frozen=True)
class PushReport:
    """Survival by size of the push; episodes that fall before their push are left out.

    Attributes:
        impulse_Ns: sizes of the pushes [N·s], in ascending order.
        speed_change_m_s: change of velocity by a push of each size [m/s].
        pushed: number of episodes pushed with each size.
        survival: share of these episodes that survived, for each size.
        half_survive_Ns: impulse at which half of the episodes survive, interpolated [N·s]; None if no size reaches half.
        watched_s: time that an episode must last after the push to survive [s].
        pushes: all single pushes.
    """

    impulse_Ns: tuple[float, ...]
    speed_change_m_s: tuple[float, ...]
    pushed: tuple[int, ...]
    survival: tuple[float, ...]
    half_survive_Ns: float | None
    watched_s: float
    pushes: tuple[Push, ...]

    def to_json(self) -> dict[str, Any]:
        """Convert the report to numbers, lists and dictionaries."""
        result: dict[str, Any] = to_dict(self)
        return result


def default_impulses(mass: float) -> tuple[float, ...]:
    """Return nine impulses [N·s] for a character of ``mass`` [kg], from 0 to a speed change of about 2.5 m/s.

    They are equally spaced multiples of 5 N·s.
    """
    step = 5.0 * max(1, round(_SPEED_STEP * mass / 5.0))
    return tuple(step * k for k in range(_STEPS + 1))


def make_plan(env: TrackingEnv, impulses: Sequence[float]) -> PushPlan:
    """Plan one push per environment; each of ``impulses`` [N·s] gets an equal block of environments.

    In a clip that does not loop, pushes come in the first half of the clip.
    """
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
    return PushPlan(
        impulse=torch.tensor(impulses, dtype=torch.float32).repeat_interleave(each).to(env.device),
        angle=(2 * math.pi * turn).float().repeat(len(impulses)).to(env.device),
        step=steps.repeat(len(impulses)).to(env.device),
        start=(start * env.motion.duration).repeat(len(impulses)).to(env.device),
    )


@torch.no_grad()
def push_test(env: TrackingEnv, act: Act, impulses: Sequence[float]) -> PushReport:
    """Push the character of each environment of ``env`` once; report how many survive each size of push.

    Args:
        env: the environment, made with ``training=False``.
        act: the policy: a function from observations (N, D) to actions (N, A).
        impulses: sizes of the pushes [N·s].

    Raises ValueError if the number of environments is no multiple of the number of ``impulses``.
    """
    if env.num_envs % len(impulses):
        raise ValueError(
            f"{env.num_envs} environments cannot be divided equally among {len(impulses)} impulses; "
            f"use a multiple of {len(impulses)}"
        )
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
        fell |= running & ((result.end == Termination.FAIL) | (result.end == Termination.DIVERGED))
        running = running & (result.end == Termination.NONE) & (step < plan.step + watch)
        if not bool(running.any()):
            break
    return _report(env, plan, pushed, ~fell)


def _speed(env: TrackingEnv, plan: PushPlan, now: Tensor) -> Tensor:
    """Return the change of velocity (K, 3) in world axes [m/s] of the K characters selected by ``now`` (N,) bool."""
    angle = plan.angle[now] + env.tracker.current.yaw[now]
    direction = torch.stack((angle.cos(), angle.sin(), torch.zeros_like(angle)), -1)
    return direction * (plan.impulse[now] / env.character.mass)[:, None]


def _report(env: TrackingEnv, plan: PushPlan, pushed: Tensor, survived: Tensor) -> PushReport:
    sizes = sorted(set(plan.impulse.tolist()))
    counts = [int((pushed & (plan.impulse == size)).sum()) for size in sizes]
    alive = [int((pushed & survived & (plan.impulse == size)).sum()) for size in sizes]
    survival = [a / n if n else 0.0 for a, n in zip(alive, counts, strict=True)]
    rows = zip(plan.impulse.tolist(), plan.angle.tolist(), survived.tolist(), pushed.tolist(), strict=True)
    return PushReport(
        impulse_Ns=tuple(sizes),
        speed_change_m_s=tuple(size / env.character.mass for size in sizes),
        pushed=tuple(counts),
        survival=tuple(survival),
        half_survive_Ns=half_point(sizes, survival),
        watched_s=WATCHED_S,
        pushes=tuple(Push(impulse, angle, lived) for impulse, angle, lived, was_pushed in rows if was_pushed),
    )


def half_point(sizes: Sequence[float], survival: Sequence[float]) -> float | None:
    """Return the size of the push at which survival first falls to one half, by linear interpolation.

    None if survival is at most one half at the smallest size, or above one half at all sizes.
    """
    if survival[0] <= 0.5:
        return None
    points = list(zip(sizes, survival, strict=True))
    for (x, above), (y, below) in pairwise(points):
        if above > 0.5 >= below:
            return x + (y - x) * (above - 0.5) / (above - below)
    return None
