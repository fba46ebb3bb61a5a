"""Laws 6 and 8 on random finite decision processes, solved exactly."""

import pytest
import torch
from torch import Tensor

from mimic.rl.weights import exponential, softmax_average

pytestmark = pytest.mark.law
_STATES, _ACTIONS, _GAMMA = 12, 4, 0.9


class Mdp:
    """Random transitions to three states an action, random rewards; float64."""

    def __init__(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.reward = torch.randn(_STATES, _ACTIONS, generator=rng, dtype=torch.float64)
        self.next = torch.zeros(_STATES, _ACTIONS, _STATES, dtype=torch.float64)
        for s in range(_STATES):
            for a in range(_ACTIONS):
                reached = torch.randperm(_STATES, generator=rng)[:3]
                self.next[s, a, reached] = torch.rand(3, generator=rng, dtype=torch.float64) + 0.1
        self.next /= self.next.sum(-1, keepdim=True)

    def q_of(self, value: Tensor) -> Tensor:
        return self.reward + _GAMMA * self.next @ value

    def value_of(self, policy: Tensor) -> Tensor:
        """Solve V = r + gamma P V under ``policy`` (S, A)."""
        transitions = (policy.unsqueeze(-1) * self.next).sum(1)
        return torch.linalg.solve(torch.eye(_STATES).double() - _GAMMA * transitions, (policy * self.reward).sum(1))

    def fixed_point(self, average) -> Tensor:
        """V (S,) that ``average`` of its own Q (S, A) gives."""
        value = torch.zeros(_STATES, dtype=torch.float64)
        for _ in range(300):
            value = average(self.q_of(value))
        return value

    def best(self) -> Tensor:
        return self.fixed_point(lambda q: q.amax(1))


def test_law_6_the_fixed_point_of_lawer_tends_to_the_optimal_value_from_below():
    behaviour = torch.full((_STATES, _ACTIONS), 1.0 / _ACTIONS, dtype=torch.float64)
    worst = []
    for tau in (1.0, 4.0, 16.0, 64.0, 256.0):
        errors = []
        for seed in range(10):
            mdp = Mdp(seed)
            value = mdp.fixed_point(lambda q, tau=tau: softmax_average(q, behaviour, 1.0 / tau))
            again = softmax_average(mdp.q_of(value), behaviour, 1.0 / tau)
            torch.testing.assert_close(again, value, rtol=0.0, atol=1e-9)  # it converged
            optimal = mdp.best()
            assert (value <= optimal + 1e-9).all()
            errors.append(float((optimal - value).max()))
            if tau >= 64.0:  # its greedy policy is optimal
                choice = torch.eye(_ACTIONS).double()[mdp.q_of(value).argmax(1)]
                torch.testing.assert_close(mdp.value_of(choice), optimal, rtol=0.0, atol=1e-9)
        worst.append(max(errors))
    assert worst == sorted(worst, reverse=True)
    assert worst[0] > 1.0 and worst[-1] < 0.01


def _one_iteration(mdp: Mdp, temperature: float, beta: float = 1e-3) -> tuple[Tensor, Tensor, Tensor]:
    """Values of a soft-max behaviour, of one advantage-weighted regression on all its data, and of the optimum."""
    optimal = mdp.best()
    behaviour = (mdp.q_of(optimal) / temperature).softmax(1)
    value = mdp.value_of(behaviour)
    advantage = mdp.q_of(value) - value.unsqueeze(1)
    weight = exponential(advantage - advantage.amax(1, keepdim=True), beta) * behaviour
    return value, mdp.value_of(weight / weight.sum(1, keepdim=True)), optimal


def test_law_8_one_iteration_improves_and_is_optimal_where_the_behaviour_is_sharp_enough():
    optimal = []
    for temperature in (0.02, 0.3, 3.0):
        count = 0
        for seed in range(30):
            before, after, best = _one_iteration(Mdp(seed), temperature)
            assert (after >= before - 1e-2).all()
            count += bool((best - after).max() < 1e-2)
        optimal.append(count)
    assert optimal[0] == 30
    assert optimal[0] > optimal[1] > optimal[2]
    assert optimal[2] < 15
