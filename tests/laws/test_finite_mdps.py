"""Laws 6 and 8 on random finite decision processes, solved exactly."""

import pytest
import torch

from bench.finite_mdp import ACTIONS, FiniteMDP
from mimic.rl.weights import softmax_average

pytestmark = pytest.mark.law


def test_law_6_the_fixed_point_of_lawer_tends_to_the_optimal_value_from_below():
    worst = []
    for tau in (1.0, 4.0, 16.0, 64.0, 256.0):
        errors = []
        for seed in range(10):
            mdp = FiniteMDP(seed)
            value, optimal = mdp.lawer(tau), mdp.best()
            q = mdp.q_of(value)
            again = softmax_average(q, torch.full_like(q, 1.0 / ACTIONS), 1.0 / tau)
            torch.testing.assert_close(again, value, rtol=0.0, atol=1e-9)  # it converged
            assert (value <= optimal + 1e-9).all()
            errors.append(float((optimal - value).max()))
            if tau >= 64.0:  # its greedy policy is optimal
                choice = torch.eye(ACTIONS).double()[q.argmax(1)]
                torch.testing.assert_close(mdp.value_of(choice), optimal, rtol=0.0, atol=1e-9)
        worst.append(max(errors))
    assert worst == sorted(worst, reverse=True)
    assert worst[0] > 1.0 and worst[-1] < 0.01


def test_law_8_one_iteration_improves_and_is_optimal_where_the_behaviour_is_sharp_enough():
    optimal = []
    for temperature in (0.02, 0.3, 3.0):
        count = 0
        for seed in range(30):
            mdp = FiniteMDP(seed)
            behaviour = mdp.behaviour(temperature)
            before, after = mdp.value_of(behaviour), mdp.value_of(mdp.regress(behaviour))
            assert (after >= before - 1e-2).all()
            count += bool((mdp.best() - after).max() < 1e-2)
        optimal.append(count)
    assert optimal[0] == 30
    assert optimal[0] > optimal[1] > optimal[2]
    assert optimal[2] < 15
