import pytest
import torch

from mimic.core.errors import ConfigError
from mimic.core.strict_config import build
from mimic.rl.algorithms.awr import AWRConfig
from mimic.rl.algorithms.ppo import PPOConfig
from mimic.rl.learner import minibatches, standardize
from mimic.rl.optim import LearnerDiverged
from mimic.rl.returns import explained_variance
from mimic.rl.rollout import collect


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("count, batch, pieces", [(100, 10, 10), (105, 10, 10), (5, 10, 1), (17, 8, 2)])
def test_a_pass_visits_every_row_once(make_trainer, count, batch, pieces):
    assert make_trainer().learner._num_minibatches(torch.arange(count), batch) == pieces
    rows = torch.arange(count) * 7
    found = list(minibatches(rows, pieces, 1, 0, _rng()))
    assert len(found) == pieces
    assert sorted(torch.cat(found).tolist()) == rows.tolist()
    assert max(len(x) for x in found) - min(len(x) for x in found) <= 1


@pytest.mark.parametrize(
    "count, pieces, size", [(1000, 3, 328), (49152, 12, 4096), (49151, 12, 4032), (5, 1, 5), (4095, 16, 252)]
)
def test_rounded_minibatches_are_equally_long_and_little_is_left_out(count, pieces, size):
    found = list(minibatches(torch.arange(count), pieces, 2, 0, _rng(), rounded=True))
    assert [len(f) for f in found] == [size] * 2 * pieces
    assert pieces * size > (1 - 1 / 32) * count - pieces
    for whole in (torch.cat(found[:pieces]), torch.cat(found[pieces:])):
        assert len(whole.unique()) == len(whole)


def test_steps_count_minibatches_over_as_many_passes_as_it_takes():
    found = list(minibatches(torch.arange(30), 3, 99, 7, _rng()))
    assert len(found) == 7
    assert sorted(torch.cat(found[3:6]).tolist()) == list(range(30))
    assert list(minibatches(torch.arange(0), 1, 1, 0, _rng())) == []


def test_standardised_over_the_valid_only_and_safe_for_any_size():
    advantage = torch.tensor([1.0, 2.0, 3.0, 1e30])
    valid = torch.tensor([True, True, True, False])
    out = standardize(advantage, valid)
    torch.testing.assert_close(out[:3], torch.tensor([-1.2247, 0.0, 1.2247]), atol=1e-3, rtol=0)
    huge = standardize(torch.tensor([-1e30, 0.0, 1e30]), torch.ones(3, dtype=torch.bool))
    assert bool(huge.isfinite().all())
    assert not standardize(torch.full((5,), 3.0), torch.ones(5, dtype=torch.bool)).any()


def _collected(make_trainer, **settings):
    trainer = make_trainer(**settings)
    state = trainer.state
    state.replay.next_obs.copy_(state.env.reset())
    trainer.learner.policy.set_std(0.3)
    collect(state.env, trainer.learner.policy, state.replay, trainer.rollout.steps, state.explore, state.tracker)
    return trainer.learner, state.replay


def _targets(learner, replay):
    return learner.targets(replay, learner.normalized(replay), replay.slots())


def _fitted(learner, replay, obs, targets, loss) -> dict[str, float]:
    """Metrics of a fit to a loss of the mean action alone."""
    learner.loss = lambda mean: loss(mean).unsqueeze(0)
    return learner.fit_actor(replay, obs, targets, torch.arange(512), ())[0]


def test_kl_is_measured_over_the_update(make_trainer):
    settings = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "bound_weight": 0.0,
        "actor_lr": 0.3,
        "actor_steps": 1,
        "target_kl": 0.0,
    }
    learner, replay = _collected(make_trainer, learner=settings)
    obs, targets = learner.normalized(replay), _targets(learner, replay)
    assert _fitted(learner, replay, obs, targets, lambda mean: 0.0 * mean.sum())["kl"] == 0.0
    # a gradient of -1 on every mean moves the two last biases by 0.3, one std; the rest is held still
    for parameter in list(learner.policy.parameters())[:-1]:
        parameter.requires_grad_(False)
    found = _fitted(learner, replay, obs, targets, lambda mean: -mean.sum(-1).mean())
    assert found["kl"] == pytest.approx(0.5 * 2, rel=1e-4)


