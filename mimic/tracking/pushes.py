"""Pushes at random moments of training, so that a controller learns to catch itself."""

import math

import torch
from torch import Tensor

from mimic.tracking.config import PushConfig
from mimic.tracking.counter_random import counter_uniform

_WHEN, _SIZE, _DIRECTION = 3, 4, 5  # streams of random numbers


def random_pushes(config: PushConfig, dt: float, seed: int, env: Tensor, moment: Tensor) -> tuple[Tensor, Tensor]:
    """Who is pushed in a control step of ``dt`` [s], (N,) bool, and by what change of velocity (N, 3) [m/s], world axes.

    Horizontal, in any direction, of any size up to ``config.speed``; on average once in ``config.every_s``. Depends on the
    seed, the environment and its ``moment`` (N,) int64 alone.
    """
    pushed = counter_uniform(seed, env, moment, _WHEN) < dt / config.every_s
    size = config.speed * counter_uniform(seed, env, moment, _SIZE).float()
    angle = 2.0 * math.pi * counter_uniform(seed, env, moment, _DIRECTION).float()
    return pushed, torch.stack((size * angle.cos(), size * angle.sin(), torch.zeros_like(size)), -1)
