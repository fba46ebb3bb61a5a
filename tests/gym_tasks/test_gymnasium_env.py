"""Any Gymnasium task as a learner's environment: its ends, its units, and what it refuses."""

import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from mimic.core.errors import InputError
from mimic.gym_tasks.gymnasium_env import GymVecEnv
from mimic.rl.vec_env import Termination


class Counting(gymnasium.Env):
    """Observes the steps so far; terminated at 5 if its action is above 0, else never."""

    def __init__(self, observation=None, action=None):
        self.observation_space = observation or spaces.Box(-np.inf, np.inf, (1,), np.float64)
        self.action_space = action or spaces.Box(-2.0, 4.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.actions = 0, []
        return np.array([0.0]), {}

    def step(self, action):
        self.steps += 1
        self.actions.append(action)
        return np.array([float(self.steps)]), 100.0, self.steps == 5 and float(np.max(action)) > 0.0, False, {}


@pytest.fixture
def register():
    """``register(name, **spaces)``: a task of that name, gone after the test."""
    names = []

    def add(name, limit=8, **kwargs):
        gymnasium.register(name, entry_point=f"{__name__}:Counting", max_episode_steps=limit, kwargs=kwargs)
        names.append(name)
        return name

    yield add
    for name in names:
        del gymnasium.registry[name]


def _ends(env, action, steps):
    taken = [env.step(action) for _ in range(steps)]
    return [s.end.tolist() for s in taken], taken


def test_terminated_is_a_failure_and_truncated_a_time_out_with_its_last_observation(register):
    env = GymVecEnv(register("Counting-v0"), 2)
    env.reset()
    ends, taken = _ends(env, torch.tensor([[1.0], [-1.0]]), 8)
    assert [row[0] for row in ends] == [Termination.NONE] * 4 + [Termination.FAIL] + [Termination.NONE] * 3
    assert [row[1] for row in ends] == [Termination.NONE] * 7 + [Termination.TIMEOUT]
    assert taken[4].final_obs.tolist() == [[5.0], [5.0]] and taken[4].obs.tolist() == [[0.0], [5.0]]
    assert taken[7].final_obs.tolist() == [[3.0], [8.0]] and taken[7].obs.tolist() == [[3.0], [0.0]]
    assert taken[7].reward.tolist() == [100.0, 100.0]


def test_normalised_actions_are_the_middle_and_half_the_range_of_the_bounds(register):
    env = GymVecEnv(register("Counting-v0"), 1)
    env.reset()
    for action in (-1.0, 0.0, 0.5, 9.0):
        env.step(torch.tensor([[action]]))
    done = env.copies.envs[0].unwrapped.actions
    assert [float(a[0]) for a in done] == [-2.0, 1.0, 2.5, 4.0]
    assert done[0].dtype == np.float32


def test_an_action_without_bounds_keeps_its_units_and_has_no_bound_loss(register):
    env = GymVecEnv(register("Counting-v0", action=spaces.Box(-np.inf, np.inf, (1,), np.float32)), 1)
    env.reset()
    env.step(torch.tensor([[33.0]]))
    assert env.copies.envs[0].unwrapped.actions[0] == [33.0]
    assert env.action_low.tolist() == [-np.inf] and env.action_high.tolist() == [np.inf]


def test_a_discrete_action_is_the_number_of_a_choice_from_zero_on(register):
    env = GymVecEnv(register("Counting-v0", action=spaces.Discrete(3, start=5)), 1)
    env.reset()
    for choice in (0.0, 2.0):
        env.step(torch.tensor([[choice]]))
    assert env.copies.envs[0].unwrapped.actions == [5, 7]
    assert (env.choices, env.act_dim) == (3, 1)


def test_the_same_seed_gives_the_same_episodes_and_every_copy_its_own():
    one, same, other = (GymVecEnv("CartPole-v1", 3, seed).reset() for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert len(torch.cat([one, other]).unique(dim=0)) == 6


def test_a_task_whose_state_is_unknown_begins_new_episodes_on_resuming_and_says_so():
    env = GymVecEnv("CartPole-v1", 2, seed=1)
    env.reset()
    state = env.state_dict()
    again = [GymVecEnv("CartPole-v1", 2, seed=5) for _ in range(2)]
    for copy in again:
        assert not copy.resumable
        copy.load_state_dict(state)
    assert torch.equal(again[0].observation(), again[1].observation())
    assert not torch.equal(again[0].observation(), env.observation())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HalfChetah-v5", "no task 'HalfChetah-v5' in Gymnasium; did you mean 'HalfCheetah-v5' or 'HalfCheetah-v4'"),
        ("Hopper-v77", "did you mean 'Hopper-v5' or 'Hopper-v4'"),
        ("Hopper-v3", "Hopper-v3: Gymnasium cannot make it .*gymnasium-robotics"),
        ("zzz", "no task 'zzz' in Gymnasium; [0-9]+ are registered"),
        ("", "Malformed environment ID"),
        ("nowhere:Foo-v0", "No module named 'nowhere'"),
        ("FrozenLake-v1", "its observations are one of 16 numbers"),
        ("Blackjack-v1", "its observations are a Tuple"),
    ],
)
def test_a_task_that_is_not_there_or_cannot_be_learned_is_one_line(name, message):
    with pytest.raises(InputError, match=message) as caught:
        GymVecEnv(name, 1)
    assert "\n" not in str(caught.value)


def test_lunar_lander_without_box2d_says_which_extra_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "Box2D", None)
    for name in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(
        InputError, match=r"needs Box2D and pygame; install them: pip install 'mimic-animation\[baselines\]'"
    ):
        GymVecEnv("LunarLander-v3", 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"observation": spaces.Box(0, 255, (96, 64, 3), np.uint8)}, "its observations are pictures of 96x64x3 pixels"),
        ({"observation": spaces.Box(-1.0, 1.0, (4, 4))}, "its observations are a Box of 4x4 float32"),
        (
            {"observation": spaces.Dict({"a": spaces.Box(0, 1, (2,)), "b": spaces.Discrete(2)})},
            r"its observations are a dictionary \(a, b\)",
        ),
        ({"action": spaces.MultiDiscrete([3, 2])}, "its actions are a MultiDiscrete; only a flat Box and Discrete"),
        ({"action": spaces.MultiBinary(3)}, "its actions are a MultiBinary"),
        ({"action": spaces.Dict({"a": spaces.Discrete(2)})}, "its actions are a dictionary"),
        ({"action": spaces.Box(-1.0, 1.0, (2, 2))}, "its actions are a Box of 2x2 float32"),
    ],
)
def test_spaces_that_cannot_be_learned_are_named(register, given, message):
    with pytest.raises(InputError, match=f"Odd-v0: {message}"):
        GymVecEnv(register("Odd-v0", **given), 1)
