"""The clips of a motion graph as one table of poses, and the gaits among them that blend in phase.

A row of the table holds the root's position and orientation, the joint pose as servo targets, and the smoothed heading. Rows are ``RATE`` a second, so a
look-up is a linear interpolation between two rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import Character, CharacterState, Kinematics
from mimic.core.rotations import (
    Yaw,
    heading_angle,
    quat_conj,
    quat_from_rotvec,
    quat_from_yaw,
    quat_mul,
    quat_normalize,
    quat_to_rotvec,
)
from mimic.tracking.reference import Reference
from mocap.motion import Motion
from mocap.stance import STAND

RATE = 120.0
GAITS = {
    "humanoid": (STAND, "walk", "jog", "run"),
    "dog": (STAND, "walk", "pace", "trot", "canter"),
}
_ROOT = 7  # columns of the root's pose
_LONGEST_FRAME_S = 1 / 24


@dataclass(frozen=True, eq=False)
class MotionLibrary:
    """K clips of one character as tables of float32, ready for look-ups.

    Attributes:
        names: names of the clips.
        table: (rows of all clips, 8 + A): position (3) [m], quaternion wxyz (4), servo targets (A) [rad], heading (1) [rad].
        first: (K,) int64, first row of each clip.
        rows: (K,) int64, number of its rows.
        seconds: (K,) length of a cycle [s].
        loops: (K,) bool.
        travel: (K, 2) displacement of a cycle [m].
        turn: (K,) turn of a cycle [rad].
        gaits: clips that blend into one another, by growing speed; empty if there are fewer than two.
        shift: (K,) phase of a gait when the left foot is furthest ahead; 0 for other clips.
        frame_s: (K,) time between two frames of the recording [s], over which velocities are differences.
    """

    names: tuple[str, ...]
    table: Tensor
    first: Tensor
    rows: Tensor
    seconds: Tensor
    loops: Tensor
    travel: Tensor
    turn: Tensor
    gaits: tuple[int, ...]
    shift: Tensor
    frame_s: Tensor

    @property
    def rest(self) -> int:
        """Number of the clip to which a clip that plays once returns: the stance, or the first where there is none."""
        return self.index(STAND) if STAND in self.names else 0

    @property
    def speed(self) -> Tensor:
        """Mean speed (K,) [m/s] of each clip."""
        return self.travel.norm(dim=1) / self.seconds

    def index(self, name: str) -> int:
        """Return the number of the clip ``name``. Raises ValueError if there is none."""
        return self.names.index(name)

    def look_up(self, clip: Tensor, phase: Tensor) -> Tensor:
        """Return the rows (..., 8 + A) at ``phase`` (...) in [0, 1] of ``clip`` (...) int64."""
        x = phase * (self.rows[clip] - 1)
        row = x.floor().nan_to_num(0.0).clamp_min(0.0).minimum((self.rows[clip] - 2).to(x.dtype))
        index = (row.long() + self.first[clip]).flatten()
        share = (x - row).flatten()[:, None].float()
        found = torch.lerp(self.table.index_select(0, index), self.table.index_select(0, index + 1), share)
        return found.view(*phase.shape, -1)


def build_library(motions: Sequence[Motion], character: Character) -> MotionLibrary:
    """Sample ``motions`` as the environment prepared them."""
    reference = Reference(motions, character)
    reference.build_headings(motions)
    gaits = _gaits([motion.name for motion in motions], character)
    tables = [_table(reference, k, motion) for k, motion in enumerate(motions)]
    shift = torch.zeros(len(tables))
    for k in gaits:
        tables[k] = _along_x(tables[k])
        if motions[k].name != STAND:
            shift[k] = _left_ahead(tables[k], character)
    rows = torch.tensor([len(table) for table in tables])
    ends = torch.stack([table[-1] for table in tables])
    starts = torch.stack([table[0] for table in tables])
    turn = heading_angle(ends[:, 3:7]) - heading_angle(starts[:, 3:7])
    loops = torch.tensor([motion.loop for motion in motions])
    return MotionLibrary(
        tuple(motion.name for motion in motions),
        torch.cat(tables),
        rows.cumsum(0) - rows,
        rows,
        torch.tensor([motion.duration for motion in motions]),
        loops,
        ends[:, :2].clone(),
        torch.where(loops, torch.atan2(turn.sin(), turn.cos()), 0.0),
        tuple(gaits) if len(gaits) > 1 else (),
        shift,
        torch.tensor([min(float(motion.times.diff().median()), _LONGEST_FRAME_S) for motion in motions]),
    )


def states_of(library: MotionLibrary, character: Character) -> CharacterState:
    """Return pose and velocity (rows of all clips) of every row of the table, in its clip's frame."""
    parts = []
    for k in range(len(library.names)):
        first, rows = int(library.first[k]), int(library.rows[k])
        step = float(library.seconds[k]) / (rows - 1)
        apart = min(max(1, round(float(library.frame_s[k]) / step)), rows - 1)
        now = library.table[first : first + rows]
        found = state_between(now[:-apart], now[apart:], apart * step, character)
        parts += [found, CharacterState.cat([found[-1:]] * apart)]
    return CharacterState.cat(parts)


