"""Random pushes in training, so that a controller learns to recover its balance."""

import math

import torch
from torch import Tensor

from mimic.tracking.config import PushConfig
from mimic.tracking.counter_random import counter_uniform

_WHEN, _SIZE, _DIRECTION = 3, 4, 5  # streams of random numbers


def random_pushes(config: PushConfig, dt: float, seed: int, env: Tensor, moment: Tensor) -> tuple[Tensor, Tensor]:
    """Draw the pushes of one control step of ``dt`` [s].

    A push is horizontal, in a random direction and of a random size up to ``config.speed``. On average an environment is
    pushed once in ``config.every_s``. The result depends only on the seed, the numbers of the environments ``env`` (N,)
    int64, and ``moment`` (N,) int64, which counts control steps over all episodes.

    Returns:
        Which environments are pushed, (N,) bool, and the change of velocity, (N, 3) [m/s] in world axes.
    """
    pushed = counter_uniform(seed, env, moment, _WHEN) < dt / config.every_s
    size = config.speed * counter_uniform(seed, env, moment, _SIZE).float()
    angle = 2.0 * math.pi * counter_uniform(seed, env, moment, _DIRECTION).float()
    return pushed, torch.stack((size * angle.cos(), size * angle.sin(), torch.zeros_like(size)), -1)
