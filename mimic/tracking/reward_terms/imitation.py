"""Terms that compare the simulation with the reference.

``pose``, ``velocity``, ``end_effector``, ``root`` and ``com`` are DeepMimic's five terms (Peng et al. 2018; the paper has
four, its code five). ``foot_height`` is not DeepMimic's. The five hardly punish a foot that slides over the ground where
the clip lifts the foot by a centimetre, and so they change the gait.
"""

from dataclasses import dataclass

from torch import Tensor

from mimic.core.rotations import quat_angle
from mimic.tracking.reward import TERMS, RewardInputs, TrackingTerm


@TERMS.register("pose")
@dataclass(frozen=True, kw_only=True)
class Pose(TrackingTerm):
    """Weighted squared rotation errors [rad²] of root (world) and joints (local), times the body count / 15."""

    label = "pose"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        weights, root = inputs.weights, inputs.root_angle.square()
        joints = quat_angle(inputs.sim.joint_quat, inputs.reference.joint_quat).square() @ weights.joint
        return weights.body_count_factor * (weights.root * root + joints)


@TERMS.register("velocity")
@dataclass(frozen=True, kw_only=True)
class Velocity(TrackingTerm):
    """Weighted squared angular velocity errors [(rad/s)²] of root (world) and joints, times the body count / 15."""

    label = "speed of the joints"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        weights, sim, reference = inputs.weights, inputs.sim, inputs.reference
        root = (sim.root_angvel_w - reference.root_angvel_w).square().sum(-1)
        joints = (sim.joint_vel - reference.joint_vel).square() @ weights.dof
        return weights.body_count_factor * (weights.root * root + joints)


@TERMS.register("end_effector")
@dataclass(frozen=True, kw_only=True)
class EndEffector(TrackingTerm):
    """Summed squared end-effector distances [m²].

    Horizontal positions are relative to the root, in the heading frame of the simulation and of the reference each;
    heights are above the ground.
    """

    label = "hands and feet"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        return (inputs.sim_end_effector_h - inputs.reference_end_effector_h).square().sum((-1, -2))


@TERMS.register("root")
@dataclass(frozen=True, kw_only=True)
class Root(TrackingTerm):
    """Squared root errors: position [m²] + 0.1 rotation [rad²] + 0.01 linear + 0.001 angular velocity."""

    label = "root"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        sim, reference = inputs.sim, inputs.reference
        position = (sim.root_pos_w - reference.root_pos_w).square().sum(-1)
        rotation = inputs.root_angle.square()
        linear = (sim.root_linvel_w - reference.root_linvel_w).square().sum(-1)
        angular = (sim.root_angvel_w - reference.root_angvel_w).square().sum(-1)
        return position + 0.1 * rotation + 0.01 * linear + 0.001 * angular


@TERMS.register("com")
@dataclass(frozen=True, kw_only=True)
class CenterOfMass(TrackingTerm):
    """Squared velocity error of the centre of mass [(m/s)²], times 0.1."""

    label = "centre of mass"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        return 0.1 * (inputs.sim_com_vel_w - inputs.reference_com_vel_w).square().sum(-1)


@TERMS.register("foot_height")
@dataclass(frozen=True, kw_only=True)
class FootHeight(TrackingTerm):
    """Summed squared height errors [m²] of the lowest point of each foot."""

    label = "height of the feet"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        sim, reference = inputs.foot_height()
        return (sim - reference).square().sum(-1)


@TERMS.register("action_rate")
@dataclass(frozen=True, kw_only=True)
class ActionRate(TrackingTerm):
    """Mean squared change of the action since the previous step, over the degrees of freedom [policy units²].

    The action is the policy's output before it is scaled to servo targets.
    """

    label = "steadiness of the action"

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        return (inputs.action - inputs.previous_action()).square().mean(-1)
