"""controller.onnx: raw simulation state and clip time in, servo targets out, the observation built inside.

Inputs, all float32: ``qpos`` (1, nq), ``qvel`` (1, nv) as in mimic/export/qpos_layout.py; ``clip_time`` (1, 1) [s],
``origin`` (1, 3) [m] and ``yaw`` (1, 1) [rad], where the clip is and lies (the phase is clip_time / duration).
Outputs: ``pd_target`` (1, A) [rad], and for those who want to look inside ``action`` (1, A), ``obs`` (1, D).

Rotations are 3x3 matrices here: a quaternion's is a matrix product of its outer product, so a whole skeleton is a few
operators. Row vectors: ``v @ R`` turns v by the inverse of R.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from characters import Character
from mimic.export.onnx_graph import Graph
from mimic.export.onnx_policy import add_policy
from mimic.export.qpos_layout import joint_addresses, qpos_size
from mimic.tracking import TrackingEnv

_ROT6 = [0, 3, 6, 2, 5, 8]  # of a matrix row by row: its first and its last column


@dataclass
class _Bodies:
    """Values of all bodies: rotations (1, B, 3, 3), and (1, B, 3) each."""

    rot: str
    offset: str  # from the root
    linvel: str
    angvel: str
    com_offset: str


def controller_onnx(env: TrackingEnv, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The bytes of controller.onnx."""
    builder = _Builder(env)
    graph = builder.graph
    obs = builder.observation()
    action = add_policy(graph, obs, tensors)
    target = builder.target(action)
    graph.output(target, "pd_target", 1, env.act_dim)
    graph.output(action, "action", 1, env.act_dim)
    graph.output(obs, "obs", 1, env.obs_dim)
    return graph.serialize(metadata)


