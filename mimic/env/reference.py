"""The reference: where the character should be at any time of a clip, for N environments at once.

The clip is sampled once, as DeepMimic samples it (positions lerped, rotations slerped, velocities by forward
difference and lerped), onto a dense table with everything that forward kinematics would give; looking a time up is
then one gather and one lerp a quantity, the same on every device. At ``TABLE_HZ`` the lerp is exact to 1e-6 in reward.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import Character, CharacterState, Kinematics
from characters.errors import InputError
from characters.rotations import (
    heading_angle,
    quat_from_yaw,
    quat_hemisphere,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_rotate_inverse,
    quat_slerp,
    quat_to_rotvec,
)
from mocap.motion import Motion, velocities

TABLE_HZ = 1920.0


@dataclass
class ReferenceSample:
    """The reference of N environments at their clip times; body positions are relative to the root, world axes."""

    state: CharacterState
    body_offset_w: Tensor  # (N, B, 3) joint origins minus the root's [m]
    end_effector_h: Tensor  # (N, E, 3) heading frame of the reference; z is the height above ground [m]
    com_vel_w: Tensor  # (N, 3) [m/s]
    lowest_point_w: Tensor  # (N, B) height of the lowest point of each body [m]


class Reference:
    """A motion, or several of one length, as a table on one device, in the clip's own frame (origin under the first root).

    Attributes:
        num_clips: K.
        duration: [s], of one cycle.
        loop: whether the clip wraps.
        num_rows, rate: rows of a clip's table, and how many a second.
        cycle_displacement: (K, 3) root translation of one cycle [m], height zero.

    Raises:
        InputError: several clips that are not equally long, or do not all loop.
    """

    def __init__(self, motions: Sequence[Motion], character: Character, device: torch.device | str = "cpu"):
        motion = motions[0]
        for other in motions[1:]:
            if not (motion.loop and other.loop) or abs(other.duration - motion.duration) > 1e-6:
                raise InputError(
                    f"clips learned together must loop and be equally long: '{motion.name}' has {motion.duration:.4f} s"
                    f"{'' if motion.loop else ', once'}, '{other.name}' {other.duration:.4f} s{'' if other.loop else ', once'}"
                )
        self.character = character
        self.num_clips = len(motions)
        self.duration = motion.duration
        self.loop = motion.loop
        self.num_rows = int(torch.tensor(motion.duration * TABLE_HZ).ceil()) + 1
        self.rate = (self.num_rows - 1) / motion.duration
        tables = [self._table_of(motion) for motion in motions]
        self._columns = {name: torch.cat([table[name] for table in tables]).float().to(device) for name in tables[0]}
        effectors = [character.body_index(name) for name in character.end_effectors]
        self._effectors = torch.tensor(effectors, device=device)
        displacement = torch.stack([motion.root_pos_w[-1] - motion.root_pos_w[0] for motion in motions])
        self.cycle_displacement = (displacement * torch.tensor([1.0, 1.0, 0.0])).float().to(device)

    def _table_of(self, motion: Motion) -> dict[str, Tensor]:
        times = torch.linspace(0, motion.duration, self.num_rows, dtype=torch.float64)
        state = sample_motion(motion, self.character, times)
        return _derive_columns(state, self.character) | {"pd_target": _rotation_vectors(state, self.character)}

    def sample(self, clip_time: Tensor, origin_w: Tensor, yaw: Tensor, clip: Tensor | None = None) -> ReferenceSample:
        """The whole reference at ``clip_time`` (N,) [s] in [0, duration].

        Args:
            clip_time: (N,) float64.
            origin_w: (N, 3) [m], where the clip's origin lies in the world.
            yaw: (N,) [rad], how far the clip is turned about z.
            clip: (N,) int64, which clip; the first if left out.
        """
        row, fraction = self._position(clip_time, clip)
        turn = quat_from_yaw(yaw)
        state = CharacterState(
            root_pos_w=quat_rotate(turn, self._look_up("root_pos", row, fraction)) + origin_w,
            root_quat_w=quat_mul(turn, quat_normalize(self._look_up("root_quat", row, fraction))),
            root_linvel_w=quat_rotate(turn, self._look_up("root_linvel", row, fraction)),
            root_angvel_w=quat_rotate(turn, self._look_up("root_angvel", row, fraction)),
            joint_quat=quat_normalize(self._look_up("joint_quat", row, fraction)),
            joint_vel=self._look_up("joint_vel", row, fraction),
        )
        body_offset_w = quat_rotate(turn[:, None], self._look_up("body_offset", row, fraction))
        effector_pos_w = body_offset_w[:, self._effectors] + state.root_pos_w[:, None]
        return ReferenceSample(
            state=state,
            body_offset_w=body_offset_w,
            # not from the table: where the root's x axis points straight up, the heading frame turns between its rows
            end_effector_h=end_effectors_h(effector_pos_w, state),
            com_vel_w=quat_rotate(turn, self._look_up("com_vel", row, fraction)),
            lowest_point_w=self._look_up("lowest_point", row, fraction) + origin_w[:, 2:],
        )

    def pd_target(self, clip_time: Tensor, clip: Tensor | None = None) -> Tensor:
        """Joint pose as servo targets, (N, A) [rad]: rotation vectors of balls, angles of hinges."""
        return self._look_up("pd_target", *self._position(clip_time, clip))

    def root(
        self, clip_time: Tensor, origin_w: Tensor, yaw: Tensor, clip: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Root position (N, 3) [m] and orientation (N, 4) wxyz in the world."""
        row, fraction = self._position(clip_time, clip)
        turn = quat_from_yaw(yaw)
        pos = quat_rotate(turn, self._look_up("root_pos", row, fraction)) + origin_w
        return pos, quat_mul(turn, quat_normalize(self._look_up("root_quat", row, fraction)))

    def table(self, name: str) -> Tensor:
        """One column of the table, (num_clips * num_rows, ...) float32, in the clip's frame."""
        return self._columns[name]

    def _position(self, clip_time: Tensor, clip: Tensor | None) -> tuple[Tensor, Tensor]:
        """Table row and the fraction of the way to the next one; a broken time gives a valid row."""
        x = clip_time * self.rate
        row = x.floor().nan_to_num(0.0).clamp(0, self.num_rows - 2)
        return row.long() + (0 if clip is None else clip * self.num_rows), (x - row).float()

    def _look_up(self, name: str, row: Tensor, fraction: Tensor) -> Tensor:
        table = self._columns[name]
        shape = (-1,) + (1,) * (table.dim() - 1)
        return torch.lerp(table[row], table[row + 1], fraction.view(shape))


