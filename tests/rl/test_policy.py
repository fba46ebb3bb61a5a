import json
import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from mimic.core.errors import CheckpointError
from mimic.rl.heads import gaussian_kl, gaussian_log_prob
from mimic.rl.policy import (
    Critic,
    Policy,
    PolicyConfig,
    load_policy,
)
from mimic.rl.policy_ema import PolicyEMA
from mimic.rl.seeds import generator

CONFIG = PolicyConfig(actor_sizes=(16, 8), critic_sizes=(16,))


def _policy(seed: int = 0) -> Policy:
    return Policy(5, 3, CONFIG, generator(seed, "networks"))


def test_density_and_divergence_equal_torch_distributions():
    rng = torch.Generator().manual_seed(0)
    action, mean, other = torch.randn(3, 7, 4, generator=rng)
    std = torch.rand(4, generator=rng) + 0.1
    torch.testing.assert_close(gaussian_log_prob(action, mean, std), Normal(mean, std).log_prob(action).sum(-1))
    expected = kl_divergence(Normal(mean, std), Normal(other, std)).sum(-1)
    torch.testing.assert_close(gaussian_kl(mean, other, std), expected)


def test_starts_near_zero_with_the_std_it_is_given():
    policy = _policy()
    weight, bias = (p.detach() for p in policy.net[-1].parameters())
    assert 0.0 < float(weight.abs().max()) <= 0.01
    assert not bias.any()
    policy.set_std(0.1)
    action, mean = policy.sample(torch.randn(20_000, 5), torch.Generator().manual_seed(3))
    torch.testing.assert_close((action - mean).std(0), torch.full((3,), 0.1), rtol=0.03, atol=0)
    assert not policy.std.requires_grad


def test_same_seed_same_network_and_no_global_random_state_is_used():
    before = torch.get_rng_state()
    one, two, other = _policy(1), _policy(1), _policy(2)
    one.sample(torch.zeros(2, 5), generator(0, "explore"))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.net[0].weight, other.net[0].weight)


def test_streams_of_different_purposes_differ():
    draws = {float(torch.rand((), generator=generator(s, p))) for s in (0, 1) for p in ("explore", "minibatches")}
    assert len(draws) == 4


def test_critic_is_in_reward_units():
    critic = Critic(5, CONFIG, gamma=0.95, generator=generator(0, "networks"))
    obs = torch.randn(6, 5)
    torch.testing.assert_close(critic(obs), 20.0 * critic.unscaled(obs))
    assert critic(obs).shape == (6,)


def test_load_policy_round_trip_through_json():
    policy = _policy()
    policy.normalizer.update(torch.randn(50, 5))
    policy.set_std(0.2)
    twin = load_policy(policy.state_dict(), json.loads(json.dumps(policy.describe())))
    obs = torch.randn(100, 5)
    assert torch.equal(policy.mean(obs), twin.mean(obs))
    assert torch.equal(policy.std, twin.std)


@pytest.mark.parametrize(
    "change",
    [
        {"obs_dim": 6},
        {"act_dim": 10**12},
        {"config": {}},
        {"config": 3},
        {"obs_dim": None},
        {"config": {"actor_sizes": [16, 9], "critic_sizes": [16]}},
        {"config": {"actor_sizes": [16, 8], "critic_sizes": [16], "surprise": 1}},
        {"config": {"actor_sizes": [16, 8], "critic_sizes": [16], "obs_clip": True}},
        {"choices": True},
    ],
)
def test_a_description_that_does_not_fit_is_refused(change):
    policy = _policy()
    with pytest.raises(CheckpointError):
        load_policy(policy.state_dict(), {**policy.describe(), **change})
    with pytest.raises(CheckpointError):
        load_policy({}, policy.describe())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.2.weight", math.nan),
        ("net.0.bias", math.inf),
        ("std", math.nan),
        ("std", -0.1),
        ("normalizer.shift", math.nan),
        ("normalizer.scale", 0.0),
        ("normalizer.m2", -1.0),
    ],
)
def test_a_tensor_that_no_training_gives_is_refused_by_name(name, value):
    policy = _policy()
    policy.state_dict()[name].flatten()[-1] = value
    with pytest.raises(CheckpointError, match=name):
        load_policy(policy.state_dict(), policy.describe())


def test_a_tensor_of_another_type_is_refused():
    policy = _policy()
    with pytest.raises(CheckpointError, match=r"net\.0\.weight is torch\.float64"):
        load_policy({**policy.state_dict(), "net.0.weight": policy.net[0].weight.double()}, policy.describe())


def test_average_follows_at_its_pace_and_takes_the_normaliser_as_it_is():
    policy = _policy()
    average = PolicyEMA(policy, decay=0.75)
    start = policy.net[0].weight.detach().clone()
    with torch.no_grad():
        policy.net[0].weight += 1.0
    policy.normalizer.update(torch.randn(50, 5))
    average.update(policy)
    torch.testing.assert_close(average.policy.net[0].weight.detach(), start + 0.25)
    assert torch.equal(average.policy.normalizer.mean, policy.normalizer.mean)


def test_a_warmed_up_average_forgets_the_first_weights_within_a_few_updates():
    policy = _policy()
    plain, warmed = PolicyEMA(policy, 0.9), PolicyEMA(policy, 0.9, warm_up=True)
    start = policy.net[0].weight.detach().clone()
    with torch.no_grad():
        policy.net[0].weight += 1.0
    for _ in range(8):
        plain.update(policy)
        warmed.update(policy)
    left = [float((start + 1.0 - ema.policy.net[0].weight.detach()).mean()) for ema in (plain, warmed)]
    assert left[0] == pytest.approx(0.9**8, rel=1e-3) and left[1] < 0.001


@pytest.mark.parametrize(
    "wrong", [{"actor_sizes": ()}, {"critic_sizes": (0,)}, {"obs_std_floor": 0.0}, {"obs_clip": -1.0}]
)
def test_impossible_settings(wrong):
    with pytest.raises(ValueError):
        PolicyConfig(**wrong)
