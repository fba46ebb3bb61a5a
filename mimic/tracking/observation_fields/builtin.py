"""The observation fields that are part of mimic.

Positions and velocities are relative to the root and expressed in a frame that is turned about z. Turning the world and
the reference together about z therefore changes no value. "6D" is the rotation as ``quat_to_rot6d`` describes it.

N environments; J joints and B bodies of the character; A actuated degrees of freedom, three for a ball joint.
"""

import torch
from torch import Tensor

from mimic.core.rotations import cross, quat_to_rot6d
from mimic.tracking.observation import ObservationInputs, field


@field("phase", size=lambda c, targets: 1, normalized=False)
def phase(inputs: ObservationInputs) -> Tensor:
    """Return the phase of the clip mapped to [-1, 1), (N, 1) (DeepMimic)."""
    return (2.0 * inputs.phase - 1.0)[:, None]


@field("phase_circle", size=lambda c, targets: 2, normalized=False)
def phase_circle(inputs: ObservationInputs) -> Tensor:
    """Return sine and cosine of the phase, (N, 2), which do not jump where the cycle closes."""
    angle = 2.0 * torch.pi * inputs.phase
    return torch.stack((angle.sin(), angle.cos()), -1)


@field("root_height", size=lambda c, targets: 1)
def root_height(inputs: ObservationInputs) -> Tensor:
    """Return the height of the root above the ground, (N, 1) [m]."""
    return inputs.sim.root_pos_w[:, 2:]


@field("root_rot", size=lambda c, targets: 6)
def root_rot(inputs: ObservationInputs) -> Tensor:
    """Return the root's orientation in the reference's frame, (N, 6), 6D."""
    return quat_to_rot6d(inputs.reference_frame.inverse_mul(inputs.sim.root_quat_w))


@field("root_linvel", size=lambda c, targets: 3)
def root_linvel(inputs: ObservationInputs) -> Tensor:
    """Return the root's velocity in the reference's frame, (N, 3) [m/s]."""
    return inputs.reference_frame.rotate_inverse(inputs.sim.root_linvel_w)


@field("root_angvel", size=lambda c, targets: 3)
def root_angvel(inputs: ObservationInputs) -> Tensor:
    """Return the root's angular velocity in the reference's frame, (N, 3) [rad/s]."""
    return inputs.reference_frame.rotate_inverse(inputs.sim.root_angvel_w)


@field("joint_rot", size=lambda c, targets: 6 * len(c.joints))
def joint_rot(inputs: ObservationInputs) -> Tensor:
    """Return the orientation of each joint's child body in its parent body, (N, J, 6), 6D."""
    return quat_to_rot6d(inputs.sim.joint_quat)


@field("joint_vel", size=lambda c, targets: c.num_actuated)
def joint_vel(inputs: ObservationInputs) -> Tensor:
    """Return the joint velocities, (N, A) [rad/s]."""
    return inputs.sim.joint_vel


@field("body_pos", size=lambda c, targets: 3 * (len(c.bodies) - 1))
def body_pos(inputs: ObservationInputs) -> Tensor:
    """Return the position of each body's joint relative to the root, (N, B - 1, 3) [m]; the root is left out."""
    return inputs.frame.rotate_inverse(inputs.bodies.pos_w[:, 1:] - inputs.bodies.pos_w[:, :1])


@field("link_pos", size=lambda c, targets: 3 * len(c.bodies))
def link_pos(inputs: ObservationInputs) -> Tensor:
    """Return the centres of mass of all links relative to the root joint, (N, B, 3) [m] (DeepMimic)."""
    return inputs.frame.rotate_inverse(inputs.com_pos_w() - inputs.bodies.pos_w[:, :1])


@field("link_rot", size=lambda c, targets: 6 * len(c.bodies))
def link_rot(inputs: ObservationInputs) -> Tensor:
    """Return the orientations of all links, (N, B, 6), 6D.

    The root's own orientation is in the reference's frame; this corresponds to DeepMimic's world root rotation.
    """
    rot = inputs.frame.inverse_mul(inputs.bodies.quat_w)
    rot[:, 0] = inputs.reference_frame.inverse_mul(inputs.sim.root_quat_w)
    return quat_to_rot6d(rot)


@field("link_linvel", size=lambda c, targets: 3 * len(c.bodies))
def link_linvel(inputs: ObservationInputs) -> Tensor:
    """Return the velocities of the links' centres of mass, (N, B, 3) [m/s]; the root's is in the reference's frame."""
    arm = inputs.com_pos_w() - inputs.bodies.pos_w
    velocity_w = inputs.bodies.linvel_w + cross(inputs.bodies.angvel_w, arm)
    velocity = inputs.frame.rotate_inverse(velocity_w)
    velocity[:, 0] = inputs.reference_frame.rotate_inverse(velocity_w[:, 0])
    return velocity


@field("link_angvel", size=lambda c, targets: 3 * len(c.bodies))
def link_angvel(inputs: ObservationInputs) -> Tensor:
    """Return the angular velocities of the links, (N, B, 3) [rad/s]; the root's is in the reference's frame."""
    velocity = inputs.frame.rotate_inverse(inputs.bodies.angvel_w)
    velocity[:, 0] = root_angvel(inputs)
    return velocity


@field("target_root", size=lambda c, targets: 9 * targets)
def target_root(inputs: ObservationInputs) -> Tensor:
    """Return the future reference roots, (N, 9 * targets).

    Each target has the offset from the simulated root (3 numbers) [m] and the orientation (6 numbers, 6D).
    """
    parts = []
    for target in inputs.targets:
        offset = inputs.reference_frame.rotate_inverse(target.root_pos_w - inputs.sim.root_pos_w)
        parts += [offset, quat_to_rot6d(inputs.reference_frame.inverse_mul(target.root_quat_w))]
    return torch.cat(parts, -1)


@field("target_pose", size=lambda c, targets: c.num_actuated * targets)
def target_pose(inputs: ObservationInputs) -> Tensor:
    """Return the future reference joint poses as servo targets, (N, A * targets) [rad]."""
    return torch.cat([target.pd_target for target in inputs.targets], -1)