@pytest.mark.parametrize("kl, change", [(0.05, 1 / 1.5), (0.03, 1.0), (0.004, 1.5)])
def test_step_size_is_steered(make_trainer, kl, change):
    learner, _ = _collected(make_trainer, learner={"target_kl": 0.02, "actor_lr": 1e-4})
    learner._adapt_lr(kl)
    assert learner.actor_optimizer.lr == pytest.approx(1e-4 * change)


def test_step_size_stays_in_its_range_and_passes_stop_early(make_trainer):
    learner, replay = _collected(make_trainer, learner={"target_kl": 1e-9, "actor_lr": 1e-3, "lr_min": 9e-4})
    metrics = _fitted(learner, replay, learner.normalized(replay), _targets(learner, replay), lambda mean: mean.sum())
    assert metrics["actor_passes"] == 1.0
    assert learner.actor_optimizer.lr == 9e-4


def test_bound_loss_by_hand(make_trainer):
    learner, _ = _collected(make_trainer)
    mean = torch.tensor([[2.5, 0.0], [-3.0, 3.0]])  # bounds are +-2
    assert float(learner.bound_loss(mean)) == pytest.approx(0.5 * (0.25 + 1.0 + 1.0) / 2)


def test_critic_learns_the_returns(make_trainer):
    learner, replay = _collected(make_trainer, learner={"critic_passes": 60, "critic_lr": 3e-3})
    learner.policy.normalizer.update(replay.obs.flatten(0, 1))
    targets = _targets(learner, replay)
    learner.fit_critic(learner.normalized(replay), targets)
    fitted = _targets(learner, replay).value
    assert explained_variance(fitted, targets.returns) > 0.8


def test_bfloat16_gradients_are_nearly_those_of_float32(make_trainer):
    steps = []
    for precision in ("float32", "bfloat16"):
        settings = {"precision": precision, "optimizer": "sgd", "actor_lr": 1.0, "actor_steps": 1, "actor_batch": 512}
        learner, replay = _collected(make_trainer, learner=settings)
        before = torch.cat([p.detach().flatten() for p in learner.policy.parameters()])
        targets = _targets(learner, replay)
        _fitted(learner, replay, learner.normalized(replay), targets, lambda mean: mean.square().mean())
        steps.append(torch.cat([p.detach().flatten() for p in learner.policy.parameters()]) - before)
    assert 0.0 < float((steps[0] - steps[1]).norm()) < 0.02 * float(steps[0].norm())


def test_values_can_be_clipped(make_trainer):
    learner, replay = _collected(make_trainer, learner={"clip_values": True})
    value = _targets(learner, replay).value
    assert float(value.min()) >= 0.0
    assert float(value.max()) <= 20.0


def test_nothing_valid_is_a_divergence_not_a_nan(make_trainer):
    learner, replay = _collected(make_trainer)
    replay.valid.zero_()
    with pytest.raises(LearnerDiverged, match="diverged"):
        learner.update(replay)


@pytest.mark.parametrize("cls", [AWRConfig, PPOConfig])
def test_settings_are_read_strictly(cls):
    assert build(cls, {"actor_lr": 1e-5, "clip_end_value": "bootstrap"}, "learn").clip_end_value == "bootstrap"
    for wrong in (
        {"actor_lrr": 1.0},
        {"optimizer": "adamm"},
        {"gamma": 1.0},
        {"td_lambda": 1.5},
        {"actor_lr": 0.0},
        {"actor_batch": 0},
        {"critic_steps": -1},
    ):
        with pytest.raises(ConfigError):
            build(cls, wrong, "learn")
