"""Episodes of unequal length in flat arrays: the data of offline learning and of demonstrations.

The M transitions of E episodes lie one after another; every episode has its length and the reason for its end. An episode may
be cut at the newest edge of a replay, or before a simulation that diverged. It then ends in ``Termination.TIMEOUT`` with its next
observation, because the state continued.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mimic.core.errors import InputError
from mimic.rl.replay import Replay
from mimic.rl.vec_env import Termination

ENDS = (Termination.FAIL, Termination.TIMEOUT, Termination.CLIP_END)


@dataclass(frozen=True)
class Episodes:
    """M transitions of E episodes, one after another. Raises ValueError if the sizes do not fit together."""

    obs: Tensor  # (M, D)
    action: Tensor  # (M, A)
    params: Tensor  # (M, P) of the distribution that the action was drawn from (a head's); P is 0 if that is not known
    reward: Tensor  # (M,)
    length: Tensor  # (E,) int64, at least 1
    end: Tensor  # (E,) int8, one of ENDS
    final_obs: Tensor  # (E, D) where the last action led; any finite numbers after Termination.FAIL
    about: Mapping[str, str | int | float] = field(default_factory=dict)  # task, controller, std and the like

    def __post_init__(self) -> None:
        count, episodes = self.reward.shape[0], self.length.shape[0]
        rows = {name: getattr(self, name).shape[0] for name in ("obs", "action", "params")}
        ends = {name: getattr(self, name).shape[0] for name in ("end", "final_obs")}
        for name, size in rows.items():
            if size != count:
                raise ValueError(f"{name} has {size} rows; it needs {count}, as many as reward")
        for name, size in ends.items():
            if size != episodes:
                raise ValueError(f"{name} has {size} rows; it needs {episodes}, as many as length")
        if not episodes or int(self.length.min()) < 1 or int(self.length.sum()) != count:
            raise ValueError(
                f"the lengths of {episodes} episodes sum to {int(self.length.sum())}; they must be at least 1 and sum to {count}"
            )
        if self.obs.shape[1] != self.final_obs.shape[1]:
            raise ValueError(
                f"final_obs has {self.final_obs.shape[1]} columns; it needs {self.obs.shape[1]}, as many as obs"
            )
        known = torch.tensor([int(end) for end in ENDS], dtype=self.end.dtype, device=self.end.device)
        if not bool(torch.isin(self.end, known).all()):
            raise ValueError(
                f"an episode has the end {int(self.end[~torch.isin(self.end, known)][0])}; "
                "it must be 1 (terminated), 2 (truncated) or 3 (end of the clip)"
            )

    @property
    def last(self) -> Tensor:
        """Row of each episode's last transition, (E,)."""
        return self.length.cumsum(0) - 1

    @property
    def of_row(self) -> Tensor:
        """Number of the episode that each transition belongs to, (M,)."""
        return torch.arange(self.length.numel(), device=self.length.device).repeat_interleave(self.length)

    def returns(self) -> Tensor:
        """Sum of each episode's rewards, (E,) float64."""
        return torch.zeros_like(self.length, dtype=torch.float64).index_add(0, self.of_row, self.reward.double())

    def select(self, episodes: Tensor) -> "Episodes":
        """Some of the episodes, by their numbers (E',), in that order."""
        length = self.length[episodes]
        within = torch.arange(int(length.sum())) - (length.cumsum(0) - length).repeat_interleave(length)
        rows = (self.last - self.length + 1)[episodes].repeat_interleave(length) + within
        obs, action, params, reward = (x[rows] for x in (self.obs, self.action, self.params, self.reward))
        return Episodes(obs, action, params, reward, length, self.end[episodes], self.final_obs[episodes], self.about)

    def held_out(self, share: float, generator: torch.Generator) -> tuple["Episodes", "Episodes"]:
        """Whole episodes to learn from, and about ``share`` of them to judge by; at least one of each.

        Raises InputError if there is one episode alone.
        """
        count = self.length.numel()
        if count < 2:
            raise InputError("the data holds one episode; to hold one out there must be two")
        order = torch.randperm(count, generator=generator)
        held = min(max(1, round(share * count)), count - 1)
        return self.select(order[held:].sort().values), self.select(order[:held].sort().values)


def concatenate(parts: Sequence[Episodes]) -> Episodes:
    """All episodes of several. Raises InputError if their sizes differ."""
    first = parts[0]
    for other in parts[1:]:
        for name in ("obs", "action", "params"):
            mine, theirs = getattr(first, name).shape[1], getattr(other, name).shape[1]
            if mine != theirs:
                raise InputError(
                    f"the data files differ: {name} has {mine} numbers in one and {theirs} in another; join files of one task and policy"
                )
    names = ("obs", "action", "params", "reward", "length", "end", "final_obs")
    joined: dict[str, Any] = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    return dataclasses.replace(first, **joined)


def from_replay(replay: Replay) -> Episodes:
    """All valid transitions of a replay, by environment and then by time, as episodes.

    An episode that began before the oldest time slot has only its later part. A replay does not store the observation after
    a failure: ``final_obs`` then holds the one before it, which no return reads. Raises ValueError if nothing is valid.
    """
    slots, stops = replay.slots(), replay.final_obs()
    final = replay.obs.clone()
    final[stops.slot, stops.env] = stops.obs
    names = ("obs", "action", "params", "reward", "end", "valid")
    obs, action, params, reward, end, valid = (getattr(replay, name)[slots] for name in names)
    return from_time_major(obs, action, params, reward, end, valid, final[slots], replay.next_obs)


def from_time_major(
    obs: Tensor,
    action: Tensor,
    params: Tensor,
    reward: Tensor,
    end: Tensor,
    valid: Tensor,
    final_obs: Tensor,
    next_obs: Tensor,
) -> Episodes:
    """The valid transitions of T steps in N environments, by environment and then by time. Arrays are (T, N, ...).

    An unfinished episode is cut before a transition that is not valid, and at the newest step. ``final_obs`` (T, N, D) is read where an episode ended;
    ``next_obs`` (N, D) is where the newest step led. Raises ValueError if nothing is valid.
    """
    following = torch.cat([obs[1:], next_obs.unsqueeze(0)])
    goes_on = torch.cat([valid[1:], torch.zeros_like(valid[:1])])
    cut = (end == int(Termination.NONE)) & ~goes_on
    final = torch.where(cut.unsqueeze(-1), following, final_obs)
    end = end.masked_fill(cut, int(Termination.TIMEOUT))
    stacked = (obs, action, params, reward, end, valid, final)
    obs, action, params, reward, end, valid, final = (x.transpose(0, 1).flatten(0, 1) for x in stacked)
    last = ((end != int(Termination.NONE)) & valid).nonzero().squeeze(-1)
    if not last.numel():
        raise ValueError("none of the transitions is valid: every simulation diverged, or nothing was collected")
    number = valid.cumsum(0)[last]  # valid transitions up to the end of each path
    length = torch.diff(number, prepend=number.new_zeros(1))
    return Episodes(obs[valid], action[valid], params[valid], reward[valid], length, end[last], final[last])
