"""Makes frames of a clip without physics."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from characters import Character, Kinematics
from mimic.core.errors import InputError
from mimic.core.rotations import heading_angle, quat_from_yaw, quat_mul, quat_rotate
from mimic.rendering.scene import Frame, Pose
from mimic.tracking.reference import sample_motion
from mocap.motion import Motion

_SHORTEST_S = 4.0
_MOST_SECONDS = 600.0


def motion_frames(
    motion: Motion, character: Character, seconds: float | None = None, fps: float = 30.0, turn_on: bool = False
) -> list[Frame]:
    """Return frames of a clip at ``fps`` [1/s] for ``seconds``.

    A clip that loops starts each cycle at the horizontal position that the previous one reached. Height and heading are
    the clip's own (DeepMimic's rule); with ``turn_on`` the heading continues too. A clip that does not
    loop stays in its last pose.

    Args:
        seconds: length [s]; by default as many cycles as fill four seconds, or the clip once and a second more.

    Raises:
        InputError: the length is not above 0, or is above ten minutes.
    """
    if seconds is None:
        cycles = max(1, math.ceil(_SHORTEST_S / motion.duration))
        seconds = cycles * motion.duration if motion.loop else motion.duration + 1.0
    if not 0 < seconds <= _MOST_SECONDS:
        raise InputError(f"cannot play {seconds:g} s: give a length above 0 and up to {_MOST_SECONDS:g} s")
    time = torch.arange(max(1, round(seconds * fps)), dtype=torch.float64) / fps
    cycle = (time / motion.duration).floor() if motion.loop else torch.zeros_like(time)
    state = sample_motion(motion, character, (time - cycle * motion.duration).clamp(max=motion.duration))
    yaw, place = _cycle_starts(motion, int(cycle[-1]) + 1, turn_on)
    turn = quat_from_yaw(yaw)[cycle.long()]
    state.root_pos_w = quat_rotate(turn, state.root_pos_w) + place[cycle.long()]
    state.root_quat_w = quat_mul(turn, state.root_quat_w)
    bodies = Kinematics(character, "cpu", torch.float64).forward(state)
    return [Frame(float(at), Pose.of(bodies, row), clip=motion.name) for row, at in enumerate(time)]


def _cycle_starts(motion: Motion, cycles: int, turn_on: bool) -> tuple[Tensor, Tensor]:
    """Return the turn (C,) [rad] and then the shift (C, 3) [m] that start each cycle where the previous one ended."""
    flat = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    first, last = motion.root_pos_w[0] * flat, motion.root_pos_w[-1] * flat
    heading = heading_angle(motion.root_quat_w)
    yaw = torch.arange(cycles, dtype=torch.float64) * ((heading[-1] - heading[0]) if turn_on else 0.0)
    place = torch.zeros(cycles, 3, dtype=torch.float64)
    for k in range(1, cycles):
        end = quat_rotate(quat_from_yaw(yaw[k - 1]), last) + place[k - 1]
        place[k] = end - quat_rotate(quat_from_yaw(yaw[k]), first)
    return yaw, place
