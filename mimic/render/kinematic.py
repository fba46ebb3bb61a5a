"""A clip as frames to draw: played as it is, without physics."""

from __future__ import annotations

import math

import torch

from characters import Character, Kinematics
from characters.errors import InputError
from mimic.env.reference import sample_motion
from mimic.render.scene import Frame, Pose
from mocap.motion import Motion

_SHORTEST_S = 4.0
_MOST_SECONDS = 600.0


def motion_frames(motion: Motion, character: Character, seconds: float | None = None, fps: float = 30.0) -> list[Frame]:
    """The clip at ``fps`` [1/s] for ``seconds``; a looping clip.

    Each cycle starts at the horizontal place the last one reached, at the clip's own height and heading (DeepMimic's
    rule, facts: imitation 2.1). A clip that does not loop stays in its last pose.

    Args:
        seconds: length; by default whole cycles that fill at least four seconds, or the clip once and a second more.

    Raises:
        InputError: a length that is not positive or is longer than ten minutes.
    """
    if seconds is None:
        cycles = max(1, math.ceil(_SHORTEST_S / motion.duration))
        seconds = cycles * motion.duration if motion.loop else motion.duration + 1.0
    if not 0 < seconds <= _MOST_SECONDS:
        raise InputError(f"cannot play {seconds:g} s: give a length above 0 and up to {_MOST_SECONDS:g} s")
    time = torch.arange(max(1, round(seconds * fps)), dtype=torch.float64) / fps
    cycle = (time / motion.duration).floor() if motion.loop else torch.zeros_like(time)
    state = sample_motion(motion, character, (time - cycle * motion.duration).clamp(max=motion.duration))
    step = (motion.root_pos_w[-1] - motion.root_pos_w[0]) * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    state.root_pos_w = state.root_pos_w + cycle[:, None] * step
    bodies = Kinematics(character, "cpu", torch.float64).forward(state)
    return [Frame(float(at), Pose.of(bodies, row), clip=motion.name) for row, at in enumerate(time)]
