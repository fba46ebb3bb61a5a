"""Weights of samples as functions of their advantage."""

import pytest
import torch

from mimic.rl.weights import WEIGHTS, effective_sample_share, exponential, normalized, softmax_average

ADVANTAGE = torch.randn(5000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_have_a_mean_magnitude_of_1_and_keep_their_proportions(name):
    weight = WEIGHTS[name](ADVANTAGE)
    scaled = normalized(weight)
    assert float(scaled.double().abs().mean()) == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(scaled * weight.abs().mean(), weight)


def test_no_sample_counts_in_a_batch_of_zero_weights():
    assert torch.equal(normalized(torch.zeros(4)), torch.zeros(4))


def test_the_exponential_neither_overflows_nor_vanishes_and_is_clipped():
    weight = exponential(torch.tensor([-1e30, -1.0, 0.0, 1.0, 1e30]), temperature=0.5, clip=5.0)
    torch.testing.assert_close(weight[1:], torch.tensor([-2.0, 0.0, 2.0, torch.inf]).exp().clamp(max=5.0))
    assert 0.0 < weight[0] < 1e-4


def test_the_effective_share_is_that_of_equally_weighted_samples():
    assert effective_sample_share(torch.tensor([3.0, 3.0, 3.0, 0.0])) == pytest.approx(0.75)
    assert effective_sample_share(torch.tensor([-2.0, 2.0])) == pytest.approx(1.0)
    gaussian = torch.randn(400_000, generator=torch.Generator().manual_seed(1))
    share = effective_sample_share(exponential(gaussian, temperature=2.0, clip=1e9))
    assert share == pytest.approx(torch.tensor(-0.25).exp().item(), rel=0.02)  # exp(-1 / T^2), facts/awr.md 1.3


def test_the_softmax_average_goes_from_the_mean_to_the_largest_value():
    value, policy = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.5, 0.25, 0.25])
    averages = [float(softmax_average(value, policy, t)) for t in (1e6, 1.0, 0.3, 1e-3)]
    assert averages == sorted(averages)
    assert averages[0] == pytest.approx(2.0, abs=1e-5) and averages[-1] == pytest.approx(4.0)
