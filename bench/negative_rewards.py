"""Policy gradients on rewards that are all negative: r = -(a - 2)^2 - offset, a Gaussian policy that begins at 0."""

from collections.abc import Callable

import torch
from torch import Tensor

from mimic.rl.heads import GaussianHead

RUNS = 20
_BATCH, _STEPS, _ITERATIONS, _RATE, _STD = 32, 20, 25, 0.02, 0.5
_FAR = 1e6  # the mean stays within this


def standardized(reward: Tensor) -> Tensor:
    """Rewards (runs, batch) minus their mean, over their standard deviation, both of a run's batch."""
    return (reward - reward.mean(1, keepdim=True)) / (reward.std(1, keepdim=True) + 1e-5)


def errors(weight_of: Callable[[Tensor], Tensor], offset: float) -> Tensor:
    """Distance (runs,) of the policy's mean from the optimum after 25 batches of 32 actions, 20 gradient steps each.

    ``weight_of`` turns rewards (runs, batch) into the weights of the regression.
    """
    head, rng = GaussianHead(1).double(), torch.Generator().manual_seed(0)
    head.set_std(_STD)
    mean = torch.zeros(RUNS, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([mean], lr=_RATE)
    for _ in range(_ITERATIONS):
        action = head.sample(mean.detach().repeat_interleave(_BATCH, 0), rng)
        reward = (-(action - 2.0).square() - offset).view(RUNS, _BATCH)
        weight = weight_of(reward).flatten()
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss = RUNS * head.regression(mean.repeat_interleave(_BATCH, 0), weight, action)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            mean.data.clamp_(-_FAR, _FAR)
    return (mean.detach() - 2.0).abs()[:, 0]
