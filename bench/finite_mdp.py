"""Random finite Markov decision processes, solved exactly, on which LAWER and a single weighted regression are tested."""

from collections.abc import Callable

import torch
from torch import Tensor

from mimic.rl.weights import exponential, softmax_average

STATES, ACTIONS, GAMMA = 12, 4, 0.9
_SWEEPS = 300  # of a fixed point
_GREEDY = 1e-3  # temperature at which a weighted regression takes the best action


class FiniteMDP:
    """An MDP with S states, A actions and float64 rewards (S, A) drawn from a normal distribution.

    Each action leads to one of three states, with random probabilities.
    """

    def __init__(self, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.reward = torch.randn(STATES, ACTIONS, generator=rng, dtype=torch.float64)
        self.next = torch.zeros(STATES, ACTIONS, STATES, dtype=torch.float64)
        for s in range(STATES):
            for a in range(ACTIONS):
                reached = torch.randperm(STATES, generator=rng)[:3]
                self.next[s, a, reached] = torch.rand(3, generator=rng, dtype=torch.float64) + 0.1
        self.next /= self.next.sum(-1, keepdim=True)

    def q_of(self, value: Tensor) -> Tensor:
        """Q (S, A) from V (S,)."""
        return self.reward + GAMMA * self.next @ value

    def value_of(self, policy: Tensor) -> Tensor:
        """V (S,) of ``policy`` (S, A): the solution of V = r + gamma P V."""
        transitions = (policy.unsqueeze(-1) * self.next).sum(1)
        return torch.linalg.solve(torch.eye(STATES).double() - GAMMA * transitions, (policy * self.reward).sum(1))

    def fixed_point(self, average: Callable[[Tensor], Tensor]) -> Tensor:
        """The V (S,) for which V = average(Q(V)), by iteration; ``average`` turns Q (S, A) into V (S,)."""
        value = torch.zeros(STATES, dtype=torch.float64)
        for _ in range(_SWEEPS):
            value = average(self.q_of(value))
        return value

    def best(self) -> Tensor:
        """Optimal values V* (S,)."""
        return self.fixed_point(lambda q: q.amax(1))

    def lawer(self, tau: float) -> Tensor:
        """V (S,) of LAWER (Neumann & Peters 2008) on data of a uniform policy, where ``tau`` is the inverse temperature."""
        uniform = torch.full((STATES, ACTIONS), 1.0 / ACTIONS, dtype=torch.float64)
        return self.fixed_point(lambda q: softmax_average(q, uniform, 1.0 / tau))

    def behaviour(self, temperature: float) -> Tensor:
        """The soft-max policy (S, A) over the optimal Q: proportional to exp(Q* / temperature)."""
        return (self.q_of(self.best()) / temperature).softmax(1)

    def regress(self, policy: Tensor, temperature: float = _GREEDY) -> Tensor:
        """The policy (S, A) that advantage-weighted regression makes of all data of ``policy``: pi exp(A / T) / Z."""
        value = self.value_of(policy)
        advantage = self.q_of(value) - value.unsqueeze(1)
        weight = exponential(advantage - advantage.amax(1, keepdim=True), temperature) * policy
        return weight / weight.sum(1, keepdim=True)