class _Builder:
    """The operators around the policy, for one task."""

    def __init__(self, env: TrackingEnv):
        self.env, self.character = env, env.character
        self.graph = graph = Graph("mimic controller")
        character = env.character
        self.qpos = graph.input("qpos", 1, qpos_size(character))
        self.qvel = graph.input("qvel", 1, character.dof)
        self.clip_time = graph.input("clip_time", 1, 1)
        self.origin = graph.input("origin", 1, 3)
        self.yaw = graph.input("yaw", 1, 1)
        reference = env.clock.reference
        self.tables = {
            name: graph.constant(reference.table(name).reshape(reference.num_rows, -1).numpy(), f"table.{name}")
            for name in ("root_pos", "root_quat", "pd_target")
        }
        self.root_pos = graph.gather(self.qpos, range_list(0, 3))
        self.turn = self._z_matrix(self.yaw)
        self.local = self._local_rotations()
        self.root_rot = graph.gather(self.local, [0])
        self.joint_rot = graph.gather(self.local, range_list(1, 1 + len(character.joints)))
        self.root_linvel = graph.gather(self.qvel, range_list(0, 3))
        angvel_b = graph.reshape(graph.gather(self.qvel, range_list(3, 6)), 1, 1, 3, 1)
        self.root_angvel = graph.reshape(graph.op("MatMul", self.root_rot, angvel_b), 1, 3)
        self.joint_vel = graph.gather(self.qvel, range_list(6, character.dof))
        heading = env.config.observation.frame == "heading"
        self.link_turn = self._heading_matrix() if heading else self.turn
        self._bodies: _Bodies | None = None

    @property
    def bodies(self) -> _Bodies:
        """Built only if a field asks for them."""
        if self._bodies is None:
            self._bodies = self._forward_kinematics()
        return self._bodies

    def observation(self) -> str:
        """(1, D)."""
        fields = self._fields()
        return self.graph.concat(*(fields[name]() for name in self.env.config.observation.fields))

    def target(self, action: str) -> str:
        """Servo targets (1, A)."""
        graph, settings = self.graph, self.env.action
        scaled = graph.op("Mul", action, graph.constant(settings.scale[None].numpy(), "action_scale"))
        if not settings.needs_reference:
            return graph.op("Add", scaled, graph.constant(settings.offset[None].numpy(), "action_offset"))
        row, fraction = self._row(self._ahead(settings.config.lead_s)[0])
        return graph.op("Add", scaled, self._look_up("pd_target", row, fraction))

    def _fields(self) -> dict[str, Callable[[], str]]:
        graph = self.graph

        def flat(value: str) -> str:
            return graph.reshape(value, 1, -1)

        def turned(value: str, frame: str) -> str:
            return flat(graph.op("MatMul", value, frame))

        def root_apart(root: str, links: str) -> str:
            rest = graph.gather(links, range_list(1, len(self.character.bodies)))
            return graph.concat(root, turned(rest, self.link_turn))

        def centre_velocity() -> str:
            return graph.op(
                "Add",
                self.bodies.linvel,
                self._cross(self.bodies.angvel, graph.op("Sub", self.bodies.com_offset, self.bodies.offset)),
            )

        def link_rot() -> str:
            links = graph.gather(self.bodies.rot, range_list(1, len(self.character.bodies)))
            seen = graph.op("MatMul", graph.op("Transpose", self.link_turn, perm=[1, 0]), links)
            return graph.concat(self._root_rot6(), self._rot6(seen))

        def link_linvel() -> str:
            velocity = centre_velocity()
            return root_apart(turned(graph.gather(velocity, [0]), self.turn), velocity)

        return {
            "phase": lambda: graph.op("Sub", graph.op("Mul", self._phase(), self._scalar(2.0)), self._scalar(1.0)),
            "phase_circle": self._phase_circle,
            "root_height": lambda: graph.gather(self.qpos, [2]),
            "root_rot": self._root_rot6,
            "root_linvel": lambda: turned(self.root_linvel, self.turn),
            "root_angvel": lambda: turned(self.root_angvel, self.turn),
            "joint_rot": lambda: self._rot6(self.joint_rot),
            "joint_vel": lambda: self.joint_vel,
            "body_pos": lambda: turned(
                graph.gather(self.bodies.offset, range_list(1, len(self.character.bodies))), self.link_turn
            ),
            "link_pos": lambda: turned(self.bodies.com_offset, self.link_turn),
            "link_rot": link_rot,
            "link_linvel": link_linvel,
            "link_angvel": lambda: root_apart(turned(self.root_angvel, self.turn), self.bodies.angvel),
            "target_root": self._target_roots,
            "target_pose": self._target_poses,
        }

    def _phase(self) -> str:
        return self.graph.op("Mul", self.clip_time, self._scalar(1.0 / self.env.clock.reference.duration))

    def _phase_circle(self) -> str:
        angle = self.graph.op("Mul", self._phase(), self._scalar(2.0 * math.pi))
        return self.graph.concat(self.graph.op("Sin", angle), self.graph.op("Cos", angle))

    def _root_rot6(self) -> str:
        back = self.graph.op("Transpose", self.turn, perm=[1, 0])
        return self._rot6(self.graph.op("MatMul", back, self.root_rot))

    def _target_roots(self) -> str:
        graph, parts = self.graph, []
        for steps in self.env.config.observation.target_steps:
            time, origin, turn = self._ahead(steps * self.env.control_dt)
            row, fraction = self._row(time)
            pos = graph.op("MatMul", self._look_up("root_pos", row, fraction), graph.op("Transpose", turn, perm=[1, 0]))
            away = graph.op("Sub", graph.op("Add", pos, origin), self.root_pos)
            parts.append(graph.op("MatMul", away, self.turn))
            quat = self._look_up("root_quat", row, fraction)
            unit = graph.op("Div", quat, graph.op("ReduceL2", quat, axes=[1], keepdims=1))
            rot = graph.op("MatMul", turn, self._matrices(graph.reshape(unit, 1, 1, 4), 1))
            back = graph.op("Transpose", self.turn, perm=[1, 0])
            parts.append(self._rot6(graph.op("MatMul", back, rot)))
        return graph.concat(*parts)

    def _target_poses(self) -> str:
        parts = []
        for steps in self.env.config.observation.target_steps:
            row, fraction = self._row(self._ahead(steps * self.env.control_dt)[0])
            parts.append(self._look_up("pd_target", row, fraction))
        return self.graph.concat(*parts)

    def _ahead(self, seconds: float) -> tuple[str, str, str]:
        """Clip time (1, 1), origin (1, 3) and turn (3, 3) after so many seconds: Clock.ahead."""
        graph, clock = self.graph, self.env.clock
        reference = clock.reference
        duration = self._scalar(reference.duration)
        time = graph.op("Add", self.clip_time, self._scalar(seconds))
        if not reference.loop:
            return graph.op("Min", time, duration), self.origin, self.turn
        origin, yaw, turn = self.origin, self.yaw, self.turn
        first = graph.constant(clock.first_pos.numpy())
        end = graph.constant((clock.first_pos + reference.cycle_displacement).numpy())
        for _ in range(math.ceil(seconds / reference.duration)):
            over = graph.op("Cast", graph.op("GreaterOrEqual", time, duration), to=1)
            time = graph.op("Sub", time, graph.op("Mul", over, duration))
            next_yaw = graph.op("Add", yaw, graph.op("Mul", over, self._scalar(float(clock.cycle_yaw[0]))))
            next_turn = self._z_matrix(next_yaw)
            step = graph.op("Sub", self._forth(end, turn), self._forth(first, next_turn))
            origin = graph.op("Add", origin, graph.op("Mul", over, step))
            yaw, turn = next_yaw, next_turn
        return time, origin, turn

    def _forth(self, vector: str, turn: str) -> str:
        return self.graph.op("MatMul", vector, self.graph.op("Transpose", turn, perm=[1, 0]))

    def _row(self, time: str) -> tuple[str, str]:
        """Table row (1,) whole and the share (1, 1) of the way to the next."""
        graph, reference = self.graph, self.env.clock.reference
        x = graph.op("Mul", time, self._scalar(reference.rate))
        last = self._scalar(float(reference.num_rows - 2))
        row = graph.op("Max", graph.op("Min", graph.op("Floor", x), last), self._scalar(0.0))
        whole = graph.op("Cast", graph.reshape(row, 1), to=7)
        return whole, graph.op("Sub", x, row)

    def _look_up(self, name: str, row: str, fraction: str) -> str:
        graph = self.graph
        here = graph.op("Gather", self.tables[name], row, axis=0)
        after = graph.op("Gather", self.tables[name], graph.op("Add", row, graph.indices([1])), axis=0)
        return graph.op("Add", here, graph.op("Mul", fraction, graph.op("Sub", after, here)))

    def _local_rotations(self) -> str:
        """Matrices (1, 1 + J, 3, 3) of the root and of every joint."""
        graph, character = self.graph, self.character
        addresses = joint_addresses(character)
        balls = [(j, a.qpos) for j, a in enumerate(addresses) if character.joints[j].kind == "ball"]
        hinges = [(j, a.qpos) for j, a in enumerate(addresses) if character.joints[j].kind == "hinge"]
        columns = range_list(3, 7) + [at + k for _, at in balls for k in range(4)]
        quats = [graph.reshape(graph.gather(self.qpos, columns), 1, 1 + len(balls), 4)]
        if hinges:
            angle = graph.reshape(graph.gather(self.qpos, [at for _, at in hinges]), 1, len(hinges), 1)
            half = graph.op("Mul", angle, self._scalar(0.5))
            axes = graph.constant([[character.joints[j].axis for j, _ in hinges]])
            quats.append(graph.concat(graph.op("Cos", half), graph.op("Mul", graph.op("Sin", half), axes), axis=2))
        found = [0, *(1 + j for j, _ in balls), *(1 + j for j, _ in hinges)]
        order = [found.index(i) for i in range(1 + len(character.joints))]
        return self._matrices(graph.gather(graph.concat(*quats), order), len(order))

    def _matrices(self, quats: str, count: int) -> str:
        """(1, count, 4) wxyz to (1, count, 3, 3)."""
        graph = self.graph
        outer = graph.op("MatMul", graph.reshape(quats, 1, count, 4, 1), graph.reshape(quats, 1, count, 1, 4))
        product = graph.op("MatMul", graph.reshape(outer, 1, count, 16), graph.constant(_quadratic()))
        return graph.reshape(graph.op("Add", product, graph.constant(np.eye(3).reshape(9))), 1, count, 3, 3)

    def _rot6(self, matrices: str) -> str:
        graph = self.graph
        rows = graph.reshape(matrices, -1, 9)
        return graph.reshape(graph.gather(rows, _ROT6), 1, -1)

    def _z_matrix(self, yaw: str) -> str:
        return self._turn_matrix(self.graph.op("Cos", yaw), self.graph.op("Sin", yaw))

    def _heading_matrix(self) -> str:
        graph = self.graph
        rows = graph.reshape(self.root_rot, 1, 9)
        x_axis = graph.gather(rows, [0, 3])
        length = graph.op("Max", graph.op("ReduceL2", x_axis, axes=[1], keepdims=1), self._scalar(1e-12))
        unit = graph.op("Div", x_axis, length)
        return self._turn_matrix(graph.gather(unit, [0]), graph.gather(unit, [1]))

    def _turn_matrix(self, cos: str, sin: str) -> str:
        """(3, 3) about z, of cosine and sine (1, 1)."""
        graph = self.graph
        parts = [
            graph.op("Mul", cos, graph.constant([[1, 0, 0], [0, 1, 0], [0, 0, 0]])),
            graph.op("Mul", sin, graph.constant([[0, -1, 0], [1, 0, 0], [0, 0, 0]])),
            graph.constant([[0, 0, 0], [0, 0, 0], [0, 0, 1]]),
        ]
        return graph.op("Add", graph.op("Add", parts[0], parts[1]), parts[2])

    def _cross(self, a: str, b: str) -> str:
        """(1, B, 3) x (1, B, 3)."""
        graph, count = self.graph, len(self.character.bodies)
        outer = graph.op("MatMul", graph.reshape(a, 1, count, 3, 1), graph.reshape(b, 1, count, 1, 3))
        return graph.op("MatMul", graph.reshape(outer, 1, count, 9), graph.constant(_levi_civita()))

    def _forward_kinematics(self) -> _Bodies:
        graph, character = self.graph, self.character
        bodies, count = character.bodies, len(character.bodies)
        rot = [self.root_rot]
        for body in bodies[1:]:
            parent = rot[body.parent]
            own = (
                parent if body.joint is None else graph.op("MatMul", parent, graph.gather(self.local, [1 + body.joint]))
            )
            rot.append(own)
        rotations = graph.concat(*rot)
        parents = [max(body.parent, 0) for body in bodies]
        below = graph.constant(_ancestors(character))
        arm = self._turn_each(graph.gather(rotations, parents), [body.offset for body in bodies])
        offset = graph.op("MatMul", below, arm)
        local = graph.reshape(
            graph.op("MatMul", self.joint_vel, graph.constant(_joint_axes(character))), 1, count, 3, 1
        )
        spin = graph.reshape(graph.op("MatMul", rotations, local), 1, count, 3)
        angvel = graph.op("Add", graph.op("MatMul", below, spin), graph.reshape(self.root_angvel, 1, 1, 3))
        sweep = self._cross(graph.gather(angvel, parents), arm)
        linvel = graph.op("Add", graph.op("MatMul", below, sweep), graph.reshape(self.root_linvel, 1, 1, 3))
        com_offset = graph.op("Add", offset, self._turn_each(rotations, [body.com for body in bodies]))
        return _Bodies(rotations, offset, linvel, angvel, com_offset)

    def _turn_each(self, rotations: str, vectors: list[tuple[float, ...]]) -> str:
        """Vectors (B, 3) turned by matrices (1, B, 3, 3)."""
        graph, count = self.graph, len(vectors)
        column = graph.constant(np.array(vectors).reshape(1, count, 3, 1))
        return graph.reshape(graph.op("MatMul", rotations, column), 1, count, 3)

    def _scalar(self, value: float) -> str:
        return self.graph.constant([[value]])


