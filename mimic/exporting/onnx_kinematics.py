"""Forward kinematics as ONNX operators: from the raw simulation state to poses and velocities of all bodies."""

from dataclasses import dataclass

import numpy as np

from characters import Character
from mimic.exporting.onnx_rotations import RotationGraph
from mimic.exporting.qpos_layout import joint_addresses


@dataclass(frozen=True)
class StateValues:
    """Names of the values of the simulation state; values of the root are in the world.

    Attributes:
        root_pos: (1, 3) [m].
        local_rot: (1, 1 + J, 3, 3) rotations of the root and of every joint, child in parent.
        root_rot, joint_rot: (1, 1, 3, 3) and (1, J, 3, 3), the two parts of ``local_rot``.
        root_linvel, root_angvel: (1, 3) [m/s], [rad/s].
        joint_vel: (1, A) [rad/s], in the child's axes.
    """

    root_pos: str
    local_rot: str
    root_rot: str
    joint_rot: str
    root_linvel: str
    root_angvel: str
    joint_vel: str


@dataclass(frozen=True)
class BodyValues:
    """Names of the values of all bodies, in the world: ``rot`` is (1, B, 3, 3), all others are (1, B, 3).

    ``offset`` is a body's origin and ``com_offset`` its centre of mass, both from the root [m].
    """

    rot: str
    offset: str
    linvel: str
    angvel: str
    com_offset: str


def local_rotations(graph: RotationGraph, character: Character, qpos: str) -> str:
    """Add the operators for rotation matrices (1, 1 + J, 3, 3) of the root and of every joint; return their name."""
    addresses = joint_addresses(character)
    balls = [(j, a.qpos) for j, a in enumerate(addresses) if character.joints[j].kind == "ball"]
    hinges = [(j, a.qpos) for j, a in enumerate(addresses) if character.joints[j].kind == "hinge"]
    columns = list(range(3, 7)) + [at + k for _, at in balls for k in range(4)]
    quats = [graph.reshape(graph.gather(qpos, columns), 1, 1 + len(balls), 4)]
    if hinges:
        angle = graph.reshape(graph.gather(qpos, [at for _, at in hinges]), 1, len(hinges), 1)
        half = graph.op("Mul", angle, graph.scalar(0.5))
        axes = graph.constant([[character.joints[j].axis for j, _ in hinges]])
        quats.append(graph.concat(graph.op("Cos", half), graph.op("Mul", graph.op("Sin", half), axes), axis=2))
    found = [0, *(1 + j for j, _ in balls), *(1 + j for j, _ in hinges)]
    order = [found.index(i) for i in range(1 + len(character.joints))]
    return graph.matrices(graph.gather(graph.concat(*quats), order), len(order))


def forward_kinematics(graph: RotationGraph, character: Character, state: StateValues) -> BodyValues:
    """Add the operators for poses and velocities of all bodies; products with ``_ancestors`` sum over ancestors."""
    bodies, count = character.bodies, len(character.bodies)
    rotations = _body_rotations(graph, character, state)
    parents = [max(body.parent, 0) for body in bodies]
    below = graph.constant(_ancestors(character))
    arm = graph.rotate_each(graph.gather(rotations, parents), [body.offset for body in bodies])
    offset = graph.op("MatMul", below, arm)
    axes = graph.constant(_joint_axes(character))
    local = graph.reshape(graph.op("MatMul", state.joint_vel, axes), 1, count, 3, 1)
    spin = graph.reshape(graph.op("MatMul", rotations, local), 1, count, 3)
    angvel = graph.op("Add", graph.op("MatMul", below, spin), graph.reshape(state.root_angvel, 1, 1, 3))
    sweep = graph.cross(graph.gather(angvel, parents), arm, count)
    linvel = graph.op("Add", graph.op("MatMul", below, sweep), graph.reshape(state.root_linvel, 1, 1, 3))
    com_offset = graph.op("Add", offset, graph.rotate_each(rotations, [body.com for body in bodies]))
    return BodyValues(rotations, offset, linvel, angvel, com_offset)


def _body_rotations(graph: RotationGraph, character: Character, state: StateValues) -> str:
    """Add the operators for the bodies' world rotations (1, B, 3, 3); return their name."""
    rot = [state.root_rot]
    for body in character.bodies[1:]:
        parent = rot[body.parent]
        if body.joint is not None:
            parent = graph.op("MatMul", parent, graph.gather(state.local_rot, [1 + body.joint]))
        rot.append(parent)
    return graph.concat(*rot)


def _ancestors(character: Character) -> np.ndarray:
    """Return (B, B): 1 where the column's body is the row's body or its ancestor, without the root; 0 elsewhere."""
    below = np.zeros((len(character.bodies),) * 2)
    for b, body in enumerate(character.bodies[1:], start=1):
        below[b] = below[body.parent]
        below[b, b] = 1.0
    return below


def _joint_axes(character: Character) -> np.ndarray:
    """Return (A, 3 B): it maps joint velocities to each body's angular velocity in its parent, in the body's axes."""
    axes = np.zeros((character.num_actuated, len(character.bodies), 3))
    for b, body in enumerate(character.bodies):
        if body.joint is not None:
            joint = character.joints[body.joint]
            axes[joint.dof, b] = np.eye(3) if joint.kind == "ball" else np.array([joint.axis])
    return axes.reshape(character.num_actuated, -1)
