"""Whole episodes of a policy, for a file."""

import dataclasses
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mimic.rl.episodes import Episodes, from_time_major
from mimic.rl.policy import Policy
from mimic.rl.vec_env import Termination, VecEnv

_COLUMNS = ("obs", "action", "params", "reward", "end", "valid", "final_obs")
_LONGEST = 10_000  # control steps after which an episode without an end is cut


@torch.no_grad()
def collect_episodes(
    env: VecEnv,
    policy: Policy,
    transitions: int,
    generator: torch.Generator,
    about: Mapping[str, str | int | float] | None = None,
    longest: int = _LONGEST,
) -> Episodes:
    """Collect whole episodes with at least so many ``transitions``.

    Each environment begins new episodes until it has done its share of the steps, then finishes the last one. Long episodes
    are therefore neither missing nor cut short. If a simulation diverges, the steps before are kept. Actions are drawn at the
    policy's std; std 0 gives the mean action.

    Args:
        env: the environments.
        policy: the policy that acts.
        transitions: number of transitions; the result has a few more.
        generator: draws the actions.
        about: notes to store with the episodes.
        longest: steps after its share that an environment may need to finish; then its episode is cut.
    """
    share = math.ceil(transitions / env.num_envs)
    columns: dict[str, list[Tensor]] = {name: [] for name in _COLUMNS}
    obs, wanted, taken = env.reset().clone(), torch.ones(env.num_envs, dtype=torch.bool, device=env.device), 0
    while taken < share or (bool(wanted.any()) and taken < share + longest):
        action, params = policy.sample(obs, generator)
        step = env.step(action)
        valid = wanted & (step.end != int(Termination.DIVERGED))
        row = (obs, action, params, step.reward, step.end, valid, step.final_obs)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value.to("cpu", copy=True))
        taken += 1
        if taken >= share:
            wanted = wanted & (step.end == int(Termination.NONE))
        obs = step.obs.clone()
    stacked = {name: torch.stack(column) for name, column in columns.items()}
    episodes = from_time_major(**stacked, next_obs=obs.cpu())
    return dataclasses.replace(episodes, about=dict(about or {}))
