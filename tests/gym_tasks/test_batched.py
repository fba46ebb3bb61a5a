"""Law 11: a batched task is Gymnasium's own, step for step, and resumes to the bit."""

import gymnasium
import numpy as np
import pytest
import torch

from mimic.core.errors import InputError
from mimic.gym_tasks.batched.vec_env import BATCHED, BatchedVecEnv, make_task_env
from mimic.gym_tasks.gymnasium_env import GymVecEnv, make
from mimic.gym_tasks.random_state import copy_seeds
from mimic.rl.vec_env import Termination

_SEED, _COPIES = 7, 2


def _actions(task_id, dim, rng):
    """Mild ones for what runs into the time-out, wild ones for what falls."""
    scale = 0.3 if task_id.startswith(("HalfCheetah", "Ant")) else 1.2
    return (scale * rng.normal(size=(_COPIES, dim))).astype(np.float32)


@pytest.mark.law
@pytest.mark.parametrize("task_id", BATCHED)
def test_a_batched_task_equals_gymnasium_step_for_step_over_whole_episodes(task_id):
    task_class, version = BATCHED[task_id]
    batched = task_class(version, _COPIES, _SEED)
    envs = [make(task_id) for _ in range(_COPIES)]
    expected = [env.reset(seed=s)[0] for env, s in zip(envs, copy_seeds(_SEED, _COPIES), strict=True)]
    batched.reset(np.arange(_COPIES))
    np.testing.assert_allclose(batched.observation(), expected, rtol=0.0, atol=1e-9)
    rng, ends = np.random.default_rng(0), 0
    while ends < 2 * _COPIES and not (ends and batched._steps.max() > 50):
        action = _actions(task_id, batched.action_space.shape[0], rng)
        outcome, observed = batched.step(action), batched.observation()
        for row, env in enumerate(envs):
            obs, reward, terminated, truncated, _ = env.step(action[row])
            assert abs(outcome.reward[row] - reward) <= 1e-9
            assert (outcome.terminated[row], outcome.truncated[row]) == (terminated, truncated)
            np.testing.assert_allclose(observed[row], obs, rtol=0.0, atol=1e-9)
            if terminated or truncated:
                ends += 1
                batched.reset(np.array([row]))
                np.testing.assert_allclose(batched.observation()[row], env.reset()[0], rtol=0.0, atol=1e-9)


def _run(env, steps, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low, high = env.action_low, env.action_high
    steps = [
        env.step(0.5 * (high - low) * torch.randn(env.num_envs, env.act_dim, generator=generator)) for _ in range(steps)
    ]
    return [torch.stack([getattr(s, name) for s in steps]) for name in ("obs", "reward", "end", "final_obs")]


@pytest.mark.parametrize("task_id", ["Hopper-v5", "Humanoid-v4"])
def test_both_environments_of_a_seed_go_through_the_same_episodes(task_id):
    ours, theirs = BatchedVecEnv(task_id, 3, seed=5), GymVecEnv(task_id, 3, seed=5)
    torch.testing.assert_close(ours.reset(), theirs.reset(), rtol=0.0, atol=1e-6)
    runs = [_run(env, 60) for env in (ours, theirs)]
    assert (runs[0][2] == Termination.FAIL).any()
    for mine, other in zip(*runs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-6)


@pytest.mark.law
@pytest.mark.parametrize("task_id", BATCHED)
@pytest.mark.parametrize("kind", [BatchedVecEnv, GymVecEnv])
def test_a_mujoco_task_resumes_to_the_bit(task_id, kind):
    env = kind(task_id, 2, seed=1)
    env.reset()
    _run(env, 13)
    state = {name: tensor.clone() for name, tensor in env.state_dict().items()}
    expected = _run(env, 40, seed=1)
    other = kind(task_id, 2, seed=99)
    other.load_state_dict(state)
    for mine, first in zip(_run(other, 40, seed=1), expected, strict=True):
        assert torch.equal(mine, first)


def test_the_steps_to_a_time_out_are_resumed():
    env = BatchedVecEnv("HalfCheetah-v5", 1)
    env.reset()
    state = env.state_dict() | {"steps": torch.tensor([998])}
    for kind in (BatchedVecEnv, GymVecEnv):
        env = kind("HalfCheetah-v5", 1)
        env.load_state_dict(state if kind is BatchedVecEnv else env.state_dict() | {"steps": state["steps"]})
        assert _run(env, 3)[2].flatten().tolist() == [Termination.NONE, Termination.TIMEOUT, Termination.NONE]


def test_threads_change_nothing():
    one, several = BatchedVecEnv("Ant-v5", 5), BatchedVecEnv("Ant-v5", 5, threads=3)
    assert torch.equal(one.reset(), several.reset())
    for mine, other in zip(_run(one, 20), _run(several, 20), strict=True):
        assert torch.equal(mine, other)


def test_actions_are_in_units_of_the_task_and_clipped_to_its_bounds():
    env = BatchedVecEnv("Humanoid-v5", 1)  # bounds -0.4 and 0.4
    env.reset()
    env.step(torch.full((1, 17), 0.5))
    np.testing.assert_allclose(env.copies.sims._data[0].ctrl, 0.2, rtol=1e-6)
    env.step(torch.full((1, 17), -7.0))
    np.testing.assert_allclose(env.copies.sims._data[0].ctrl, -0.4, rtol=1e-6)


def test_a_simulation_that_is_not_finite_is_reported_and_begins_anew():
    env = BatchedVecEnv("HalfCheetah-v5", 2)
    env.reset()
    observation = env.copies.observation
    broken = iter([True])

    def once():
        obs = observation()
        obs[1, 0] = np.nan if next(broken, False) else obs[1, 0]
        return obs

    env.copies.observation = once
    step = env.step(torch.zeros(2, 6))
    assert step.end.tolist() == [Termination.NONE, Termination.DIVERGED]
    assert step.obs.isfinite().all()


def test_a_task_that_is_not_batched_is_gymnasiums_own():
    assert isinstance(make_task_env("Walker2d-v4", 1), BatchedVecEnv)
    assert isinstance(make_task_env("CartPole-v1", 1), GymVecEnv)
    with pytest.raises(InputError, match="did you mean 'Hopper-v5'"):
        BatchedVecEnv("Hopper-v6", 1)


def test_gymnasium_has_no_newer_version_of_the_batched_tasks():
    newest = {spec.name: spec.version for spec in gymnasium.registry.values() if f"{spec.name}-v4" in BATCHED}
    assert newest == {name.removesuffix("-v5"): 5 for name in BATCHED if name.endswith("-v5")}
