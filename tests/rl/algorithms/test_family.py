"""The learners of the family: which samples move which network, and what an algorithm's settings inherit."""

from dataclasses import replace
from itertools import count

import pytest
import torch

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.learner import Targets
from mimic.rl.rollout import RolloutConfig
from mimic.rl.weights import effective_sample_share
from mimic.runs.preset import load_preset

ROLLOUT = RolloutConfig(steps=8, replay_iterations=3, std_start=0.3)


@pytest.fixture
def learned(make_trainer):
    """``learned(algorithm, **settings)``: learner and replay after three iterations on the toy."""

    runs = count()

    def make(algorithm, **settings):
        trainer = make_trainer(
            algorithm, out=f"run-{next(runs)}", learner=settings, rollout=ROLLOUT, samples=3 * 8 * 32
        )
        trainer.train()
        return trainer.learner, trainer.state.replay

    return make


def _targets(learner, replay):
    return learner.targets(replay, learner.normalized(replay), learner.slots(replay), learner.advantage_lambda)


@pytest.mark.parametrize("name", ["cacla", "sil"])
def test_cacla_and_sil_give_no_weight_to_samples_that_were_not_better_than_expected(learned, name):
    learner, replay = learned(name)
    targets = _targets(learner, replay)
    weight = learner.weights(targets)
    worse = targets.advantage <= 0.0
    assert bool(worse.any()) and bool((weight[worse] == 0.0).all()) and bool((weight[~worse] > 0.0).all())


def test_the_value_loss_of_sil_never_lowers_a_value(learned):
    learner, replay = learned("sil")
    obs = learner.normalized(replay)
    value = learner.critic.unscaled(obs).detach()
    loss = learner._loss_from_above(obs, value - torch.rand_like(value))
    gradients = torch.autograd.grad(loss, list(learner.critic.parameters()))
    assert all(bool((gradient == 0.0).all()) for gradient in gradients)
    assert float(learner._loss_from_above(obs, value + 1.0).detach()) == pytest.approx(0.5)


def test_the_weight_of_the_policy_gradient_keeps_its_sign_and_that_of_the_exponential_has_mean_one(learned):
    learner, replay = learned("pg")
    targets = _targets(learner, replay)
    assert torch.equal(learner.weights(targets).sign(), targets.advantage.sign())
    learner, replay = learned("pg-exp")
    targets = _targets(learner, replay)
    weight = learner.weights(targets)[targets.valid]
    assert float(weight.mean()) == pytest.approx(1.0, rel=1e-5) and float(weight.min()) > 0.0


def test_a_baseline_of_the_mean_return_removes_a_constant_reward_and_none_does_not(learned):
    returns = torch.tensor([1.0, 2.0, 6.0])
    shifted = [
        Targets(torch.arange(3), torch.zeros(3), returns + by, torch.ones(3, dtype=torch.bool)) for by in (0, 50)
    ]
    mean, _ = learned("pg", baseline="mean")
    torch.testing.assert_close(*(mean.weights(targets) for targets in shifted), rtol=1e-3, atol=1e-3)
    none, _ = learned("pg", baseline="none")
    assert float(none.weights(shifted[1]).min()) > 10.0 > float(none.weights(shifted[0]).max())


def test_marwil_with_beta_zero_is_behavioural_cloning_and_its_norm_makes_the_scale_of_rewards_no_matter(learned):
    learner, replay = learned("marwil", beta=0.0)
    assert bool((learner.weights(_targets(learner, replay)) == 1.0).all())
    advantage = torch.randn(500, generator=torch.Generator().manual_seed(0))
    found = []
    for scale in (1.0, 1000.0):
        learner, replay = learned("marwil", shrink=False)
        learner._square.zero_()
        all_valid = torch.ones(500, dtype=torch.bool)
        targets = Targets(torch.arange(500), torch.zeros(500), scale * advantage, all_valid)
        found.append(learner.weights(learner.refined(replay, torch.zeros(500, 1), targets)))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_marwil_gives_nearly_equal_weights_where_advantages_are_luck(learned):
    shares = []
    for shrink in (True, False):
        learner, replay = learned("marwil", shrink=shrink)
        targets = _targets(learner, replay)
        luck = torch.randn(targets.returns.shape, generator=torch.Generator().manual_seed(3))
        learner._square.zero_()
        refined = learner.refined(replay, learner.normalized(replay), replace(targets, returns=targets.value + luck))
        shares.append(effective_sample_share(learner.weights(refined)[targets.valid]))
    assert shares[0] > 0.98 and shares[1] < 0.6


@pytest.mark.parametrize("name", ALGORITHMS.names())
@pytest.mark.parametrize("preset", ["fast", "gym"])
def test_every_algorithm_has_settings_in_the_presets_of_clips_and_of_tasks(preset, name):
    found = load_preset(preset).algorithm(name)
    assert found.name == name and found.update.gamma == (0.95 if preset == "fast" else 0.99)


def test_settings_that_an_algorithm_keeps_are_not_inherited():
    marwil, awr = (load_preset("fast").algorithm(name).update for name in ("marwil", "awr"))
    assert (marwil.target_kl, marwil.gamma, awr.target_kl) == (0.0, awr.gamma, 0.02)


def test_returns_in_other_units_give_the_same_policy_where_the_critic_scales_them(learned):
    learner, _ = learned("pg-exp", scale_returns=True)
    obs = torch.randn(9, 6, generator=torch.Generator().manual_seed(0))
    before = learner.critic(obs)
    scale = learner.critic.scale
    learner.critic.rescale(7.0 * learner.critic.reward_scale)
    torch.testing.assert_close(learner.critic(obs), before, rtol=1e-4, atol=1e-5)
    assert learner.critic.scale == pytest.approx(7.0 * scale)
