import torch

from mimic.rl.rollout import collect


def _loss(make_trainer):
    trainer = make_trainer("ppo", learner={"ratio_clip": 0.2})
    learner, state = trainer.learner, trainer.state
    state.replay.next_obs.copy_(state.env.reset())
    learner.policy.set_std(0.3)
    collect(state.env, learner.policy, state.replay, 16, state.explore, state.tracker)
    replay = state.replay
    advantage = torch.randn(512, generator=torch.Generator().manual_seed(0))

    def loss(mean):
        return learner.loss(mean, replay.action.flatten(0, 1), replay.log_prob.flatten(), advantage)

    return learner, replay, advantage, loss


def test_first_gradient_is_the_policy_gradient(make_trainer):
    learner, replay, advantage, loss = _loss(make_trainer)
    mean = replay.params.flatten(0, 1).clone().requires_grad_()
    found, clipped = loss(mean)
    ours = torch.autograd.grad(found, mean)[0]
    log_prob = learner.policy.log_prob(replay.action.flatten(0, 1), mean)
    theirs = torch.autograd.grad(-(advantage * log_prob).mean(), mean)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-7)
    assert float(clipped.detach()) == 0.0


def test_no_gradient_beyond_the_clip_in_the_good_direction_only(make_trainer):
    learner, replay, advantage, loss = _loss(make_trainer)
    action, old = replay.action.flatten(0, 1), replay.params.flatten(0, 1)
    near = (action + 0.1 * (old - action)).requires_grad_()  # probability of every action far up
    ratio = torch.exp(learner.policy.log_prob(action, near) - replay.log_prob.flatten()).detach()
    found, clipped = loss(near)
    gradient = torch.autograd.grad(found, near)[0].abs().sum(-1)
    up = ratio > 1.2
    assert not gradient[up & (advantage > 0.0)].any()
    assert bool((gradient[up & (advantage < 0.0)] > 0.0).all())
    assert 0.0 < float(clipped.detach()) < 1.0


def test_huge_ratios_stay_finite(make_trainer):
    _, replay, _, loss = _loss(make_trainer)
    replay.log_prob.fill_(-1e4)
    assert bool(loss(replay.params.flatten(0, 1)).isfinite().all())


def test_uses_the_newest_iteration_only(make_trainer):
    learner, replay, _, _ = _loss(make_trainer)
    metrics = learner.update(replay)
    assert metrics["explained_variance"] <= 1.0
    assert {"ratio_clipped", "kl", "critic_loss", "actor_lr"} <= metrics.keys()
