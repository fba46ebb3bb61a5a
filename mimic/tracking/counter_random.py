"""Random numbers that depend on (seed, environment, episode) alone, so that environments have independent streams."""

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def counter_uniform(seed: int, env: Tensor, episode: Tensor, stream: int = 0) -> Tensor:
    """Return uniform random float64 numbers (K,) in [0, 1), one for each pair of ``env`` and ``episode``, (K,) int64.

    The counters are hashed by SplitMix64 (Steele, Lea and Flood 2014). Each use of random numbers within an episode has
    a ``stream`` of its own, and so independent numbers.
    """
    state = torch.full_like(env, seed)
    for counter in (env, episode, torch.full_like(env, stream)):
        state = _mix(state + counter * _GOLDEN + _GOLDEN)
    return _logical_shift(state, 11).double() * 2.0**-53


def _mix(z: Tensor) -> Tensor:
    z = (z ^ _logical_shift(z, 30)) * _MIX_1
    z = (z ^ _logical_shift(z, 27)) * _MIX_2
    return z ^ _logical_shift(z, 31)


def _logical_shift(z: Tensor, bits: int) -> Tensor:
    # torch shifts int64 arithmetically; clear the copies of the sign bit
    return (z >> bits) & ((1 << (64 - bits)) - 1)
