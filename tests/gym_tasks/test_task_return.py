"""The return of one episode a copy, against Gymnasium's own loop."""

import gymnasium
import numpy as np
import pytest
import torch

from mimic.gym_tasks.batched.vec_env import make_task_env
from mimic.gym_tasks.random_state import copy_seeds
from mimic.gym_tasks.task_return import task_return


@pytest.mark.parametrize(("task_id", "limit"), [("CartPole-v1", 500), ("Hopper-v5", 1000), ("Pendulum-v1", 200)])
def test_returns_are_those_of_each_copys_first_episode(task_id, limit):
    env = make_task_env(task_id, 4, seed=3)
    action = torch.full((4, env.act_dim), 1.0)
    found = task_return(env, lambda obs: action)
    for row, seed in enumerate(copy_seeds(3, 4)):
        one = gymnasium.make(task_id, disable_env_checker=True)
        one.reset(seed=seed)
        own = 1 if env.choices else one.action_space.high
        total, steps, ended, terminated = 0.0, 0, False, False
        while not ended:
            _, reward, terminated, truncated, _ = one.step(own)
            total, steps, ended = total + reward, steps + 1, terminated or truncated
        assert float(found.returns[row]) == pytest.approx(total, rel=1e-5)
        assert (int(found.steps[row]), bool(found.failed[row])) == (steps, terminated)
    assert (found.steps <= limit).all()


def test_the_report_has_the_fields_that_scripts_read():
    report = task_return(make_task_env("CartPole-v1", 5), lambda obs: torch.zeros(5, 1)).to_json()
    assert (report["task"], report["episodes"], report["failed"]) == ("CartPole-v1", 5, 1.0)
    assert set(report["return"]) == {"mean", "std"} and np.isfinite(list(report["return"].values())).all()


def test_an_episode_without_an_end_is_cut():
    found = task_return(make_task_env("Pendulum-v1", 2), lambda obs: torch.zeros(2, 1), longest=7)
    assert found.steps.tolist() == [7, 7] and not found.failed.any()
