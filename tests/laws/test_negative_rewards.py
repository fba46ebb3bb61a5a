"""Law 7: rewards below zero drive a plain policy gradient apart, and an exponentiated one never."""

import pytest
import torch

from mimic.rl.heads import GaussianHead
from mimic.rl.weights import exponential, indicator

pytestmark = pytest.mark.law
_RUNS, _BATCH, _STEPS, _ITERATIONS, _RATE, _STD = 20, 32, 20, 25, 0.02, 0.5


def _standardized(reward):
    return (reward - reward.mean(1, keepdim=True)) / (reward.std(1, keepdim=True) + 1e-5)


def _errors(weight_of, offset):
    """Distance of the mean (runs,) from the optimum 2 of r = -(a - 2)^2 - offset, after a few batches of a few steps."""
    head, rng = GaussianHead(1).double(), torch.Generator().manual_seed(0)
    head.set_std(_STD)
    mean = torch.zeros(_RUNS, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([mean], lr=_RATE)
    for _ in range(_ITERATIONS):
        action = head.sample(mean.detach().repeat_interleave(_BATCH, 0), rng)
        reward = (-(action - 2.0).square() - offset).view(_RUNS, _BATCH)
        weight = weight_of(reward).flatten()
        for _ in range(_STEPS):
            optimizer.zero_grad()
            (_RUNS * head.regression(mean.repeat_interleave(_BATCH, 0), weight, action)).backward()
            optimizer.step()
            mean.data.clamp_(-1e6, 1e6)
    return (mean.detach() - 2.0).abs()[:, 0]


def test_law_7_a_plain_policy_gradient_diverges_on_negative_rewards():
    apart = [int((_errors(lambda reward: reward, offset) > 10.0).sum()) for offset in (10.0, 100.0)]
    assert apart == [_RUNS, _RUNS]


@pytest.mark.parametrize("offset", [0.0, 10.0, 100.0])
@pytest.mark.parametrize(
    "weight_of", [lambda r: exponential(_standardized(r)), lambda r: indicator(_standardized(r))], ids=["exp", "cacla"]
)
def test_law_7_an_exponentiated_or_filtered_one_finds_the_optimum_whatever_the_offset(weight_of, offset):
    assert float(_errors(weight_of, offset).max()) < 0.3
