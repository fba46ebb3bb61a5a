"""Convert a policy's action to servo targets."""

import torch
from torch import Tensor

from characters import Character
from mimic.tracking.config import ActionConfig


class Action:
    """``pd_target = base + scale * action`` for one character; see :class:`ActionConfig`."""

    def __init__(self, config: ActionConfig, character: Character, device: torch.device | str = "cpu"):
        self.config = config
        self.dim = character.num_actuated
        offset, scale = torch.zeros(self.dim), torch.full((self.dim,), config.ball_scale)
        bound = torch.full((self.dim,), config.bound)
        for joint in (j for j in character.joints if j.kind == "hinge"):
            if config.hinge_bound is not None:
                bound[joint.dof] = config.hinge_bound
            if config.mode == "absolute" and joint.range is not None:
                low, high = joint.range
                offset[joint.dof] = 0.5 * (low + high)
                scale[joint.dof] = config.hinge_range_scale * (high - low)
        self.offset, self.scale, self.bound = offset.to(device), scale.to(device), bound.to(device)

    @property
    def needs_reference(self) -> bool:
        """Whether an action is an offset from the reference's pose (mode "reference")."""
        return self.config.mode == "reference"

    def pd_target(self, action: Tensor, reference_target: Tensor | None) -> Tensor:
        """Return the servo targets (N, A) [rad] for ``action`` (N, A), the policy's output before it is scaled.

        ``reference_target`` (N, A) [rad] is the reference pose ``lead_s`` ahead; None in the mode "absolute".
        """
        base = self.offset if reference_target is None else reference_target
        return base + self.scale * action