def state_between(now: Tensor, later: Tensor, step: float | Tensor, character: Character) -> CharacterState:
    """Return the state (N,) of rows ``now`` (N, 7 + A or more).

    Velocities are the difference to the rows ``later``, divided by ``step`` [s], a number or (N, 1).
    """
    a, b = quat_normalize(now[:, 3:7]), quat_normalize(later[:, 3:7])
    joints, after = joint_quats(now[:, _ROOT:], character), joint_quats(later[:, _ROOT:], character)
    local = quat_to_rotvec(quat_mul(quat_conj(joints), after)) / (step[..., None] if isinstance(step, Tensor) else step)
    columns = []
    for j, joint in enumerate(character.joints):
        if joint.kind == "ball":
            columns.append(local[:, j])
        else:
            columns.append((local[:, j] * local.new_tensor(joint.axis)).sum(1, keepdim=True))
    return CharacterState(
        now[:, :3],
        a,
        (later[:, :3] - now[:, :3]) / step,
        quat_to_rotvec(quat_mul(b, quat_conj(a))) / step,
        joints,
        torch.cat(columns, 1),
    )


def joint_quats(targets: Tensor, character: Character) -> Tensor:
    """Convert servo targets (N, A or more) [rad] to the joints' rotations (N, J, 4) wxyz."""
    parts, at = [], 0
    for joint in character.joints:
        if joint.kind == "ball":
            parts.append(targets[:, at : at + 3])
            at += 3
        else:
            parts.append(targets[:, at : at + 1] * targets.new_tensor(joint.axis))
            at += 1
    return quat_from_rotvec(torch.stack(parts, 1))


def targets_of(joint_quat: Tensor, character: Character) -> Tensor:
    """Convert the joints' rotations (N, J, 4) wxyz to servo targets (N, A) [rad]."""
    rotvec = quat_to_rotvec(joint_quat)
    columns = []
    for j, joint in enumerate(character.joints):
        ball = joint.kind == "ball"
        columns.append(rotvec[:, j] if ball else (rotvec[:, j] * rotvec.new_tensor(joint.axis)).sum(1, keepdim=True))
    return torch.cat(columns, 1)


def _gaits(names: list[str], character: Character) -> list[int]:
    """Return the clips of ``names`` that are gaits of the character, by growing speed, without the stance."""
    wanted = [name for gait in GAITS.get(character.name, ()) for name in (gait, f"{gait}-authored")]
    return [names.index(name) for name in wanted if name in names]


def _table(reference: Reference, k: int, motion: Motion) -> Tensor:
    rows = math.ceil(motion.duration * RATE) + 1
    times = torch.linspace(0.0, motion.duration, rows, dtype=torch.float64)
    clip = torch.full((rows,), k)
    pos, quat = reference.root(times, torch.zeros(rows, 3), torch.zeros(rows), clip)
    pos = pos - pos[:1] * torch.tensor([1.0, 1.0, 0.0])
    heading = reference.heading(times, torch.zeros(rows), clip)
    turns = torch.round(heading.diff() / (2 * math.pi)).cumsum(0) * 2 * math.pi
    heading = heading - torch.cat([torch.zeros(1), turns])
    signs = torch.where((quat[1:] * quat[:-1]).sum(1) < 0, -1.0, 1.0).cumprod(0)
    quat = quat * torch.cat([torch.ones(1), signs])[:, None]
    return torch.cat([pos, quat, reference.pd_target(times, clip), heading[:, None]], 1)


def _along_x(table: Tensor) -> Tensor:
    """Turn a gait about z so that it travels along x."""
    yaw = -torch.atan2(table[-1, 1], table[-1, 0])
    turned = table.clone()
    turned[:, :3] = Yaw(yaw.expand(len(table))).rotate(table[:, :3])
    turned[:, 3:7] = quat_mul(quat_from_yaw(yaw.expand(len(table))), table[:, 3:7])
    turned[:, -1] += yaw
    return turned


def _left_ahead(table: Tensor, character: Character) -> Tensor:
    """Return the phase at which the left hind leg is furthest ahead of the right, by the first Fourier component."""
    state = state_between(table, table, 1.0, character)
    bodies = Kinematics(character).forward(state)
    left, right = [character.body_index(name) for name in _feet(character)]
    ahead = (bodies.pos_w[:-1, left] - bodies.pos_w[:-1, right])[:, 0]
    angle = torch.arange(len(ahead)) * (2 * math.pi / len(ahead))
    phase = torch.atan2((ahead * angle.sin()).sum(), (ahead * angle.cos()).sum()) / (2 * math.pi)
    return phase % 1.0


def _feet(character: Character) -> tuple[str, str]:
    """Return the left and the right hind foot."""
    feet = [name for name in character.end_effectors if name.endswith(("ankle", "toe"))]
    return (
        next(name for name in feet if name.startswith("left")),
        next(name for name in feet if name.startswith("right")),
    )
