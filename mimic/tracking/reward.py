"""The tracking reward: named terms, each a pure function of the compared states, summed by one table of weights.

Five of them are DeepMimic's (Peng et al. 2018; its code, for the paper has four): a weighted sum of exponentials in
[0, 1] that is 1 when the simulation is the reference. ``foot_height`` is ours: a paw that skims the ground where the
clip's is a centimetre above it costs next to nothing in those five, and makes another gait. ``action_rate`` is the usual
price of a policy that trembles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.errors import ConfigError, nearest
from mimic.core.rotations import quat_angle
from mimic.tracking.config import RewardConfig


@dataclass
class Compared:
    """The simulated and the reference state side by side, with what the terms need of each."""

    sim: CharacterState
    reference: CharacterState
    sim_end_effector_h: Tensor  # (N, E, 3) [m]
    reference_end_effector_h: Tensor
    sim_com_vel_w: Tensor  # (N, 3) [m/s]
    reference_com_vel_w: Tensor
    foot_height: Callable[[], tuple[Tensor, Tensor]]  # lowest points of the feet on both sides, (N, F) [m] each
    action: Tensor  # (N, A) [policy units], that led here
    previous_action: Callable[[], Tensor]  # (N, A); in an episode's first step the same

    @cached_property
    def root_angle(self) -> Tensor:
        """Between the roots' orientations, (N,) [rad]."""
        return quat_angle(self.sim.root_quat_w, self.reference.root_quat_w)


class Reward:
    """Weighted sum of the configured terms for one character.

    Raises:
        ConfigError: the table names a term that does not exist, or its weights do not sum to 1.
    """

    def __init__(self, config: RewardConfig, character: Character, device: torch.device | str = "cpu"):
        for name in config.terms:
            if name not in TERMS:
                raise ConfigError(f"reward: unknown term '{name}'; {nearest(name, TERMS)}")
        weights = sum(term.weight for term in config.terms.values())
        if abs(weights - 1.0) > 1e-6:
            raise ConfigError(f"reward: the weights of the terms sum to {weights:g}, they must sum to 1")
        self.config = config
        total = character.config.root_weight + sum(joint.weight for joint in character.joints)
        self._root_weight = character.config.root_weight / total
        self._joint_weight = torch.tensor([joint.weight / total for joint in character.joints], device=device)
        self._dof_weight = torch.cat(
            [torch.full((j.dof.stop - j.dof.start,), j.weight / total) for j in character.joints]
        ).to(device)
        # DeepMimic's scales are for 15 joints, root and fixed ones included
        self._joint_count_factor = len(character.bodies) / 15

    def terms(self, compared: Compared) -> dict[str, Tensor]:
        """Each term's exp(-scale * error), unweighted, name -> (N,)."""
        values = {}
        for name, term in self.config.terms.items():
            error = TERMS[name](self, compared)
            values[name] = torch.exp(-term.scale * error)
        return values

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The reward in [0, 1], (N,)."""
        weighted = [term.weight * terms[name] for name, term in self.config.terms.items()]
        return torch.stack(weighted).sum(0)

    def pose_error(self, c: Compared) -> Tensor:
        """Weighted squared rotation errors of root (world) and joints (local), times the joint count / 15."""
        root = c.root_angle.square()
        joints = quat_angle(c.sim.joint_quat, c.reference.joint_quat).square() @ self._joint_weight
        return self._joint_count_factor * (self._root_weight * root + joints)

    def velocity_error(self, c: Compared) -> Tensor:
        """Weighted squared angular velocity errors of root (world) and joints, times the joint count / 15."""
        root = (c.sim.root_angvel_w - c.reference.root_angvel_w).square().sum(-1)
        joints = (c.sim.joint_vel - c.reference.joint_vel).square() @ self._dof_weight
        return self._joint_count_factor * (self._root_weight * root + joints)

    def end_effector_error(self, c: Compared) -> Tensor:
        """Summed squared end-effector distances: x, y from the root in each one's own heading frame, z from ground."""
        return (c.sim_end_effector_h - c.reference_end_effector_h).square().sum((-1, -2))

    def root_error(self, c: Compared) -> Tensor:
        """Squared root errors: position + 0.1 rotation + 0.01 linear + 0.001 angular velocity."""
        position = (c.sim.root_pos_w - c.reference.root_pos_w).square().sum(-1)
        rotation = c.root_angle.square()
        linear = (c.sim.root_linvel_w - c.reference.root_linvel_w).square().sum(-1)
        angular = (c.sim.root_angvel_w - c.reference.root_angvel_w).square().sum(-1)
        return position + 0.1 * rotation + 0.01 * linear + 0.001 * angular

    def com_error(self, c: Compared) -> Tensor:
        """Squared error of the centre of mass's velocity, times 0.1."""
        return 0.1 * (c.sim_com_vel_w - c.reference_com_vel_w).square().sum(-1)

    def foot_height_error(self, c: Compared) -> Tensor:
        """Summed squared differences of how high the lowest point of each foot is."""
        sim, reference = c.foot_height()
        return (sim - reference).square().sum(-1)

    def action_rate_error(self, c: Compared) -> Tensor:
        """Mean squared change of the action since the step before, over degrees of freedom."""
        return (c.action - c.previous_action()).square().mean(-1)


LABELS = {  # what terms are called where people read of them
    "pose": "pose",
    "velocity": "speed of the joints",
    "end_effector": "hands and feet",
    "root": "root",
    "com": "centre of mass",
    "foot_height": "height of the feet",
    "action_rate": "steadiness of the action",
}
TERMS: dict[str, Callable[[Reward, Compared], Tensor]] = {
    "pose": Reward.pose_error,
    "velocity": Reward.velocity_error,
    "end_effector": Reward.end_effector_error,
    "root": Reward.root_error,
    "com": Reward.com_error,
    "foot_height": Reward.foot_height_error,
    "action_rate": Reward.action_rate_error,
}
