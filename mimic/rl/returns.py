"""TD(lambda) returns over time-major data, with the ways an episode can end told apart.

| end      | value of what follows                       | path continues |
|----------|---------------------------------------------|----------------|
| NONE     | V(next obs)                                 | yes            |
| FAIL     | 0                                           | no             |
| TIMEOUT  | V(final obs): the state went on             | no             |
| CLIP_END | 0, or V(final obs) with ``bootstrap``       | no             |
| DIVERGED | the step is invalid: its return is its V    | no             |

DIVERGED cuts the path at the last good state: the step before it bootstraps from that state's value.
"""

from typing import Literal

import torch
from torch import Tensor

from mimic.rl.vec_env import Termination

ClipEndValue = Literal["zero", "bootstrap"]


def next_values(value: Tensor, last_value: Tensor, end: Tensor, final_value: Tensor, clip_end: ClipEndValue) -> Tensor:
    """Value (T, N) of what followed each step, as its return uses it.

    value (T, N): V(obs). last_value (N,): V where the newest step led. end (T, N) int8. final_value (T, N):
    V(final obs) where an episode was stopped, anything elsewhere.
    """
    following = torch.cat([value[1:], last_value.unsqueeze(0)])
    bootstrap = end == int(Termination.TIMEOUT)
    zero = end == int(Termination.FAIL)
    if clip_end == "bootstrap":
        bootstrap = bootstrap | (end == int(Termination.CLIP_END))
    else:
        zero = zero | (end == int(Termination.CLIP_END))
    return torch.where(bootstrap, final_value, following).masked_fill(zero, 0.0)


def td_lambda_return(
    reward: Tensor, value: Tensor, next_value: Tensor, end: Tensor, gamma: float, lam: float
) -> Tensor:
    """G_t = r_t + gamma ((1 - lam) V_{t+1} + lam G_{t+1}) backwards in time (Sutton & Barto 2018, eq. 12.2 ff.).

    All arguments (T, N), result (T, N). At an end, and at the newest step, G_t = r_t + gamma V_{t+1}. Where ``end`` is
    DIVERGED the result is ``value``.
    """
    one_step = reward + gamma * next_value
    carry = (end == int(Termination.NONE)).to(reward.dtype) * (gamma * lam)
    diverged = end == int(Termination.DIVERGED)
    result = torch.empty_like(reward)
    # Backwards on G - V_{t+1}, which is zero past the newest edge.
    surplus = torch.zeros_like(reward[0])
    for t in range(reward.shape[0] - 1, -1, -1):
        target = one_step[t] + carry[t] * surplus
        target = torch.where(diverged[t], value[t], target)
        result[t] = target
        surplus = target - value[t]
    return result


def episode_td_lambda_return(
    reward: Tensor,
    value: Tensor,
    final_value: Tensor,
    length: Tensor,
    end: Tensor,
    gamma: float,
    lam: float,
    clip_end: ClipEndValue = "zero",
) -> Tensor:
    """TD(lambda) returns (M,) of episodes that lie one after another; with lam 1 and values 0, discounted sums of later rewards.

    reward and value (M,): of all transitions. final_value (E,): V where each episode's last action led, read where its end
    leaves something to come. length (E,). end (E,) int8. One scan backwards from all ends at once, as many steps as the
    longest episode has; to the bit what `td_lambda_return` gives for the same paths.
    """
    last = length.cumsum(0) - 1
    open_end = end == int(Termination.TIMEOUT)
    if clip_end == "bootstrap":
        open_end = open_end | (end == int(Termination.CLIP_END))
    following = torch.cat([value[1:], value[:1]])
    following[last] = final_value.masked_fill(~open_end, 0.0)
    one_step = reward + gamma * following
    order = length.argsort(descending=True)  # those still under way k steps before their end come first
    last, lengths = last[order], length[order].tolist()
    result, under_way = torch.empty_like(reward), len(lengths)
    surplus = torch.zeros_like(reward[:under_way])
    for k in range(lengths[0]):
        while lengths[under_way - 1] <= k:
            under_way -= 1
        rows = last[:under_way] - k
        target = one_step[rows] + (gamma * lam) * surplus[:under_way]
        result[rows] = target
        surplus = target - value[rows]
    return result


def explained_variance(prediction: Tensor, target: Tensor) -> float:
    """1 - var(target - prediction) / var(target); 0 where the target does not vary."""
    variance = target.var(unbiased=False)
    if not float(variance) > 0.0:
        return 0.0
    return float(1.0 - (target - prediction).var(unbiased=False) / variance)
