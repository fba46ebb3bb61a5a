"""Gymnasium's random numbers: one NumPy generator for each copy, seeded as by ``env.reset(seed=...)``.

A generator's state is stored as six integers."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_WORD = (1 << 64) - 1


def copy_seeds(seed: int, num_envs: int) -> list[int]:
    """Return a seed for each of ``num_envs`` copies; runs with neighbouring seeds have no such seed in common."""
    return [int(np.random.SeedSequence([seed, row]).generate_state(1)[0]) for row in range(num_envs)]


def generator(seed: int) -> np.random.Generator:
    """Return the generator of ``gymnasium.utils.seeding.np_random(seed)``."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def to_tensor(generators: Sequence[np.random.Generator]) -> Tensor:
    """Return the states of N generators, (N, 6) int64."""
    return torch.from_numpy(np.array([_words(g) for g in generators], dtype=np.uint64).view(np.int64))


def from_tensor(states: Tensor, generators: Sequence[np.random.Generator]) -> None:
    """Set N generators to the states that ``to_tensor`` gave."""
    for words, one in zip(states.numpy().view(np.uint64).tolist(), generators, strict=True):
        one.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3]},
            "has_uint32": words[4],
            "uinteger": words[5],
        }


def _words(one: np.random.Generator) -> list[int]:
    state = one.bit_generator.state
    value, increment = state["state"]["state"], state["state"]["inc"]
    return [value >> 64, value & _WORD, increment >> 64, increment & _WORD, state["has_uint32"], state["uinteger"]]
