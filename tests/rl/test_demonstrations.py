"""Recorded episodes in a replay: nothing is lost, and the returns are those of the episodes themselves."""

import pytest
import torch

from mimic.core.errors import InputError
from mimic.rl.demonstrations import fill, time_slots
from mimic.rl.episodes import Episodes, from_replay
from mimic.rl.heads import CategoricalHead, GaussianHead
from mimic.rl.replay import Replay
from mimic.rl.returns import episode_td_lambda_return, next_values, td_lambda_return
from mimic.rl.vec_env import Termination


def _episodes(lengths=(5, 1, 9, 3, 4), params=2) -> Episodes:
    rng = torch.Generator().manual_seed(0)
    length = torch.tensor(lengths)
    count = int(length.sum())
    ends = torch.tensor(
        [Termination.FAIL, Termination.TIMEOUT, Termination.CLIP_END, Termination.FAIL, Termination.TIMEOUT],
        dtype=torch.int8,
    )
    return Episodes(
        torch.randn(count, 3, generator=rng),
        torch.randn(count, 2, generator=rng),
        torch.randn(count, params, generator=rng),
        torch.randn(count, generator=rng),
        length,
        ends[: length.numel()],
        torch.randn(length.numel(), 3, generator=rng),
    )


def _filled(episodes: Episodes, lanes: int, extra: int = 0) -> Replay:
    replay = Replay(1, time_slots(episodes, lanes) + extra, lanes, 3, 2)
    fill(replay, episodes, GaussianHead(2))
    return replay


@pytest.mark.parametrize("lanes", [1, 2, 3, 7])
def test_every_episode_comes_back_whole_with_its_end_and_last_observation(lanes):
    episodes = _episodes()
    again = from_replay(_filled(episodes, lanes, extra=4))
    order = [int((again.reward[again.last - again.length + 1] == first).nonzero()) for first in _first(episodes)]
    again = again.select(torch.tensor(order))
    for name in ("obs", "action", "params", "reward", "length", "end"):
        assert torch.equal(getattr(again, name), getattr(episodes, name)), name
    watched = episodes.end != Termination.FAIL
    assert torch.equal(again.final_obs[watched], episodes.final_obs[watched])


def _first(episodes: Episodes) -> torch.Tensor:
    return episodes.reward[episodes.last - episodes.length + 1]


def test_lanes_share_the_episodes_evenly():
    assert time_slots(_episodes(), 1) == 22 and time_slots(_episodes(), 2) == 12 and time_slots(_episodes(), 5) == 9


def test_returns_in_the_replay_are_those_of_the_episodes():
    episodes = _episodes()
    replay = _filled(episodes, 2)
    slots = replay.slots()
    value, final = replay.obs[slots][..., 0], replay.final_obs()
    stopped = torch.zeros_like(value)
    stopped[final.slot, final.env] = final.obs[:, 0]
    end = replay.end[slots]
    following = next_values(value, torch.zeros(2), end, stopped, "zero")
    ours = td_lambda_return(replay.reward[slots], value, following, end, 0.9, 0.8)[replay.valid[slots]]
    given = episodes.obs[:, 0], episodes.final_obs[:, 0], episodes.length, episodes.end
    theirs = episode_td_lambda_return(episodes.reward, *given, 0.9, 0.8)
    torch.testing.assert_close(ours.sort().values, theirs.sort().values)


def test_a_replay_that_is_too_small_or_not_empty_is_refused():
    episodes = _episodes()
    with pytest.raises(ValueError, match="an empty replay of 22 time slots; it has 21 and holds 0"):
        fill(Replay(1, 21, 1, 3, 2), episodes, GaussianHead(2))
    with pytest.raises(ValueError, match="holds 22"):
        fill(_filled(episodes, 1), episodes, GaussianHead(2))


def test_actions_stand_in_for_means_that_are_not_known_and_other_parameters_are_refused():
    episodes = _episodes(params=0)
    replay = _filled(episodes, 1)
    assert torch.equal(replay.params, replay.action)
    with pytest.raises(InputError, match=r"a policy of 2 distribution parameters; .* has 4"):
        fill(Replay(1, 22, 1, 3, 2, params_dim=4), _episodes(), CategoricalHead(4))
