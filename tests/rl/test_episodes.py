"""Episodes from a replay, in parts and in files; laws 9 and 10 of their returns."""

import dataclasses
import io

import numpy as np
import pytest
import torch

from mimic.core.errors import InputError
from mimic.rl.episode_file import VERSION, check_sizes, read_episodes, write_episodes
from mimic.rl.episodes import Episodes, concatenate, from_replay
from mimic.rl.learner import standardize
from mimic.rl.replay import Replay
from mimic.rl.returns import episode_td_lambda_return, next_values, td_lambda_return
from mimic.rl.vec_env import Step, Termination

_GAMMA, _LAMBDA = 0.97, 0.9


def _replay(seed=0, slots=30, envs=5, steps=47):
    """More steps than the ring holds, every kind of end, some simulations diverging."""
    rng = torch.Generator().manual_seed(seed)
    replay = Replay(1, slots, envs, 3, 2)
    obs = replay.next_obs.copy_(torch.randn(envs, 3, generator=rng)).clone()
    for _ in range(steps):
        kinds = torch.tensor(
            [Termination.NONE] * 12
            + [Termination.FAIL, Termination.TIMEOUT, Termination.CLIP_END, Termination.DIVERGED],
            dtype=torch.int8,
        )
        end = kinds[torch.randint(len(kinds), (envs,), generator=rng)]
        following, final = torch.randn(2, envs, 3, generator=rng)
        final = torch.where((end == Termination.NONE).unsqueeze(1), following, final)
        action, mean = torch.randn(2, envs, 2, generator=rng)
        step = Step(following, torch.randn(envs, generator=rng), end, final)
        replay.add(obs, action, mean, torch.ones(2), torch.zeros(envs), step)
        obs = following
    return replay


def _value(obs):
    return obs.sin().sum(-1)


def _returns(episodes, clip_end="zero", value=_value, lam=_LAMBDA):
    final = value(episodes.final_obs)
    end, length = episodes.end, episodes.length
    return episode_td_lambda_return(episodes.reward, value(episodes.obs), final, length, end, _GAMMA, lam, clip_end)


@pytest.fixture
def episodes():
    return from_replay(_replay())


@pytest.mark.law
@pytest.mark.parametrize("clip_end", ["zero", "bootstrap"])
@pytest.mark.parametrize("steps", [11, 30, 47])
def test_returns_of_a_replays_episodes_are_those_of_its_time_major_scan_to_the_bit(steps, clip_end):
    replay = _replay(steps=steps)
    slots = replay.slots()
    reward, end, valid = (getattr(replay, name)[slots] for name in ("reward", "end", "valid"))
    value, final = _value(replay.obs[slots]), replay.final_obs()
    stopped = torch.zeros(replay.capacity, replay.num_envs)
    stopped[final.slot, final.env] = _value(final.obs)
    following = next_values(value, _value(replay.next_obs), end, stopped[slots], clip_end)
    expected = td_lambda_return(reward, value, following, end, _GAMMA, _LAMBDA)
    assert not valid.all() and valid.any()
    assert torch.equal(_returns(from_replay(replay), clip_end), expected.T[valid.T])


@pytest.mark.law
def test_shuffling_episodes_shuffles_returns_and_changes_no_moment(episodes):
    order = torch.randperm(episodes.length.numel(), generator=torch.Generator().manual_seed(1))
    shuffled = episodes.select(order)
    rows = torch.cat([(episodes.of_row == e).nonzero().squeeze(-1) for e in order])
    mine, theirs = _returns(shuffled), _returns(episodes)
    assert torch.equal(mine, theirs[rows])
    every = torch.ones(mine.numel(), dtype=torch.bool)
    torch.testing.assert_close(standardize(mine, every), standardize(theirs, every)[rows], rtol=0.0, atol=1e-6)
    torch.testing.assert_close(shuffled.returns(), episodes.returns()[order], rtol=0.0, atol=1e-12)


@pytest.mark.law
def test_a_time_out_bootstraps_and_a_failure_does_not():
    """Two states, reward 1 a step for ever: with V exact the value is 1 / (1 - gamma) wherever the watching stopped."""
    endless, length = 1.0 / (1.0 - _GAMMA), torch.tensor([3, 3])
    end = torch.tensor([Termination.TIMEOUT, Termination.FAIL], dtype=torch.int8)
    steps = torch.ones(6)
    found = episode_td_lambda_return(steps, endless * steps, torch.full((2,), endless), length, end, _GAMMA, 1.0)
    torch.testing.assert_close(found[:3], torch.full((3,), endless))
    torch.testing.assert_close(found[3:], torch.tensor([1.0 + _GAMMA + _GAMMA**2, 1.0 + _GAMMA, 1.0]))


