"""The reference: pose and velocity of a clip at any time, for N environments at once.

The clip is sampled once into a dense table, by DeepMimic's rules. Positions are interpolated linearly, rotations by
slerp; velocities are forward differences, interpolated linearly. A row of the table also holds the results of forward
kinematics. A look-up is then one gather and one linear interpolation, the same on every device. With ``TABLE_HZ`` rows a
second, the interpolation changes the reward by less than 1e-6.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import Character, CharacterState, Kinematics
from mimic.core.errors import InputError
from mimic.core.rotations import (
    Yaw,
    heading_angle,
    quat_hemisphere,
    quat_normalize,
    quat_slerp,
    quat_to_rotvec,
)
from mimic.tracking.reference_heading import HEADING_HZ, smoothed_heading
from mocap.motion import Motion, velocities

TABLE_HZ = 1920.0


@dataclass
class ReferenceSample:
    """The reference of N environments at their clip times."""

    state: CharacterState
    body_offset_w: Tensor  # (N, B, 3) joint origins relative to the root, world axes [m]
    end_effector_h: Tensor  # (N, E, 3) heading frame of the reference; z is the height above ground [m]
    com_vel_w: Tensor  # (N, 3) [m/s]
    lowest_point_w: Tensor  # (N, B) height of the lowest point of each body [m]


class Reference:
    """One or several (K) clips of different lengths as one table on one device, one clip after another.

    Each clip is in a frame of its own, whose origin is on the ground below the root of the first frame.

    Attributes:
        num_clips: K.
        durations: (K,) float64 [s], length of one cycle.
        loops: (K,) bool, whether the clip loops.
        any_loop: whether at least one clip loops.
        all_loop: whether all clips loop.
        shortest_loop: shortest cycle of the clips that loop [s]; infinite if none does.
        cycle_displacement: (K, 3) horizontal root translation of one cycle [m]; the height is zero.
    """

    def __init__(self, motions: Sequence[Motion], character: Character, device: torch.device | str = "cpu"):
        self.character = character
        self.num_clips = len(motions)
        self._build_clips(motions, device)
        tables = [_columns(motion, character, rows) for motion, rows in zip(motions, self._rows.tolist(), strict=True)]
        self._shapes = {name: column.shape[1:] for name, column in tables[0].items()}
        widths = [shape.numel() for shape in self._shapes.values()]
        ends = [sum(widths[: i + 1]) for i in range(len(widths))]
        self._at = {name: slice(end - width, end) for name, width, end in zip(self._shapes, widths, ends, strict=True)}
        rows = torch.cat([torch.cat([column.flatten(1) for column in table.values()], 1) for table in tables])
        self._table = rows.float().to(device)
        effectors = [character.body_index(name) for name in character.end_effectors]
        self._effectors = torch.tensor(effectors, device=device)
        displacement = torch.stack([motion.root_pos_w[-1] - motion.root_pos_w[0] for motion in motions])
        self.cycle_displacement = (displacement * torch.tensor([1.0, 1.0, 0.0])).float().to(device)

    def _build_clips(self, motions: Sequence[Motion], device: torch.device | str) -> None:
        """Compute the length of each clip, and the rows of the table that hold the clip."""
        durations = torch.tensor([motion.duration for motion in motions], dtype=torch.float64)
        self._rows = torch.tensor([int(torch.tensor(m.duration * TABLE_HZ).ceil()) + 1 for m in motions])
        self.durations = durations.to(device)
        self.loops = torch.tensor([motion.loop for motion in motions], device=device)
        self.any_loop, self.all_loop = any(m.loop for m in motions), all(m.loop for m in motions)
        self.shortest_loop = min((m.duration for m in motions if m.loop), default=math.inf)
        self._rates = ((self._rows - 1) / durations).to(device)
        self._last = (self._rows - 2).double().to(device)
        self._first = (self._rows.cumsum(0) - self._rows).to(device)

    @property
    def duration(self) -> float:
        """Length of a cycle [s]. Raises InputError unless all clips are equally long."""
        if float(self.durations.max() - self.durations.min()) > 1e-6:
            shortest, longest = float(self.durations.min()), float(self.durations.max())
            raise InputError(
                f"the clips have different lengths, from {shortest:g} to {longest:g} s; use one clip, or clips of equal length"
            )
        return float(self.durations[0])

    @property
    def loop(self) -> bool:
        """Whether the clips loop. Raises InputError if some clips loop and others do not."""
        if self.any_loop != self.all_loop:
            raise InputError("some clips loop and some do not; use one clip, or clips that all loop")
        return self.all_loop

    @property
    def num_rows(self) -> int:
        """Number of the table's rows that hold the first clip."""
        return int(self._rows[0])

    @property
    def rate(self) -> float:
        """Rows of the table per second of the first clip."""
        return float(self._rates[0])

    def sample(self, clip_time: Tensor, origin_w: Tensor, yaw: Tensor, clip: Tensor | None = None) -> ReferenceSample:
        """Look up pose, velocity and derived quantities of the reference.

        Args:
            clip_time: (N,) float64 [s] in [0, duration].
            origin_w: (N, 3) [m], position of the clip's origin in the world.
            yaw: (N,) [rad], angle by which the clip is turned about z.
            clip: (N,) int64, index of the clip; None means the first clip for all.
        """
        row = self._look_up(slice(None), clip_time, clip)
        turn, bodies, quats = Yaw(yaw), len(self.character.bodies), self._at["root_quat"].start
        vectors = turn.rotate(row[:, :quats].view(len(row), -1, 3))
        body_offset_w = vectors[:, :bodies]
        com_vel_w, root_angvel_w, root_linvel_w, root_pos = vectors[:, bodies:].unbind(1)
        quat = quat_normalize(row[:, quats : self._at["joint_quat"].stop].view(len(row), -1, 4))
        state = CharacterState(
            root_pos_w=root_pos + origin_w,
            root_quat_w=turn.mul(quat[:, 0]),
            root_linvel_w=root_linvel_w,
            root_angvel_w=root_angvel_w,
            joint_quat=quat[:, 1:],
            joint_vel=row[:, self._at["joint_vel"]],
        )
        effector_pos_w = body_offset_w[:, self._effectors] + state.root_pos_w[:, None]
        return ReferenceSample(
            state=state,
            body_offset_w=body_offset_w,
            # not from the table: where the root's x axis points straight up, the heading frame turns between its rows
            end_effector_h=end_effectors_h(effector_pos_w, state),
            com_vel_w=com_vel_w,
            lowest_point_w=row[:, self._at["lowest_point"]] + origin_w[:, 2:],
        )

    def pd_target(self, clip_time: Tensor, clip: Tensor | None = None) -> Tensor:
        """Return the joint pose at ``clip_time`` (N,) [s] as servo targets (N, A) [rad].

        Servo targets are rotation vectors of ball joints and angles of hinges.
        """
        return self._look_up(self._at["pd_target"], clip_time, clip)

    def root(
        self, clip_time: Tensor, origin_w: Tensor, yaw: Tensor, clip: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the root's position (N, 3) [m] and orientation (N, 4) wxyz in the world; arguments as of ``sample``."""
        first, last = self._at["root_pos"], self._at["root_quat"]
        row, turn = self._look_up(slice(first.start, last.stop), clip_time, clip), Yaw(yaw)
        return turn.rotate(row[:, :3]) + origin_w, turn.mul(quat_normalize(row[:, 3:]))

    def build_headings(self, motions: Sequence[Motion]) -> None:
        """Compute the table for ``heading``, which needs this call; ``motions`` are those of the constructor."""
        headings = []
        for motion, rows in zip(motions, self._rows.tolist(), strict=True):
            samples = int(torch.tensor(motion.duration * HEADING_HZ).ceil()) + 1
            times = torch.linspace(0, motion.duration, samples, dtype=torch.float64)
            root_quat_w = sample_motion(motion, self.character, times).root_quat_w
            headings.append(smoothed_heading(root_quat_w, motion.duration, motion.loop, rows))
        self._headings = torch.cat(headings).to(self._table.device)

    def heading(self, clip_time: Tensor, yaw: Tensor, clip: Tensor | None = None) -> Tensor:
        """Return the reference's heading in the world, smoothed over time, (N,) [rad]; needs ``build_headings``."""
        cosine, sine = self._gather(self._headings, clip_time, clip).unbind(1)
        return torch.atan2(sine, cosine) + yaw

    def table(self, name: str) -> Tensor:
        """Return one quantity of the table, (rows of all clips, ...) float32, in the clips' frames."""
        return self._table[:, self._at[name]].view(-1, *self._shapes[name])

    def _look_up(self, columns: slice, clip_time: Tensor, clip: Tensor | None) -> Tensor:
        """Interpolate ``columns`` of the table at each time, (N, W); a time that is NaN gives NaN."""
        return self._gather(self._table[:, columns], clip_time, clip)

    def _gather(self, table: Tensor, clip_time: Tensor, clip: Tensor | None) -> Tensor:
        """Interpolate between rows of ``table`` (rows of all clips, W) at each time, (N, W)."""
        x = clip_time * of_clip(self._rates, clip)
        row = x.floor().nan_to_num(0.0).clamp_min(0.0).minimum(of_clip(self._last, clip))
        fraction = (x - row).float()
        index = row.long() + of_clip(self._first, clip)
        # on a CPU four times as fast as table[index]
        return torch.lerp(table.index_select(0, index), table.index_select(0, index + 1), fraction[:, None])


def of_clip(values: Tensor, clip: Tensor | None) -> Tensor:
    """Return the row of ``values`` (K, ...) for each environment's clip (N,), as (N, ...).

    If ``clip`` is None or there is one clip, the result is the first row alone, (1, ...).
    """
    return values[:1] if clip is None or len(values) == 1 else values.index_select(0, clip)


def sample_motion(motion: Motion, character: Character, times: Tensor) -> CharacterState:
    """Return the pose and velocity of ``motion`` at ``times`` (K,) [s] within the clip, float64."""
    row = (torch.searchsorted(motion.times, times, right=True) - 1).clamp(0, motion.num_frames - 2)
    fraction = (times - motion.times[row]) / (motion.times[row + 1] - motion.times[row])
    velocity = velocities(motion, character)

    def lerp(values: Tensor) -> Tensor:
        return torch.lerp(values[row], values[row + 1], fraction[:, None])

    return CharacterState(
        root_pos_w=lerp(motion.root_pos_w),
        root_quat_w=quat_slerp(motion.root_quat_w[row], motion.root_quat_w[row + 1], fraction),
        root_linvel_w=lerp(velocity.root_linvel_w),
        root_angvel_w=lerp(velocity.root_angvel_w),
        joint_quat=quat_slerp(motion.joint_quat[row], motion.joint_quat[row + 1], fraction[:, None]),
        joint_vel=lerp(velocity.joint_vel),
    )


def _columns(motion: Motion, character: Character, rows: int) -> dict[str, Tensor]:
    """Compute the quantities of one clip's table, name -> (rows, ...) float64.

    ``Reference.sample`` relies on their order: first the vectors that turn with the clip, then the quaternions.
    """
    times = torch.linspace(0, motion.duration, rows, dtype=torch.float64)
    state = sample_motion(motion, character, times)
    kinematics = Kinematics(character, dtype=torch.float64)
    bodies = kinematics.forward(state)
    return {
        "body_offset": bodies.pos_w - state.root_pos_w[:, None],
        "com_vel": kinematics.com_velocity(bodies),
        "root_angvel": state.root_angvel_w,
        "root_linvel": state.root_linvel_w,
        "root_pos": state.root_pos_w,
        "root_quat": quat_hemisphere(state.root_quat_w),
        "joint_quat": quat_hemisphere(state.joint_quat),
        "pd_target": _rotation_vectors(state, character),
        "joint_vel": state.joint_vel,
        "lowest_point": kinematics.lowest_points(bodies),
    }


def end_effectors_h(pos_w: Tensor, state: CharacterState) -> Tensor:
    """Convert end-effector positions (N, E, 3) [m] from the world to the character's heading frame.

    In the result x and y are relative to the root, and z is the height above the ground.
    """
    local = Yaw(heading_angle(state.root_quat_w)).rotate_inverse(pos_w - state.root_pos_w[:, None])
    return torch.cat((local[..., :2], pos_w[..., 2:]), -1)


def _rotation_vectors(state: CharacterState, character: Character) -> Tensor:
    """Return the joint pose as servo targets (T, A) [rad], continuous in time even where an angle passes pi."""
    rotvec = _unwrapped(quat_to_rotvec(quat_hemisphere(state.joint_quat)))
    columns = []
    for j, joint in enumerate(character.joints):
        axis = torch.eye(3) if joint.kind == "ball" else torch.tensor([joint.axis])
        columns.append(rotvec[:, j] @ axis.T.to(rotvec))
    return torch.cat(columns, -1)


def _unwrapped(rotvec: Tensor) -> Tensor:
    """Make rotation vectors (T, J, 3) continuous in time, by adding a whole turn about the axis where they jump."""
    turned = rotvec * (1 - 2 * torch.pi / rotvec.norm(dim=-1, keepdim=True).clamp_min(1e-9))
    either = torch.stack((rotvec, turned))
    distance = (either[:, None, 1:] - either[None, :, :-1]).norm(dim=-1)  # (now, before, T - 1, J)
    nearer = distance[1] < distance[0]  # the turned one, after a row that is as it was (0) or turned (1)
    chosen = torch.zeros(rotvec.shape[:2], dtype=torch.bool)
    for t in range(len(rotvec) - 1):
        torch.where(chosen[t], nearer[1, t], nearer[0, t], out=chosen[t + 1])
    return torch.where(chosen[..., None], turned, rotvec)
