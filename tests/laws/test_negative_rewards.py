"""Law 7: rewards below zero drive a plain policy gradient apart, and an exponentiated one never."""

import pytest

from bench.negative_rewards import RUNS, errors, standardized
from mimic.rl.weights import exponential, indicator

pytestmark = pytest.mark.law


def test_law_7_a_plain_policy_gradient_diverges_on_negative_rewards():
    apart = [int((errors(lambda reward: reward, offset) > 10.0).sum()) for offset in (10.0, 100.0)]
    assert apart == [RUNS, RUNS]


@pytest.mark.parametrize("offset", [0.0, 10.0, 100.0])
@pytest.mark.parametrize(
    "weight_of", [lambda r: exponential(standardized(r)), lambda r: indicator(standardized(r))], ids=["exp", "cacla"]
)
def test_law_7_an_exponentiated_or_filtered_one_finds_the_optimum_whatever_the_offset(weight_of, offset):
    assert float(errors(weight_of, offset).max()) < 0.3