def test_without_a_critic_the_return_is_the_discounted_sum_of_what_follows(episodes):
    found = _returns(episodes, value=lambda obs: torch.zeros(obs.shape[0]), lam=1.0)
    first = int(episodes.length[0])
    expected = sum(_GAMMA**k * float(r) for k, r in enumerate(episodes.reward[:first]))
    assert float(found[0]) == pytest.approx(expected, abs=1e-5)


def test_whole_episodes_are_held_out_and_none_is_lost(episodes):
    learned, held = episodes.held_out(0.2, torch.Generator().manual_seed(0))
    count = episodes.length.numel()
    assert held.length.numel() == round(0.2 * count) and learned.length.numel() == count - held.length.numel()
    both = concatenate([learned, held])
    assert torch.equal(both.reward.sort().values, episodes.reward.sort().values)
    starts = {tuple(o) for o in episodes.obs[episodes.last - episodes.length + 1].tolist()}
    assert {tuple(o) for o in held.obs[held.last - held.length + 1].tolist()} <= starts
    with pytest.raises(InputError, match="holds one episode"):
        episodes.select(torch.tensor([0])).held_out(0.1, torch.Generator())


def test_data_of_other_sizes_is_not_joined(episodes):
    with pytest.raises(InputError, match="obs has 3 numbers in one and 2 in another"):
        concatenate(
            [episodes, dataclasses.replace(episodes, obs=episodes.obs[:, :2], final_obs=episodes.final_obs[:, :2])]
        )


def test_sizes_that_do_not_fit_together_are_refused(episodes):
    for change, message in (
        ({"reward": episodes.reward[1:]}, "obs has .* rows; it needs"),
        ({"length": episodes.length + 1}, "the lengths of .* sum to"),
        ({"end": torch.zeros_like(episodes.end)}, "the end 0; it must be 1"),
        ({"final_obs": episodes.final_obs[:, :1]}, "final_obs has 1 columns; it needs 3"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(episodes, **change)


def test_a_file_gives_back_what_was_written_and_the_same_bytes_each_time(episodes, tmp_path):
    told = dataclasses.replace(episodes, about={"task": "Hopper-v5", "std": 0.1, "seed": 3})
    for name in ("a.npz", "b.npz"):
        write_episodes(tmp_path / name, told)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    back = read_episodes(tmp_path / "a.npz")
    assert back.about == told.about
    for each in dataclasses.fields(Episodes)[:-1]:
        assert torch.equal(getattr(back, each.name), getattr(told, each.name))
    check_sizes(back, 3, 2, "Toy", "a.npz")
    with pytest.raises(InputError, match=r"a\.npz: observations of 3 numbers and actions of 2; Hopper-v5 has 11 and 3"):
        check_sizes(back, 11, 3, "Hopper-v5", "a.npz")


def test_what_is_not_finite_is_not_written(episodes, tmp_path):
    with pytest.raises(InputError, match=r"reward is not finite at \[2\]"):
        write_episodes(
            tmp_path / "a.npz",
            dataclasses.replace(episodes, reward=episodes.reward.index_fill(0, torch.tensor([2]), torch.nan)),
        )
    assert not list(tmp_path.iterdir())


def _changed(path, **changes):
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files} | changes
    data = io.BytesIO()
    np.savez(data, **{name: array for name, array in arrays.items() if array is not None})
    path.write_bytes(data.getvalue())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": np.int64(VERSION + 1)}, "episodes of version 2; this program reads version 1"),
        ({"version": None}, r"holds no episodes \(version missing\)"),
        ({"obs": None, "end": None}, r"holds no episodes \(obs, end missing\)"),
        ({"obs": np.zeros(3)}, r"obs has shape \(3,\) and type float64, expected numbers of shape \(any, any\)"),
        ({"obs": np.full((7, 3), np.nan)}, r"obs is not finite at index \(0, 0\)"),
        ({"obs": np.zeros((7, 3))}, "obs has 7 rows; it needs 136"),
        ({"obs": np.array([[object()]], dtype=object)}, r"holds no episodes \(obs missing\)"),
        ({"reward": np.full(133, 1e300)}, "reward holds numbers beyond"),
        ({"length": np.array([1.5])}, "length is float64, expected whole numbers"),
        ({"length": np.array([-1, 5])}, "end has .* rows; it needs 2, as many as length"),
        ({"end": np.array([300])}, "end holds numbers beyond 127"),
        ({"about": np.array("[1]")}, "about is not an object"),
        ({"about": np.array("{")}, "about is not JSON"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(episodes, tmp_path, changes, message):
    path = tmp_path / "a.npz"
    write_episodes(path, episodes)
    _changed(path, **changes)
    with pytest.raises(InputError, match=message) as caught:
        read_episodes(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_file_that_is_none_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_episodes(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("episodes")
    with pytest.raises(InputError, match=r"damaged, or not a \.npz archive"):
        read_episodes(tmp_path / "text.npz")
