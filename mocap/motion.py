"""Motion: one clip of one character, as rotations over time, and its velocities.

A Motion is checked when it is made and never changed afterwards. Its numbers are finite, its quaternions have unit
length, and its times grow. Its tensors are shared, not copied, so treat tensors of a Motion as read-only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from characters.character import Character
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_conj, quat_mul, quat_to_rotvec

MAX_FRAMES = 20_000  # of a clip that is solved, judged, shown or learned; these three limit memory to 2 GB
MAX_SECONDS = 120.0
MIN_SECONDS = 0.01
_UNIT_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Motion:
    """A movement of T frames and J moving joints, float64.

    Attributes:
        name: short name of the clip.
        character: name of the character that moves.
        joint_names: the J joints, in the order of ``Character.joints``.
        times: (T,) [s], growing from 0.
        root_pos_w: (T, 3) [m].
        root_quat_w: (T, 4) wxyz.
        joint_quat: (T, J, 4) wxyz, child in its parent's frame.
        loop: the last frame is the first of the next cycle.
        source: the file or the program that the motion comes from.
        license: the conditions of its owner.

    Raises:
        ClipError: fewer than two frames, a wrong shape, a NaN, times that do not grow, a quaternion that is not unit.
    """

    name: str
    character: str
    joint_names: tuple[str, ...]
    times: Tensor
    root_pos_w: Tensor
    root_quat_w: Tensor
    joint_quat: Tensor
    loop: bool
    source: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        frames, joints = self.times.numel(), len(self.joint_names)
        if frames < 2:
            raise ClipError(f"{self.name}: {frames} frames; a motion has at least two")
        shapes = {
            "times": (frames,),
            "root_pos_w": (frames, 3),
            "root_quat_w": (frames, 4),
            "joint_quat": (frames, joints, 4),
        }
        for field, shape in shapes.items():
            values: Tensor = getattr(self, field)
            if values.shape != shape or values.dtype != torch.float64:
                found = f"{tuple(values.shape)} {values.dtype}"
                raise ClipError(f"{self.name}: {field} is {found}, expected {shape} torch.float64")
            if not torch.isfinite(values).all():
                raise ClipError(f"{self.name}: {field} is not finite at frame {_first(~torch.isfinite(values))}")
        if self.times[0] != 0:
            raise ClipError(f"{self.name}: times start at {self.times[0]:g} s, not at 0")
        stuck = self.times.diff() <= 0
        if stuck.any():
            raise ClipError(f"{self.name}: times do not grow after frame {_first(stuck)}")
        for field in ("root_quat_w", "joint_quat"):
            uneven = (getattr(self, field).norm(dim=-1) - 1).abs() > _UNIT_TOLERANCE
            if uneven.any():
                raise ClipError(f"{self.name}: {field} is not a unit quaternion at frame {_first(uneven)}")

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self.times)

    @property
    def duration(self) -> float:
        """Time from the first frame to the last [s]."""
        return float(self.times[-1])

    @property
    def fps(self) -> float:
        """Mean frame rate [1/s]."""
        return (self.num_frames - 1) / self.duration


@dataclass(frozen=True, eq=False)
class Velocities:
    """Velocities at the T frames of a motion, with the meaning of the same fields in ``CharacterState``.

    Attributes:
        root_linvel_w: (T, 3) [m/s].
        root_angvel_w: (T, 3) [rad/s], world axes.
        joint_vel: (T, A) [rad/s], a hinge's rate or a ball joint's angular velocity in the child's frame.
    """

    root_linvel_w: Tensor
    root_angvel_w: Tensor
    joint_vel: Tensor


def velocities(motion: Motion, character: Character) -> Velocities:
    """Compute velocities as forward differences; the last frame repeats the velocity before it (DeepMimic's rule).

    A loop is treated in the same way: clips are not exactly cyclic, so a difference across the seam would be a spike.
    Raises ClipError if the motion belongs to another character.
    """
    check_character(motion, character)
    dt = motion.times.diff()[:, None]
    root = motion.root_quat_w
    root_step = quat_to_rotvec(quat_mul(root[1:], quat_conj(root[:-1])))
    joint_step = quat_to_rotvec(quat_mul(quat_conj(motion.joint_quat[:-1]), motion.joint_quat[1:]))
    columns = []
    for j, joint in enumerate(character.joints):
        step = joint_step[:, j]
        columns.append(step if joint.kind == "ball" else step @ step.new_tensor(joint.axis)[:, None])
    return Velocities(
        root_linvel_w=_repeat_last(motion.root_pos_w.diff(dim=0) / dt),
        root_angvel_w=_repeat_last(root_step / dt),
        joint_vel=_repeat_last(torch.cat(columns, 1) / dt),
    )


def check_length(motion: Motion, frames: int = MAX_FRAMES) -> None:
    """Raise ClipError for more than ``frames`` frames, or a duration outside MIN_SECONDS to MAX_SECONDS."""
    if motion.num_frames > frames or not MIN_SECONDS <= motion.duration <= MAX_SECONDS:
        raise ClipError(
            f"{motion.name}: {motion.num_frames} frames in {motion.duration:g} s; a clip has up to {frames} frames and lasts "
            f"{MIN_SECONDS:g} to {MAX_SECONDS:g} s. Take a part of a longer one with retarget --start S --end S"
        )


def check_character(motion: Motion, character: Character) -> None:
    """Raise ClipError unless the motion names this character and has exactly its joints."""
    joint_names = tuple(joint.name for joint in character.joints)
    if motion.character != character.name or motion.joint_names != joint_names:
        raise ClipError(
            f"{motion.name} is a motion of {motion.character} with {len(motion.joint_names)} joints; "
            f"needed is one of {character.name}, with its {len(joint_names)} joints in their order"
        )


def _repeat_last(x: Tensor) -> Tensor:
    return torch.cat((x, x[-1:]))


def _first(flags: Tensor) -> int:
    """Return the index of the first frame with a True in ``flags``."""
    return int(flags.flatten(1).any(1).nonzero()[0]) if flags.dim() > 1 else int(flags.nonzero()[0])
