"""Random pushes in training, so that a controller learns to recover its balance."""

import math

import torch
from torch import Tensor

from mimic.tracking.config import PushConfig
from mimic.tracking.counter_random import counter_uniform

_WHEN, _SIZE, _DIRECTION = 3, 4, 5  # streams of random numbers


def random_pushes(config: PushConfig, dt: float, seed: int, env: Tensor, moment: Tensor) -> tuple[Tensor, Tensor]:
    """Draw the pushes of one control step of ``dt`` [s].

    A push is horizontal, in any direction and of any size up to ``config.speed``. An environment is pushed once in
    ``config.every_s`` on average. The result depends on the seed, the environments ``env`` (N,) int64 and their
    ``moment`` (N,) int64 alone.

    Returns:
        (N,) bool, the environments that are pushed, and (N, 3), the change of velocity [m/s], world axes.
    """
    pushed = counter_uniform(seed, env, moment, _WHEN) < dt / config.every_s
    size = config.speed * counter_uniform(seed, env, moment, _SIZE).float()
    angle = 2.0 * math.pi * counter_uniform(seed, env, moment, _DIRECTION).float()
    return pushed, torch.stack((size * angle.cos(), size * angle.sin(), torch.zeros_like(size)), -1)
