"""Recorded episodes written into a replay, so that algorithms learn from them as from their own experience."""

import torch
from torch import Tensor

from mimic.core.errors import InputError
from mimic.rl.episodes import Episodes
from mimic.rl.heads import Head
from mimic.rl.replay import Replay
from mimic.rl.vec_env import Termination


def time_slots(episodes: Episodes, lanes: int) -> int:
    """Number of time slots that a replay of ``lanes`` environments needs; each environment holds episodes end to end."""
    return int(_lanes(episodes, lanes)[1].max())


def fill(replay: Replay, episodes: Episodes, head: Head) -> None:
    """Write the episodes into an empty replay. Each environment holds a lane: some episodes, one after another.

    Shorter lanes begin with rows that are not valid. If the parameters of the policy that acted are unknown, the action
    is stored as its mean. Raises ValueError if the replay is too small, InputError if the parameters do not fit ``head``.
    """
    lane, load = _lanes(episodes, replay.num_envs)
    slots = int(load.max())
    if replay.size or slots > replay.capacity:
        raise ValueError(
            f"the episodes need an empty replay of {slots} time slots; it has {replay.capacity} and holds {replay.size}"
        )
    slot, env = _places(episodes, lane, load, slots)
    replay.end[:slots] = int(Termination.DIVERGED)
    replay.end[slot, env] = int(Termination.NONE)
    replay.valid[slot, env] = True
    replay.obs[slot, env] = episodes.obs.to(replay.obs.device)
    replay.action[slot, env] = episodes.action.to(replay.obs.device)
    replay.reward[slot, env] = episodes.reward.to(replay.obs.device)
    replay.params[slot, env] = _params(episodes, head).to(replay.obs.device)
    replay.std[:slots] = float(episodes.about.get("std", 1.0))
    last = episodes.last
    replay.end[slot[last], env[last]] = episodes.end.to(replay.end)
    replay.set_finals(slot[last], env[last], episodes.final_obs)
    replay.position, replay.size = slots % replay.capacity, slots


def _lanes(episodes: Episodes, lanes: int) -> tuple[Tensor, Tensor]:
    """Assign the episodes, longest first, each to the lane that holds the fewest transitions.

    Returns the lane of each episode (E,), and the number of transitions in each lane (L,).
    """
    load = torch.zeros(lanes, dtype=torch.int64)
    lane = torch.zeros_like(episodes.length)
    for episode in episodes.length.argsort(descending=True, stable=True).tolist():
        emptiest = int(load.argmin())
        lane[episode] = emptiest
        load[emptiest] += episodes.length[episode]
    return lane, load


def _places(episodes: Episodes, lane: Tensor, load: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """Time slot and environment of every transition, (M,) each; the lanes end together."""
    begin = torch.zeros_like(episodes.length)
    filled = slots - load
    for episode, (where, length) in enumerate(zip(lane.tolist(), episodes.length.tolist(), strict=True)):
        begin[episode] = filled[where]
        filled[where] += length
    first = episodes.last - episodes.length + 1
    of_row = episodes.of_row
    return begin[of_row] + torch.arange(of_row.numel()) - first[of_row], lane[of_row]


def _params(episodes: Episodes, head: Head) -> Tensor:
    known = episodes.params.shape[1]
    if known not in (0, head.width):
        raise InputError(
            f"the data was collected by a policy of {known} distribution parameters; this run's policy has {head.width}"
        )
    if known:
        return episodes.params
    return head.statistic(episodes.action)[:, : head.width]