def sample_motion(motion: Motion, character: Character, times: Tensor) -> CharacterState:
    """Pose and velocity of ``motion`` at ``times`` (K,) [s] within the clip, float64."""
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


def _derive_columns(state: CharacterState, character: Character) -> dict[str, Tensor]:
    kinematics = Kinematics(character, dtype=torch.float64)
    bodies = kinematics.forward(state)
    return {
        "root_pos": state.root_pos_w,
        "root_quat": quat_hemisphere(state.root_quat_w),
        "root_linvel": state.root_linvel_w,
        "root_angvel": state.root_angvel_w,
        "joint_quat": quat_hemisphere(state.joint_quat),
        "joint_vel": state.joint_vel,
        "body_offset": bodies.pos_w - state.root_pos_w[:, None],
        "com_vel": kinematics.com_velocity(bodies),
        "lowest_point": kinematics.lowest_points(bodies),
    }


def end_effectors_h(pos_w: Tensor, state: CharacterState) -> Tensor:
    """End effectors (N, E, 3) [m] in the character's heading frame: x, y from the root, z the height above ground."""
    heading = quat_from_yaw(heading_angle(state.root_quat_w))
    local = quat_rotate_inverse(heading[:, None], pos_w - state.root_pos_w[:, None])
    return torch.cat((local[..., :2], pos_w[..., 2:]), -1)


def _rotation_vectors(state: CharacterState, character: Character) -> Tensor:
    """Joint pose (T, A) [rad] that is continuous in time even past half a turn."""
    rotvec = _unwrapped(quat_to_rotvec(quat_hemisphere(state.joint_quat)))
    columns = []
    for j, joint in enumerate(character.joints):
        axis = torch.eye(3) if joint.kind == "ball" else torch.tensor([joint.axis])
        columns.append(rotvec[:, j] @ axis.T.to(rotvec))
    return torch.cat(columns, -1)


def _unwrapped(rotvec: Tensor) -> Tensor:
    """Add whole turns along each axis where (T, J, 3) jumps, so that neighbours in time are close."""
    turned = rotvec * (1 - 2 * torch.pi / rotvec.norm(dim=-1, keepdim=True).clamp_min(1e-9))
    either = torch.stack((rotvec, turned))
    distance = (either[:, None, 1:] - either[None, :, :-1]).norm(dim=-1)  # (now, before, T - 1, J)
    nearer = distance[1] < distance[0]  # the turned one, after a row that is as it was (0) or turned (1)
    chosen = torch.zeros(rotvec.shape[:2], dtype=torch.bool)
    for t in range(len(rotvec) - 1):
        torch.where(chosen[t], nearer[1, t], nearer[0, t], out=chosen[t + 1])
    return torch.where(chosen[..., None], turned, rotvec)
