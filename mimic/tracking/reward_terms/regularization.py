"""Terms that do not use the reference: costs of motion (give them a negative weight) and a bonus for not failing.

Names and formulas are those of mjlab and MuJoCo Playground. Torques are the servo's, computed from the pose and the
velocity at the end of the control step. Engines do not report the torque of each physics step.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mimic.tracking.reward import TERMS, RewardInputs, RewardTerm


@TERMS.register("energy")
@dataclass(frozen=True, kw_only=True)
class Energy(RewardTerm):
    """Mechanical power of the joints, sum of |torque * joint velocity| [W] (Playground's ``energy``)."""

    label = "power of the joints"

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return the power (N,) [W] of each environment."""
        return (inputs.joint_torque() * inputs.sim.joint_vel).abs().sum(-1)


@TERMS.register("joint_torques_l2")
@dataclass(frozen=True, kw_only=True)
class JointTorquesL2(RewardTerm):
    """Sum of squared joint torques [(N·m)²] (mjlab's ``joint_torques_l2``)."""

    label = "torque of the joints"

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return the value (N,) for each environment."""
        return inputs.joint_torque().square().sum(-1)


@TERMS.register("joint_vel_l2")
@dataclass(frozen=True, kw_only=True)
class JointVelL2(RewardTerm):
    """Sum of squared joint velocities [(rad/s)²] (mjlab's ``joint_vel_l2``)."""

    label = "speed of the joints"

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return the value (N,) for each environment."""
        return inputs.sim.joint_vel.square().sum(-1)


@TERMS.register("action_rate_l2")
@dataclass(frozen=True, kw_only=True)
class ActionRateL2(RewardTerm):
    """Sum of squared changes of the action since the previous step [policy units²] (mjlab's ``action_rate_l2``).

    The action is the policy's output before it is scaled to servo targets.
    """

    label = "change of the action"

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return the value (N,) for each environment."""
        return (inputs.action - inputs.previous_action()).square().sum(-1)


@TERMS.register("alive")
@dataclass(frozen=True, kw_only=True)
class Alive(RewardTerm):
    """A bonus of 1 for every control step that does not end the episode by failure (Playground's ``alive``)."""

    label = "alive"
    bounded: ClassVar[bool] = True

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return 1 for each environment, (N,). The environment replaces the reward of a failed step by 0."""
        return torch.ones_like(inputs.sim.root_pos_w[:, 0])
