"""The observation as ONNX operators: one function a field, in the table ``ONNX_FIELDS``.

Each function repeats the observation field of the same name in mimic/tracking; the tests compare their numbers.
"""

import math
from collections.abc import Callable

from mimic.exporting.onnx_kinematics import BodyValues, StateValues, forward_kinematics, local_rotations
from mimic.exporting.onnx_reference import ReferenceValues
from mimic.exporting.onnx_rotations import RotationGraph
from mimic.exporting.qpos_layout import qpos_size
from mimic.tracking import TrackingEnv


class ObservationValues:
    """Inputs of the fields: the graph, the simulation state, the bodies, and the reference.

    Attributes:
        turn: (3, 3) rotation of the reference's frame, in which the root's values are expressed.
        link_turn: (3, 3) rotation of the frame in which the other bodies' values are expressed.
    """

    def __init__(self, graph: RotationGraph, env: TrackingEnv):
        self.graph, self.env, self.character = graph, env, env.character
        self.qpos = graph.input("qpos", 1, qpos_size(env.character))
        self.qvel = graph.input("qvel", 1, env.character.dof)
        self.reference = ReferenceValues(graph, env)
        root_pos = graph.gather(self.qpos, _span(0, 3))
        self.turn = self.reference.turn = graph.yaw_matrix(self.reference.yaw)
        self.state = self._state(root_pos)
        heading = env.config.observation.frame == "heading"
        self.link_turn = graph.heading_matrix(self.state.root_rot) if heading else self.turn
        self._bodies: BodyValues | None = None

    @property
    def bodies(self) -> BodyValues:
        """The values of all bodies; their operators are added at the first use."""
        if self._bodies is None:
            self._bodies = forward_kinematics(self.graph, self.character, self.state)
        return self._bodies

    def observation(self) -> str:
        """Add the operators of the configured fields; return the name of the observation (1, D)."""
        return self.graph.concat(*(ONNX_FIELDS[name](self) for name in self.env.config.observation.fields))

    def without_root(self, bodies: str) -> str:
        """Select from values (1, B, ...) those of all bodies but the root."""
        return self.graph.gather(bodies, _span(1, len(self.character.bodies)))

    def _state(self, root_pos: str) -> StateValues:
        graph, character = self.graph, self.character
        local = local_rotations(graph, character, self.qpos)
        root_rot = graph.gather(local, [0])
        joint_rot = graph.gather(local, _span(1, 1 + len(character.joints)))
        root_linvel = graph.gather(self.qvel, _span(0, 3))
        angvel_b = graph.reshape(graph.gather(self.qvel, _span(3, 6)), 1, 1, 3, 1)
        root_angvel = graph.reshape(graph.op("MatMul", root_rot, angvel_b), 1, 3)
        joint_vel = graph.gather(self.qvel, _span(6, character.dof))
        return StateValues(root_pos, local, root_rot, joint_rot, root_linvel, root_angvel, joint_vel)


def _span(start: int, stop: int) -> list[int]:
    return list(range(start, stop))


def _in_frame(o: ObservationValues, vectors: str, turn: str) -> str:
    """Rotate N world vectors (..., 3) into the frame whose rotation is ``turn``; return them flat, (1, 3 N)."""
    return o.graph.reshape(o.graph.op("MatMul", vectors, turn), 1, -1)


def _phase(o: ObservationValues) -> str:
    doubled = o.graph.op("Mul", o.reference.phase(), o.graph.scalar(2.0))
    return o.graph.op("Sub", doubled, o.graph.scalar(1.0))


def _phase_circle(o: ObservationValues) -> str:
    angle = o.graph.op("Mul", o.reference.phase(), o.graph.scalar(2.0 * math.pi))
    return o.graph.concat(o.graph.op("Sin", angle), o.graph.op("Cos", angle))


def _root_height(o: ObservationValues) -> str:
    return o.graph.gather(o.qpos, [2])


def _root_rot(o: ObservationValues) -> str:
    return o.graph.rot6(o.graph.op("MatMul", o.graph.transpose(o.turn), o.state.root_rot))


def _root_linvel(o: ObservationValues) -> str:
    return _in_frame(o, o.state.root_linvel, o.turn)


def _root_angvel(o: ObservationValues) -> str:
    return _in_frame(o, o.state.root_angvel, o.turn)


def _joint_rot(o: ObservationValues) -> str:
    return o.graph.rot6(o.state.joint_rot)


def _joint_vel(o: ObservationValues) -> str:
    return o.state.joint_vel


def _body_pos(o: ObservationValues) -> str:
    return _in_frame(o, o.without_root(o.bodies.offset), o.link_turn)


def _link_pos(o: ObservationValues) -> str:
    return _in_frame(o, o.bodies.com_offset, o.link_turn)


def _link_rot(o: ObservationValues) -> str:
    links = o.without_root(o.bodies.rot)
    seen = o.graph.op("MatMul", o.graph.transpose(o.link_turn), links)
    return o.graph.concat(_root_rot(o), o.graph.rot6(seen))


def _link_linvel(o: ObservationValues) -> str:
    arm = o.graph.op("Sub", o.bodies.com_offset, o.bodies.offset)
    sweep = o.graph.cross(o.bodies.angvel, arm, len(o.character.bodies))
    velocity = o.graph.op("Add", o.bodies.linvel, sweep)
    root = _in_frame(o, o.graph.gather(velocity, [0]), o.turn)
    links = o.without_root(velocity)
    return o.graph.concat(root, _in_frame(o, links, o.link_turn))


def _link_angvel(o: ObservationValues) -> str:
    root = _root_angvel(o)
    links = o.without_root(o.bodies.angvel)
    return o.graph.concat(root, _in_frame(o, links, o.link_turn))


def _target_root(o: ObservationValues) -> str:
    graph, reference, parts = o.graph, o.reference, []
    for steps in o.env.config.observation.target_steps:
        clock = reference.ahead(steps * o.env.control_dt)
        at = reference.row(clock.time)
        pos = graph.rotate(reference.look_up("root_pos", at), clock.turn)
        away = graph.op("Sub", graph.op("Add", pos, clock.origin), o.state.root_pos)
        parts.append(graph.op("MatMul", away, o.turn))
        quat = reference.look_up("root_quat", at)
        unit = graph.op("Div", quat, graph.op("ReduceL2", quat, axes=[1], keepdims=1))
        rot = graph.op("MatMul", clock.turn, graph.matrices(graph.reshape(unit, 1, 1, 4), 1))
        parts.append(graph.rot6(graph.op("MatMul", graph.transpose(o.turn), rot)))
    return graph.concat(*parts)


def _target_pose(o: ObservationValues) -> str:
    reference, parts = o.reference, []
    for steps in o.env.config.observation.target_steps:
        at = reference.row(reference.ahead(steps * o.env.control_dt).time)
        parts.append(reference.look_up("pd_target", at))
    return o.graph.concat(*parts)


ONNX_FIELDS: dict[str, Callable[[ObservationValues], str]] = {
    "phase": _phase,
    "phase_circle": _phase_circle,
    "root_height": _root_height,
    "root_rot": _root_rot,
    "root_linvel": _root_linvel,
    "root_angvel": _root_angvel,
    "joint_rot": _joint_rot,
    "joint_vel": _joint_vel,
    "body_pos": _body_pos,
    "link_pos": _link_pos,
    "link_rot": _link_rot,
    "link_linvel": _link_linvel,
    "link_angvel": _link_angvel,
    "target_root": _target_root,
    "target_pose": _target_pose,
}
