import math

import pytest
import torch

from mimic.rl.algorithms.awr import AWRConfig
from mimic.rl.heads import GaussianHead, control_variate_target, gaussian_log_prob
from mimic.rl.rollout import RolloutConfig
from mimic.rl.weights import effective_sample_share
from mimic.rl.weights import exponential as advantage_weights


def regression_loss(mean, std, weight, target):
    head = GaussianHead(std.numel())
    head.set_std(std)
    return head.regression(mean, weight, target)


def test_weights_are_the_clipped_exponential():
    advantage = torch.linspace(-5.0, 5.0, 101)
    got = advantage_weights(advantage, 0.5, 20.0)
    torch.testing.assert_close(got, torch.exp(advantage / 0.5).clamp(max=20.0), rtol=1e-5, atol=0)


def test_weights_are_finite_and_below_the_clip_for_any_advantage():
    rng = torch.Generator().manual_seed(0)
    advantage = torch.randn(1_000_000, generator=rng) * 10.0 ** torch.randint(-30, 31, (1_000_000,), generator=rng)
    for temperature in (1e-3, 1.0, 1e3):
        weight = advantage_weights(advantage, temperature, 20.0)
        assert bool(weight.isfinite().all())
        assert float(weight.max()) <= 20.0 * (1 + 1e-6)
        assert float(weight.min()) >= 0.0


def test_effective_sample_share():
    assert effective_sample_share(torch.ones(50)) == pytest.approx(1.0)
    assert effective_sample_share(torch.eye(50)[0]) == pytest.approx(1 / 50)
    assert effective_sample_share(torch.zeros(5)) == 0.0
    normal = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    assert effective_sample_share(advantage_weights(normal, 2.0, 1e9)) == pytest.approx(math.exp(-1 / 4), rel=0.01)


def test_the_control_variate_target_is_the_control_variate_written_as_one_regression():
    rng = torch.Generator().manual_seed(0)
    action, anchor, mean = torch.randn(3, 64, 3, generator=rng)
    weight = advantage_weights(3.0 * torch.randn(64, generator=rng), 1.0, 20.0)
    average = weight.mean()
    mean.requires_grad_()
    std = torch.tensor([0.5, 1.0, 2.0])

    def distance(target):
        return ((target - mean) / std).square().sum(-1)

    two = 0.5 * ((weight - average) * distance(action) + average * distance(anchor)).mean()
    one = regression_loss(mean, std, weight, control_variate_target(action, anchor, weight, average))
    ours, theirs = torch.autograd.grad(one, mean)[0], torch.autograd.grad(two, mean)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_plain_loss_is_the_weighted_log_likelihood_up_to_a_constant():
    rng = torch.Generator().manual_seed(0)
    weight, action, std = (
        torch.rand(64, generator=rng),
        torch.randn(64, 3, generator=rng),
        torch.rand(3) + 0.2,
    )
    mean = torch.randn(64, 3, generator=rng).requires_grad_()
    ours = torch.autograd.grad(regression_loss(mean, std, weight, action), mean)[0]
    theirs = torch.autograd.grad(-(weight * gaussian_log_prob(action, mean, std)).mean(), mean)[0]
    torch.testing.assert_close(ours, theirs)


def test_control_variate_same_expected_gradient_less_variance():
    """A policy with one mean for all, actions drawn around another, weights that depend on the action taken."""
    rng = torch.Generator().manual_seed(0)
    groups, batch, std = 4000, 64, torch.tensor([0.3, 0.1])
    old_mean = torch.tensor([0.2, -0.1]).expand(groups, batch, 2)
    action = old_mean + std * torch.randn(groups, batch, 2, generator=rng)
    score = ((action - old_mean) / std) @ torch.tensor([0.3, -0.2]) + 0.5 * torch.randn(groups, batch, generator=rng)
    weight = advantage_weights(score, 1.0, 20.0)
    target = control_variate_target(
        action.flatten(0, 1), old_mean.flatten(0, 1), weight.flatten(), weight.mean()
    ).view_as(action)
    mean = torch.tensor([0.25, -0.05], requires_grad=True)

    def gradients(target: torch.Tensor) -> torch.Tensor:
        found = []
        for g in range(groups):
            loss = regression_loss(mean.expand(batch, 2), std, weight[g], target[g])
            found.append(torch.autograd.grad(loss, mean)[0])
        return torch.stack(found)

    plain, controlled = gradients(action), gradients(target)
    error = plain.std(0) / math.sqrt(groups)
    assert bool(((plain.mean(0) - controlled.mean(0)).abs() < 4.0 * error).all())
    assert bool((controlled.var(0) < 0.6 * plain.var(0)).all())


def test_the_actor_sees_the_newest_iterations_only(make_trainer):
    rollout = RolloutConfig(steps=4, replay_iterations=3, std_start=0.3)
    trainer = make_trainer("awr", learner={"actor_iterations": 1}, rollout=rollout, samples=4 * 32 * 5)
    trainer.train()
    learner, replay = trainer.learner, trainer.state.replay
    targets = learner.targets(replay, learner.normalized(replay), replay.slots())
    rows = learner.actor_rows(replay, targets)
    newest = replay.rows(replay.slots(4))
    assert sorted(targets.rows[rows].tolist()) == sorted(newest[replay.valid.flatten()[newest]].tolist())
    learner.config = AWRConfig()
    assert len(learner.actor_rows(replay, targets)) == int(replay.valid.sum())


def test_reward_weighted_regression_ignores_the_critic(make_trainer):
    trainer = make_trainer("rwr", learner={"td_lambda": 1.0}, samples=1024)
    trainer.train()
    learner, replay = trainer.learner, trainer.state.replay
    targets = learner.targets(replay, learner.normalized(replay), replay.slots())
    order = targets.returns[targets.valid].argsort()
    assert bool((learner.weights(targets)[targets.valid][order].diff() >= 0.0).all())


def test_metrics_are_complete_and_finite(make_trainer):
    trainer = make_trainer("awr", samples=1024)
    trainer.train()
    metrics = trainer.learner.update(trainer.state.replay)
    wanted = {
        "ess",
        "kl",
        "weight_mean",
        "weight_max",
        "weight_clipped",
        "explained_variance",
        "actor_loss",
        "critic_loss",
        "actor_lr",
        "critic_lr",
    }
    assert wanted <= metrics.keys()
    assert all(math.isfinite(value) for value in metrics.values())
    assert 0.0 < metrics["ess"] <= 1.0


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"weight_clip": 0.0}, {"actor_iterations": -1}])
def test_impossible_settings(wrong):
    with pytest.raises(ValueError):
        AWRConfig(**wrong)
