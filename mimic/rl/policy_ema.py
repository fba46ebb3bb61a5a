"""A slowly following copy of the policy, for evaluation."""

import copy

import torch

from mimic.rl.policy import Policy


class PolicyEMA:
    """Exponential moving average of a policy's weights; its normaliser and std are the policy's present ones."""

    def __init__(self, policy: Policy, decay: float) -> None:
        self.decay = decay
        self.policy = copy.deepcopy(policy)

    @torch.no_grad()
    def update(self, policy: Policy) -> None:
        """Take a step of 1 - decay towards ``policy``."""
        for weight, new_weight in zip(self.policy.parameters(), policy.parameters(), strict=True):
            weight.lerp_(new_weight, 1.0 - self.decay)
        for mine, present in zip(self.policy.buffers(), policy.buffers(), strict=True):
            mine.copy_(present)