def range_list(start: int, stop: int) -> list[int]:
    """start, ..., stop - 1."""
    return list(range(start, stop))


def _quadratic() -> np.ndarray:
    """(16, 9): products q_i q_j of wxyz to a rotation matrix less the identity, row by row."""
    w, x, y, z = range(4)
    terms = [
        [(y, y, -2), (z, z, -2)],
        [(x, y, 2), (w, z, -2)],
        [(x, z, 2), (w, y, 2)],
        [(x, y, 2), (w, z, 2)],
        [(x, x, -2), (z, z, -2)],
        [(y, z, 2), (w, x, -2)],
        [(x, z, 2), (w, y, -2)],
        [(y, z, 2), (w, x, 2)],
        [(x, x, -2), (y, y, -2)],
    ]
    matrix = np.zeros((16, 9))
    for entry, products in enumerate(terms):
        for i, j, factor in products:
            matrix[4 * i + j, entry] = factor
    return matrix


def _levi_civita() -> np.ndarray:
    """(9, 3): products a_i b_j to the cross product."""
    matrix = np.zeros((9, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        matrix[3 * i + j, k], matrix[3 * j + i, k] = 1.0, -1.0
    return matrix


def _ancestors(character: Character) -> np.ndarray:
    """(B, B): 1 where the column's body is the row's or an ancestor of it, and not the root."""
    below = np.zeros((len(character.bodies),) * 2)
    for b, body in enumerate(character.bodies[1:], start=1):
        below[b] = below[body.parent]
        below[b, b] = 1.0
    return below


def _joint_axes(character: Character) -> np.ndarray:
    """(A, 3 B): joint velocities to every body's angular velocity against its parent, in its own axes."""
    axes = np.zeros((character.num_actuated, len(character.bodies), 3))
    for b, body in enumerate(character.bodies):
        if body.joint is not None:
            joint = character.joints[body.joint]
            axes[joint.dof, b] = np.eye(3) if joint.kind == "ball" else np.array([joint.axis])
    return axes.reshape(character.num_actuated, -1)
