"""The clip's table and clock as ONNX operators, which look up the reference at the present time or ahead of it."""

import math
from dataclasses import dataclass

from mimic.exporting.onnx_rotations import RotationGraph
from mimic.tracking import TrackingEnv

_TABLES = ("root_pos", "root_quat", "pd_target")


@dataclass(frozen=True)
class ClockValues:
    """Names of the clock's values: clip time (1, 1) [s], and the clip's origin (1, 3) [m] and rotation (3, 3)."""

    time: str
    origin: str
    turn: str


@dataclass(frozen=True)
class TableRow:
    """Names of the values that locate a time in the table: the row before it, and its place after that row.

    ``row`` is (1,) int64; ``fraction`` (1, 1) is the share of the way from that row to the next.
    """

    row: str
    fraction: str


class ReferenceValues:
    """Looks up the clip in ``graph``, whose inputs are ``clip_time``, ``origin`` and ``yaw``."""

    def __init__(self, graph: RotationGraph, env: TrackingEnv):
        self.graph, self._clock = graph, env.tracker
        self.clip_time = graph.input("clip_time", 1, 1)
        self.origin = graph.input("origin", 1, 3)
        self.yaw = graph.input("yaw", 1, 1)
        table = env.tracker.reference
        self._tables = {
            name: graph.constant(table.table(name).reshape(table.num_rows, -1).numpy(), f"table.{name}")
            for name in _TABLES
        }
        self.turn = ""

    def phase(self) -> str:
        """Add the operators of the clip's phase (1, 1) in [0, 1); return its name."""
        return self.graph.op("Mul", self.clip_time, self.graph.scalar(1.0 / self._clock.reference.duration))

    def ahead(self, seconds: float) -> ClockValues:
        """Add the operators of ``ReferenceTracker.ahead``; return the names of the clock's values after ``seconds``."""
        graph, clock = self.graph, self._clock
        reference = clock.reference
        duration = graph.scalar(reference.duration)
        time = graph.op("Add", self.clip_time, graph.scalar(seconds))
        if not reference.loop:
            return ClockValues(graph.op("Min", time, duration), self.origin, self.turn)
        origin, yaw, turn = self.origin, self.yaw, self.turn
        first = graph.constant(clock.first_pos.numpy())
        end = graph.constant((clock.first_pos + reference.cycle_displacement).numpy())
        for _ in range(math.ceil(seconds / reference.duration)):
            over = graph.op("Cast", graph.op("GreaterOrEqual", time, duration), to=1)
            time = graph.op("Sub", time, graph.op("Mul", over, duration))
            next_yaw = graph.op("Add", yaw, graph.op("Mul", over, graph.scalar(float(clock.cycle_yaw[0]))))
            next_turn = graph.yaw_matrix(next_yaw)
            step = graph.op("Sub", graph.rotate(end, turn), graph.rotate(first, next_turn))
            origin = graph.op("Add", origin, graph.op("Mul", over, step))
            yaw, turn = next_yaw, next_turn
        return ClockValues(time, origin, turn)

    def row(self, time: str) -> TableRow:
        """Add the operators that locate a time (1, 1) [s] in the table."""
        graph, reference = self.graph, self._clock.reference
        x = graph.op("Mul", time, graph.scalar(reference.rate))
        last = graph.scalar(float(reference.num_rows - 2))
        row = graph.op("Max", graph.op("Min", graph.op("Floor", x), last), graph.scalar(0.0))
        whole = graph.op("Cast", graph.reshape(row, 1), to=7)
        return TableRow(whole, graph.op("Sub", x, row))

    def look_up(self, name: str, at: TableRow) -> str:
        """Interpolate a table linearly: ``root_pos`` (1, 3), ``root_quat`` (1, 4) or ``pd_target`` (1, A)."""
        graph = self.graph
        here = graph.op("Gather", self._tables[name], at.row, axis=0)
        after = graph.op("Gather", self._tables[name], graph.op("Add", at.row, graph.indices([1])), axis=0)
        return graph.op("Add", here, graph.op("Mul", at.fraction, graph.op("Sub", after, here)))
