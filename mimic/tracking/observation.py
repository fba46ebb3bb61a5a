"""Observation: named fields that tile a vector, each a pure function of what can be seen.

Root-relative positions and velocities are turned into one yaw frame, so that turning world and reference together
about z changes nothing. A new field is one function and one line in ``FIELDS``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState, Kinematics
from mimic.core.errors import ConfigError, nearest
from mimic.core.rotations import Yaw, cross, heading_angle, quat_to_rot6d
from mimic.tracking.config import ObservationConfig


@dataclass
class Target:
    """A future reference pose: root (N, 3), (N, 4) in the world, joints (N, A) as servo targets [rad]."""

    root_pos_w: Tensor
    root_quat_w: Tensor
    pd_target: Tensor


@dataclass
class Seen:
    """Everything a field may look at. ``frame``: of the links; ``reference_frame``: of the root."""

    sim: CharacterState
    bodies: BodyState
    com_pos_w: Callable[[], Tensor]
    phase: Tensor  # (N,) in [0, 1)
    targets: list[Target]
    frame: Yaw
    reference_frame: Yaw


class Observation:
    """The configured fields of one character, one after another.

    Attributes:
        layout: field name -> slice of the observation vector.
        dim: length of the vector.
        unnormalized: (dim,) bool, entries a running normaliser leaves alone (the phase).

    Raises:
        ConfigError: no field, an unknown one, or one twice.
    """

    def __init__(self, config: ObservationConfig, character: Character, device: torch.device | str = "cpu"):
        for name in config.fields:
            if name not in FIELDS:
                raise ConfigError(f"observation: unknown field '{name}'; {nearest(name, FIELDS)}")
        if not config.fields or len(set(config.fields)) < len(config.fields):
            raise ConfigError("observation: fields must be at least one, and each named once")
        self.config = config
        self.layout: dict[str, slice] = {}
        start = 0
        example = _example(character, len(config.target_steps))
        for name in config.fields:
            length = FIELDS[name](example).numel()
            self.layout[name] = slice(start, start + length)
            start += length
        self.dim = start
        self.unnormalized = torch.zeros(self.dim, dtype=torch.bool, device=device)
        for name in ("phase", "phase_circle"):
            if name in self.layout:
                self.unnormalized[self.layout[name]] = True

    def frame(self, sim: CharacterState, reference_frame: Yaw) -> Yaw:
        """The yaw frame of the links."""
        return Yaw(heading_angle(sim.root_quat_w)) if self.config.frame == "heading" else reference_frame

    def observe(self, seen: Seen) -> Tensor:
        """The observation, (N, dim) float32."""
        out = seen.phase.new_empty(len(seen.sim), self.dim, dtype=torch.float32)
        for name, columns in self.layout.items():
            out[:, columns] = FIELDS[name](seen).flatten(1)
        return out


def phase(s: Seen) -> Tensor:
    """Phase mapped to [-1, 1) (DeepMimic)."""
    return (2.0 * s.phase - 1.0)[:, None]


def phase_circle(s: Seen) -> Tensor:
    """Sine and cosine of the phase: no jump where the cycle closes."""
    angle = 2.0 * torch.pi * s.phase
    return torch.stack((angle.sin(), angle.cos()), -1)


def root_height(s: Seen) -> Tensor:
    """Height of the root above the ground [m]."""
    return s.sim.root_pos_w[:, 2:]


def root_rot(s: Seen) -> Tensor:
    """Root orientation in the reference's frame, 6D."""
    return quat_to_rot6d(s.reference_frame.inverse_mul(s.sim.root_quat_w))


def root_linvel(s: Seen) -> Tensor:
    """Root velocity in the reference's frame [m/s]."""
    return s.reference_frame.rotate_inverse(s.sim.root_linvel_w)


def root_angvel(s: Seen) -> Tensor:
    """Root angular velocity in the reference's frame [rad/s]."""
    return s.reference_frame.rotate_inverse(s.sim.root_angvel_w)


def joint_rot(s: Seen) -> Tensor:
    """Joint rotations, child in parent, 6D each."""
    return quat_to_rot6d(s.sim.joint_quat)


def joint_vel(s: Seen) -> Tensor:
    """Joint velocities [rad/s]."""
    return s.sim.joint_vel


def body_pos(s: Seen) -> Tensor:
    """Joint positions from the root [m], root left out."""
    return s.frame.rotate_inverse(s.bodies.pos_w[:, 1:] - s.bodies.pos_w[:, :1])


def link_pos(s: Seen) -> Tensor:
    """Centres of mass of all links from the root joint [m] (DeepMimic)."""
    return s.frame.rotate_inverse(s.com_pos_w() - s.bodies.pos_w[:, :1])


def link_rot(s: Seen) -> Tensor:
    """Link orientations, 6D; the root's own in the reference's frame (DeepMimic's world root rotation)."""
    rot = s.frame.inverse_mul(s.bodies.quat_w)
    rot[:, 0] = s.reference_frame.inverse_mul(s.sim.root_quat_w)
    return quat_to_rot6d(rot)


def link_linvel(s: Seen) -> Tensor:
    """Velocities of the links' centres of mass [m/s]; the root's own in the reference's frame."""
    arm = s.com_pos_w() - s.bodies.pos_w
    velocity_w = s.bodies.linvel_w + cross(s.bodies.angvel_w, arm)
    velocity = s.frame.rotate_inverse(velocity_w)
    velocity[:, 0] = s.reference_frame.rotate_inverse(velocity_w[:, 0])
    return velocity


def link_angvel(s: Seen) -> Tensor:
    """Link angular velocities [rad/s]; the root's own in the reference's frame."""
    velocity = s.frame.rotate_inverse(s.bodies.angvel_w)
    velocity[:, 0] = root_angvel(s)
    return velocity


def target_root(s: Seen) -> Tensor:
    """Future reference roots: offset from the simulated root [m] and orientation, 9 a target."""
    parts = []
    for target in s.targets:
        offset = s.reference_frame.rotate_inverse(target.root_pos_w - s.sim.root_pos_w)
        parts += [offset, quat_to_rot6d(s.reference_frame.inverse_mul(target.root_quat_w))]
    return torch.cat(parts, -1)


def target_pose(s: Seen) -> Tensor:
    """Future reference joint poses as servo targets [rad], A a target."""
    return torch.cat([target.pd_target for target in s.targets], -1)


FIELDS: dict[str, Callable[[Seen], Tensor]] = {
    function.__name__: function
    for function in (
        phase,
        phase_circle,
        root_height,
        root_rot,
        root_linvel,
        root_angvel,
        joint_rot,
        joint_vel,
        body_pos,
        link_pos,
        link_rot,
        link_linvel,
        link_angvel,
        target_root,
        target_pose,
    )
}


def _example(character: Character, num_targets: int) -> Seen:
    """One character at zero pose, to learn the fields' widths from."""
    identity = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    zeros = torch.zeros(1, 3)
    dofs, joints = character.num_actuated, len(character.joints)
    rest = CharacterState(zeros, identity, zeros, zeros, identity.expand(1, joints, 4), torch.zeros(1, dofs))
    kinematics = Kinematics(character)
    bodies = kinematics.forward(rest)
    target = Target(zeros, identity, torch.zeros(1, dofs))
    com_pos = kinematics.com_positions(bodies)
    frame = Yaw(torch.zeros(1))
    return Seen(rest, bodies, lambda: com_pos, torch.zeros(1), [target] * num_targets, frame, frame)
