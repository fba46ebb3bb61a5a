"""Learners of stable-baselines3 inside our run: what acts is what the library learned, and a resumed run goes on with it."""

import importlib.util

import pytest
import torch

from mimic.core.errors import InputError
from mimic.rl.algorithm import make_learner
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.baseline_trainer import BaselineTrainer
from mimic.rl.policy import Policy, load_policy
from mimic.rl.rollout import EpisodeTracker, RolloutConfig
from mimic.rl.trainer import TrainerConfig
from mimic.rl.vec_env import Termination
from tests.rl.conftest import SMALL, Quiet, ToyEnv

pytest.importorskip("sb3_contrib")

QUICK = {name: {"random_samples": 32, "replay_size": 1000} for name in ("sac", "td3", "ddpg")}
NAMES = ("trpo", "sb3-ppo", "sac", "td3", "ddpg")
STEPS = 10


@pytest.fixture
def make_baseline(tmp_path):
    def make(name, samples, env=None):
        env = env or ToyEnv(4)
        learner = make_learner(env, SMALL, ALGORITHMS.get(name)(**QUICK.get(name, {})), seed=0)
        config = TrainerConfig(samples=samples, tensorboard=False, evaluate_every=0, ema_decay=0.9)
        rollout = RolloutConfig(steps=STEPS)
        return BaselineTrainer(
            env, learner, rollout, config, out=tmp_path / name, seed=0, spec={"toy": True}, progress=Quiet()
        )

    return make


def _with_choices():
    env = ToyEnv(4)
    env.choices, env.act_dim = 3, 1
    return env


def test_a_policy_of_choices_is_resumed_too(make_baseline):
    make_baseline("trpo", 4 * STEPS, _with_choices()).train()
    trainer = make_baseline("trpo", 8 * STEPS, _with_choices())
    trainer.resume()
    assert trainer.train().samples == 8 * STEPS
    assert trainer.learner.policy.mean(torch.zeros(5, 6)).shape == (5, 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_policy_of_a_checkpoint_acts_as_the_library_does_and_a_resumed_run_goes_on_from_there(name, make_baseline):
    first = make_baseline(name, 2 * 4 * STEPS)
    before = first.learner.policy.net[0].weight.clone()
    first.train()
    model, policy = first.learner.model, first.learner.policy
    assert not torch.equal(policy.net[0].weight, before)
    obs = 3.0 * torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    theirs = obs.numpy() if not first.learner.config.on_policy else first.learner._env.normalize_obs(obs.numpy())
    expected, _ = model.predict(theirs, deterministic=True)
    loaded = load_policy(first.learner.state_tensors()["policy"], policy.describe())
    torch.testing.assert_close(loaded.mean(obs).detach().clamp(-1.0, 1.0), torch.from_numpy(expected))

    second = make_baseline(name, 3 * 4 * STEPS)
    second.resume()
    saved, restored = first.learner.state_tensors(), second.learner.state_tensors()
    for group, tensors in saved.items():
        assert tensors.keys() == restored[group].keys()
        for key, tensor in tensors.items():
            assert torch.equal(tensor, restored[group][key]), (group, key)
    assert "new episodes and random numbers" in second.progress.lines[-1]
    assert second.train().samples == 3 * 4 * STEPS == second.learner.model.num_timesteps


def test_the_library_is_told_of_failures_and_time_outs_apart():
    from mimic.rl.baseline_env import LibraryEnv

    env = ToyEnv(32)
    env.diverge = lambda step: [3] if step == 5 else []
    library = LibraryEnv(env, EpisodeTracker(32))
    library.reset()
    kinds = dict.fromkeys(Termination, 0)
    for step in range(80):
        _, reward, done, infos = library.step(torch.zeros(32, 2).numpy() + 0.5)
        assert all(("terminal_observation" in info) == bool(ended) for info, ended in zip(infos, done, strict=True))
        if step == 5:
            assert done[3] and reward[3] == 0.0 and not infos[3]["TimeLimit.truncated"]
        kinds[Termination.TIMEOUT] += sum(info.get("TimeLimit.truncated", False) for info in infos)
        kinds[Termination.FAIL] += sum(not info.get("TimeLimit.truncated", True) for info in infos)
    ends = library.tracker._ends
    assert (
        kinds[Termination.TIMEOUT] == int(ends[Termination.TIMEOUT])
        and kinds[Termination.FAIL] == int(ends.sum() - ends[0]) - kinds[Termination.TIMEOUT]
    )
    assert kinds[Termination.TIMEOUT] + kinds[Termination.FAIL] > 0


def test_a_setting_that_the_library_does_not_have_is_refused():
    with pytest.raises(
        ValueError,
        match="td_lambda is no setting of SAC; its settings are gamma, actor_lr, actor_batch, replay_size, random",
    ):
        ALGORITHMS.get("sac")(td_lambda=0.8)


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"'sb3_contrib' is missing; install it: pip install 'mimic-animation\[baselines\]'"
    ):
        make_learner(ToyEnv(4), SMALL, ALGORITHMS.get("trpo")(), seed=0)


def test_a_baseline_refuses_the_policy_of_a_controller(make_baseline):
    with pytest.raises(InputError, match="--from: a baseline begins with networks of its own"):
        make_baseline("sac", 1).init_policy(Policy(6, 2, SMALL))


def test_an_algorithm_for_continuous_actions_refuses_choices(make_baseline):
    with pytest.raises(InputError, match="SAC needs continuous actions; choose ppo, trpo or awr"):
        make_baseline("sac", 1, _with_choices())
