"""Distributions over actions, made from the output of a policy's network.

A head turns the output (N, O) of a network into the parameters (N, P) of a distribution. All other functions take the
parameters, so that parameters stored with an action give its probability later.

Both heads are exponential families: minus log pi(a) is linear in the sufficient statistic T(a). One regression therefore serves
all heads. Its target is T(a) of the action taken, or that target shifted by a control variate (:func:`control_variate_target`). For a
Gaussian of given width T(a) is the action; if the width is learned, the action and its square. For a choice it is the one-hot
vector.
"""

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext


class Head(Protocol):
    """A distribution over actions. N is any batch; ``params`` (N, P) are the result of :meth:`params`."""

    outputs: int  # O: columns that the network gives
    width: int  # P: columns of the parameters
    act_dim: int  # A: columns of an action, as it is stored
    statistic_dim: int  # G: columns of the sufficient statistic

    @property
    def std(self) -> Tensor:
        """Standard deviation (A,) [normalised action units]; 0 for a choice."""

    def set_std(self, std: float | Tensor) -> None:
        """Set the standard deviation where it is given from outside."""

    def params(self, output: Tensor) -> Tensor:
        """Parameters (N, P) from the network's output (N, O)."""

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Tensor:
        """A random action (N, A). Of several processes with one generator each takes its own share of one draw."""

    def mode(self, params: Tensor) -> Tensor:
        """The most probable action (N, A)."""

    def log_prob(self, action: Tensor, params: Tensor) -> Tensor:
        """Log density or log probability (N,) of ``action`` (N, A)."""

    def kl(self, params_p: Tensor, params_q: Tensor) -> Tensor:
        """KL(p || q) (N,)."""

    def entropy(self, params: Tensor) -> Tensor:
        """Entropy [nats] (N,)."""

    def statistic(self, action: Tensor) -> Tensor:
        """Sufficient statistic T(a) (N, G) of ``action`` (N, A): minus log pi(a) is linear in it."""

    def expectation(self, params: Tensor) -> Tensor:
        """Mean (N, G) of the sufficient statistic T(a) under the distribution."""

    def regression(self, params: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        """Mean over the batch of -w log pi, up to a constant, with ``target`` (N, G) for T(a) and ``weight`` (N,)."""


def gaussian_log_prob(action: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Log density (...,) of ``action`` (..., A) under a diagonal Gaussian; ``std`` (A,) or (..., A)."""
    z = (action - mean) / std
    return -0.5 * z.square().sum(-1) - (std.log() + 0.5 * math.log(2.0 * math.pi)).expand_as(z).sum(-1)


def gaussian_kl(mean_p: Tensor, mean_q: Tensor, std: Tensor) -> Tensor:
    """KL(p || q) (...,) of two diagonal Gaussians that share ``std``: half the squared distance in units of std."""
    return 0.5 * ((mean_p - mean_q) / std).square().sum(-1)


def gaussian_sample(
    mean: Tensor, std: Tensor, generator: torch.Generator | None, distributed: DistributedContext = SINGLE_PROCESS
) -> Tensor:
    """A random draw (N, A) around ``mean`` (N, A); if several processes train, this one's share of a common draw."""
    shape = (distributed.world_size * mean.shape[0], mean.shape[1])
    noise = torch.randn(shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + std * distributed.local_shard(noise)


def gaussian_entropy(std: Tensor) -> Tensor:
    """Entropy [nats] (...,) of a diagonal Gaussian, ``std`` (..., A)."""
    return (std.log() + 0.5 * math.log(2.0 * math.pi * math.e)).sum(-1)


class GaussianHead(nn.Module):
    """Diagonal Gaussian of a given standard deviation, fixed or scheduled; the parameters are the mean.

    ``std`` (A,) [normalised action units] stays the same tensor, because a captured CUDA graph reads it in place.
    """

    std: Tensor

    def __init__(self, act_dim: int) -> None:
        super().__init__()
        self.outputs = self.width = self.act_dim = self.statistic_dim = act_dim
        self.register_buffer("std", torch.ones(act_dim))

    def set_std(self, std: float | Tensor) -> None:
        """Set the standard deviation [normalised action units], one for all or (A,)."""
        self.std.copy_(torch.as_tensor(std, dtype=self.std.dtype, device=self.std.device).expand_as(self.std))

    def params(self, output: Tensor) -> Tensor:
        """The mean (N, A)."""
        return output

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Tensor:
        """A random action (N, A)."""
        return gaussian_sample(params, self.std, generator, distributed)

    def mode(self, params: Tensor) -> Tensor:
        """The mean (N, A)."""
        return params

    def log_prob(self, action: Tensor, params: Tensor) -> Tensor:
        """Log density (N,)."""
        return gaussian_log_prob(action, params, self.std)

    def kl(self, params_p: Tensor, params_q: Tensor) -> Tensor:
        """KL(p || q) (N,) at the present std."""
        return gaussian_kl(params_p, params_q, self.std)

    def entropy(self, params: Tensor) -> Tensor:
        """Entropy (N,), the same everywhere."""
        return gaussian_entropy(self.std).expand(params.shape[:-1])

    def statistic(self, action: Tensor) -> Tensor:
        """The action (N, A)."""
        return action

    def expectation(self, params: Tensor) -> Tensor:
        """The mean (N, A)."""
        return params

    def regression(self, params: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        """w |target - mean|^2 / (2 std^2), averaged over the batch."""
        miss = ((target - params) / self.std).square().sum(-1)
        return 0.5 * (weight * miss).mean()


class LearnedGaussianHead(nn.Module):
    """Diagonal Gaussian whose standard deviation is learned, one for all states and never below ``floor``.

    The parameters are the mean and the standard deviation, (N, 2 A). The floor is soft: std = floor + exp(s), so that a
    gradient is there however small it becomes.
    """

    def __init__(self, act_dim: int, start: float, floor: float = 0.05) -> None:
        super().__init__()
        if not 0.0 < floor < start:
            raise ValueError(
                f"std starts at {start:g} with the floor {floor:g}; it must start above the floor, and the floor be above 0"
            )
        self.outputs = self.act_dim = act_dim
        self.width = self.statistic_dim = 2 * act_dim
        self.floor = floor
        self.log_excess = nn.Parameter(torch.full((act_dim,), math.log(start - floor)))

    @property
    def std(self) -> Tensor:
        """The present standard deviation (A,)."""
        return self.floor + self.log_excess.exp()

    def set_std(self, std: float | Tensor) -> None:
        """Change nothing: the standard deviation is learned."""

    def params(self, output: Tensor) -> Tensor:
        """Mean and std side by side, (N, 2 A)."""
        return torch.cat([output, self.std.expand_as(output)], -1)

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Tensor:
        """A random action (N, A)."""
        mean, std = params.chunk(2, -1)
        return gaussian_sample(mean, std, generator, distributed)

    def mode(self, params: Tensor) -> Tensor:
        """The mean (N, A)."""
        return params.chunk(2, -1)[0]

    def log_prob(self, action: Tensor, params: Tensor) -> Tensor:
        """Log density (N,)."""
        return gaussian_log_prob(action, *params.chunk(2, -1))

    def kl(self, params_p: Tensor, params_q: Tensor) -> Tensor:
        """KL(p || q) (N,)."""
        (mean_p, std_p), (mean_q, std_q) = params_p.chunk(2, -1), params_q.chunk(2, -1)
        ratio = (std_p / std_q).square()
        return gaussian_kl(mean_p, mean_q, std_q) + 0.5 * (ratio - 1.0 - ratio.log()).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """Entropy (N,)."""
        return gaussian_entropy(params.chunk(2, -1)[1])

    def statistic(self, action: Tensor) -> Tensor:
        """The action and its square, (N, 2 A)."""
        return torch.cat([action, action.square()], -1)

    def expectation(self, params: Tensor) -> Tensor:
        """The mean, and the mean of the square, (N, 2 A)."""
        mean, std = params.chunk(2, -1)
        return torch.cat([mean, mean.square() + std.square()], -1)

    def regression(self, params: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        """w (|target - mean|^2 / (2 std^2) + log std), the square multiplied out, averaged over the batch."""
        (mean, std), (first, second) = params.chunk(2, -1), target.chunk(2, -1)
        miss = (second - 2.0 * mean * first + mean.square()) / (2.0 * std.square())
        return (weight * (miss + std.log()).sum(-1)).mean()


class CategoricalHead(nn.Module):
    """One of K choices; the parameters are logits, an action is the choice's number in a column of its own, (N, 1)."""

    std: Tensor

    def __init__(self, choices: int) -> None:
        super().__init__()
        if choices < 2:
            raise ValueError(f"a distribution over choices needs at least 2 of them, found {choices}")
        self.outputs = self.width = self.statistic_dim = self.choices = choices
        self.act_dim = 1
        self.register_buffer("std", torch.zeros(1), persistent=False)

    def set_std(self, std: float | Tensor) -> None:
        """Change nothing: a choice has no standard deviation."""

    def params(self, output: Tensor) -> Tensor:
        """The logits (N, K)."""
        return output

    def sample(
        self, params: Tensor, generator: torch.Generator | None = None, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Tensor:
        """A random choice (N, 1), by inverting the cumulative distribution at one uniform number."""
        shape = (distributed.world_size * params.shape[0], 1)
        uniform = distributed.local_shard(
            torch.rand(shape, generator=generator, device=params.device, dtype=params.dtype)
        )
        choice = (params.softmax(-1).cumsum(-1) < uniform).sum(-1, keepdim=True)
        return choice.clamp(max=self.choices - 1).to(params.dtype)

    def mode(self, params: Tensor) -> Tensor:
        """The most probable choice (N, 1)."""
        return params.argmax(-1, keepdim=True).to(params.dtype)

    def log_prob(self, action: Tensor, params: Tensor) -> Tensor:
        """Log probability (N,)."""
        return params.log_softmax(-1).gather(-1, action.long()).squeeze(-1)

    def kl(self, params_p: Tensor, params_q: Tensor) -> Tensor:
        """KL(p || q) (N,)."""
        log_p, log_q = params_p.log_softmax(-1), params_q.log_softmax(-1)
        return (log_p.exp() * (log_p - log_q)).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """Entropy (N,)."""
        log_p = params.log_softmax(-1)
        return -(log_p.exp() * log_p).sum(-1)

    def statistic(self, action: Tensor) -> Tensor:
        """One-hot vector (N, K) of the chosen action: 1 in the column of its number, 0 elsewhere."""
        numbers = torch.arange(self.choices, device=action.device)
        return (action.long() == numbers).to(action.dtype)

    def expectation(self, params: Tensor) -> Tensor:
        """Probabilities (N, K) of the choices."""
        return params.softmax(-1)

    def regression(self, params: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        """Cross entropy -w sum_k target_k log pi_k, averaged over the batch; a target may have entries below 0."""
        return -(weight * (target * params.log_softmax(-1)).sum(-1)).mean()


def control_variate_target(statistic: Tensor, baseline: Tensor, weight: Tensor, average: Tensor) -> Tensor:
    """The target (N, G) of a regression with a control variate: baseline + (1 - w_bar / w) (T(a) - baseline).

    The loss (w - w_bar) L(T(a)) + w_bar L(baseline), L being minus log pi, is w L(target), because L is linear in the statistic.
    If ``baseline`` (N, G) is the expected statistic of the policy that acted, E[T(a) - baseline] = 0. The expected gradient is
    then that of weight w alone, for any ``average`` w_bar, without the noise of a constant weight.
    """
    return torch.addcmul(baseline, (1.0 - average / weight).unsqueeze(-1), statistic - baseline)
