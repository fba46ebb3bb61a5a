"""TD(lambda) returns over time-major data, with the ways an episode can end told apart.

| end      | value of what follows                       | path continues |
|----------|---------------------------------------------|----------------|
| NONE     | V(next obs)                                 | yes            |
| FAIL     | 0                                           | no             |
| TIMEOUT  | V(final obs): the state went on, unwatched  | no             |
| CLIP_END | 0, or V(final obs) with ``bootstrap``       | no             |
| DIVERGED | the step is invalid: its return is its V    | no             |

The last row cuts the path at the last good state: the step before it bootstraps from that state's value.
"""

from typing import Literal

import torch
from torch import Tensor

from mimic.rl.vec_env import End

ClipEndValue = Literal["zero", "bootstrap"]


def next_values(
    value: Tensor, last_value: Tensor, end: Tensor, stopped_value: Tensor, clip_end: ClipEndValue
) -> Tensor:
    """Value (T, N) of what followed each step, as its return uses it.

    value (T, N): V(obs). last_value (N,): V where the newest step led. end (T, N) int8. stopped_value (T, N):
    V(final obs) where an episode was stopped, anything elsewhere.
    """
    following = torch.cat([value[1:], last_value.unsqueeze(0)])
    bootstrap = end == int(End.TIMEOUT)
    zero = end == int(End.FAIL)
    if clip_end == "bootstrap":
        bootstrap = bootstrap | (end == int(End.CLIP_END))
    else:
        zero = zero | (end == int(End.CLIP_END))
    return torch.where(bootstrap, stopped_value, following).masked_fill(zero, 0.0)


def td_lambda_return(
    reward: Tensor, value: Tensor, next_value: Tensor, end: Tensor, gamma: float, lam: float
) -> Tensor:
    """G_t = r_t + gamma ((1 - lam) V_{t+1} + lam G_{t+1}) backwards in time (Sutton & Barto 2018, eq. 12.2 ff.).

    All arguments (T, N), result (T, N). At an end, and at the newest step, G_t = r_t + gamma V_{t+1}. Where ``end`` is
    DIVERGED the result is ``value``.
    """
    one_step = reward + gamma * next_value
    carry = (end == int(End.NONE)).to(reward.dtype) * (gamma * lam)
    diverged = end == int(End.DIVERGED)
    result = torch.empty_like(reward)
    # Backwards on G - V_{t+1}, which is zero past the newest edge.
    surplus = torch.zeros_like(reward[0])
    for t in range(reward.shape[0] - 1, -1, -1):
        target = one_step[t] + carry[t] * surplus
        target = torch.where(diverged[t], value[t], target)
        result[t] = target
        surplus = target - value[t]
    return result


def explained_variance(prediction: Tensor, target: Tensor) -> float:
    """1 - var(target - prediction) / var(target); 0 where the target does not vary."""
    variance = target.var(unbiased=False)
    if not float(variance) > 0.0:
        return 0.0
    return float(1.0 - (target - prediction).var(unbiased=False) / variance)
