"""Whole episodes of a policy, on the toy that ends in every way."""

import pytest
import torch

from mimic.rl.collect_episodes import collect_episodes
from mimic.rl.policy import Policy, PolicyConfig
from mimic.rl.seeds import generator
from mimic.rl.vec_env import Termination


@pytest.fixture
def policy():
    made = Policy(6, 2, PolicyConfig(actor_sizes=(8,), critic_sizes=(8,)), generator(0, "networks"))
    made.set_std(0.4)
    return made


def _collect(env, policy, transitions=2000, **kwargs):
    return collect_episodes(env, policy, transitions, torch.Generator().manual_seed(1), **kwargs)


def test_every_episode_that_began_in_time_is_there_whole(toy_env, policy):
    env, ends, steps = toy_env(8), [], []
    step = env.step

    def watched(action):
        result = step(action)
        steps.append(result.obs.clone())
        ends.append(result.end.clone())
        return result

    env.step = watched
    episodes = _collect(env, policy, 800)
    kinds = torch.stack(ends)
    share = 800 // 8
    begun = 8 + int((kinds[: share - 1] != Termination.NONE).sum())
    assert episodes.length.numel() == begun
    assert int(episodes.length.sum()) >= 800
    counts = {
        end: int((episodes.end == end).sum()) for end in (Termination.FAIL, Termination.TIMEOUT, Termination.CLIP_END)
    }
    assert sum(counts.values()) == begun and counts[Termination.FAIL] and counts[Termination.CLIP_END]


def test_transitions_follow_each_other_and_lead_to_the_last_observation(toy_env, policy):
    episodes = _collect(toy_env(8), policy)
    following = torch.cat([episodes.obs[1:], episodes.obs[:1]])
    following[episodes.last] = episodes.final_obs
    moved = following[:, :2] - episodes.obs[:, :2]  # the toy moves by 0.2 of its clamped action
    torch.testing.assert_close(moved, 0.2 * episodes.action.clamp(-2.0, 2.0), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(episodes.params, policy.mean(episodes.obs), rtol=0.0, atol=1e-6)


def test_what_came_before_a_divergence_is_kept_and_cut(toy_env, policy):
    env = toy_env(4)
    env.diverge = lambda step: [2] if step == 3 else []
    episodes = _collect(env, policy, 400)
    first = {row: int(n) for row, n in enumerate(episodes.length)}
    assert torch.isfinite(episodes.reward).all() and torch.isfinite(episodes.final_obs).all()
    cut = [row for row, n in first.items() if n <= 3 and episodes.end[row] == Termination.TIMEOUT]
    assert cut and all(first[row] == 3 for row in cut)


def test_an_episode_without_an_end_is_cut(toy_env, policy):
    env = toy_env(3)
    step = env.step
    endless = lambda result: setattr(result, "end", torch.zeros_like(result.end)) or result  # noqa: E731
    env.step = lambda action: endless(step(action))
    episodes = _collect(env, policy, 30, longest=5, about={"task": "toy"})
    assert episodes.length.tolist() == [15, 15, 15]
    assert (episodes.end == Termination.TIMEOUT).all() and episodes.about == {"task": "toy"}


def test_a_std_of_zero_gives_the_mean(toy_env, policy):
    policy.set_std(0.0)
    episodes = _collect(toy_env(4), policy, 100)
    assert torch.equal(episodes.action, episodes.params)
