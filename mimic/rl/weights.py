"""How much a sample counts in a weighted regression, as a function of its advantage.

Every learner of the family is ``weight(A) x regression``. The functions take a standardised advantage (M,) and give weights
(M,). :func:`normalized` scales them to a mean magnitude of 1. A mean weight acts like a step size, so only normalised functions
can be compared.

| function      | weight             | learner             |
|---------------|--------------------|---------------------|
| ``uniform``   | 1                  | BC                  |
| ``exponential`` | min(exp(A / T), c) | AWR, RWR, MARWIL, PG-exp |
| ``identity``  | A                  | PG: signs are kept  |
| ``positive``  | max(A, 0)          | SIL                 |
| ``indicator`` | 1 where A > 0      | CACLA               |
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

_MIN_LOG_WEIGHT = -10.0  # a weight is never quite zero: a control variate divides by it


def uniform(advantage: Tensor) -> Tensor:
    """1 for every sample: behavioural cloning."""
    return torch.ones_like(advantage)


def exponential(advantage: Tensor, temperature: float = 1.0, clip: float = 20.0) -> Tensor:
    """min(exp(A / temperature), clip), computed so that it neither overflows nor vanishes (Peng et al. 2019)."""
    return torch.exp((advantage / temperature).clamp(_MIN_LOG_WEIGHT, math.log(clip)))


def identity(advantage: Tensor) -> Tensor:
    """The advantage itself, below 0 too: the policy gradient."""
    return advantage


def positive(advantage: Tensor) -> Tensor:
    """max(A, 0): self-imitation (Oh et al. 2018)."""
    return advantage.clamp(min=0.0)


def indicator(advantage: Tensor) -> Tensor:
    """1 where A > 0, else 0: CACLA (van Hasselt & Wiering 2007), and the binary filter of CRR (Wang et al. 2020)."""
    return (advantage > 0.0).to(advantage.dtype)


WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "uniform": uniform,
    "exponential": exponential,
    "identity": identity,
    "positive": positive,
    "indicator": indicator,
}


def normalized(weight: Tensor) -> Tensor:
    """``weight`` (M,) over its mean magnitude, so that weights which are not negative have mean 1; zeros stay zeros."""
    mean = weight.double().abs().mean()
    return weight if float(mean) == 0.0 else (weight / mean).to(weight.dtype)


def effective_sample_share(weight: Tensor) -> float:
    """(sum |w|)^2 / (M sum w^2): 1 for equal magnitudes, 1/M if one sample has it all."""
    magnitude = weight.double().abs()
    return float(magnitude.sum().square() / (magnitude.numel() * magnitude.square().sum()).clamp(min=1e-300))


def softmax_average(value: Tensor, weight: Tensor, temperature: float) -> Tensor:
    """Average (...,) of ``value`` (..., K) by probabilities proportional to ``weight`` (..., K) exp(value / temperature).

    If ``weight`` are a policy's probabilities, this is the value of a state in LAWER (Neumann & Peters 2008). It is near the mean
    value at a high temperature and near the largest value at a low one.
    """
    log_share = weight.log() + value / temperature
    return (log_share.softmax(-1) * value).sum(-1)
