"""A slowly following copy of the policy, for evaluation."""

import copy

import torch

from mimic.rl.policy import Policy


class PolicyEMA:
    """Exponential moving average of a policy's weights; its normaliser and std are the policy's present ones.

    With ``warm_up`` the n-th update uses a decay of at most (1 + n) / (10 + n), so that the average soon forgets the first,
    untrained weights.

    Attributes:
        policy: the average.
        updates: number of updates so far.
    """

    def __init__(self, policy: Policy, decay: float, warm_up: bool = False) -> None:
        self.decay, self.warm_up, self.updates = decay, warm_up, 0
        self.policy = copy.deepcopy(policy)

    @torch.no_grad()
    def update(self, policy: Policy) -> None:
        """Move each weight of the average by the share 1 - decay towards that of ``policy``."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warm_up else self.decay
        self.updates += 1
        for weight, new_weight in zip(self.policy.parameters(), policy.parameters(), strict=True):
            weight.lerp_(new_weight, 1.0 - decay)
        for mine, present in zip(self.policy.buffers(), policy.buffers(), strict=True):
            mine.copy_(present)
