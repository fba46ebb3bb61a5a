"""Lifts a motion out of the ground, because contact forces throw a simulation out that starts inside the ground.

Only the root's height changes, by a smooth curve that is never negative.
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import convolve1d, maximum_filter1d
from torch import Tensor

from characters.character import Character
from characters.kinematics import Kinematics
from characters.state import CharacterState
from mocap.editing import subdivide
from mocap.motion import Motion, check_character

_CHECKS_PER_S = 240  # the pose is examined between frames too, since limbs swing in arcs there
_MAX_PARTS = 16
_SMOOTHING_S = 0.1  # half a window: a dip is lifted from twice this long before it to twice this long after


def lift_penetration(motion: Motion, character: Character) -> Motion:
    """Return the motion with its root raised so that no collision geom is below z = 0; between frames, none by over 0.1 mm.

    The lift is the running maximum of the depth below ground, averaged over the same window. It is smooth, never less
    than the depth, and periodic if the motion loops. A motion that stays above the ground is returned unchanged. Raises
    ClipError if the motion belongs to another character.
    """
    check_character(motion, character)
    parts = min(_MAX_PARTS, max(1, round(_CHECKS_PER_S / motion.fps)))
    fine_heights = lowest_heights(subdivide(motion, parts), character)
    lift = _smooth_envelope(_depth_around_frames(fine_heights, parts), motion)
    raised = motion.root_pos_w.clone()
    raised[:, 2] += lift
    return replace(motion, root_pos_w=raised)


def lowest_heights(motion: Motion, character: Character) -> Tensor:
    """Return the height (T,) [m] of the lowest point of all collision geoms in each frame."""
    state = CharacterState(
        root_pos_w=motion.root_pos_w,
        root_quat_w=motion.root_quat_w,
        root_linvel_w=torch.zeros_like(motion.root_pos_w),
        root_angvel_w=torch.zeros_like(motion.root_pos_w),
        joint_quat=motion.joint_quat,
        joint_vel=motion.root_pos_w.new_zeros(motion.num_frames, character.num_actuated),
    )
    kinematics = Kinematics(character, motion.root_pos_w.device, motion.root_pos_w.dtype)
    return kinematics.lowest_points(kinematics.forward(state)).amin(1)


def _depth_around_frames(fine_heights: Tensor, parts: int) -> Tensor:
    """Return the greatest depth (T,) [m] below ground in each frame and in the gaps on both sides of it, at least 0.

    ``fine_heights`` are lowest heights [m] at the frames and between them; ``parts`` is the number of steps in a gap.
    """
    depth = (-fine_heights).clamp_min(0.0)
    in_gap = depth[:-1].view(-1, parts).amax(1)
    before, after = torch.cat((depth[:1], in_gap)), torch.cat((in_gap, depth[-1:]))
    return torch.stack((before, after, depth[::parts])).amax(0)


def _smooth_envelope(depth: Tensor, motion: Motion) -> Tensor:
    """Return a smooth curve (T,) [m] that is nowhere below ``depth``: a moving average of its moving maximum."""
    values = depth.numpy().copy()
    if motion.loop:  # the last frame is the first of the next cycle: one value for both, and the curve goes round
        values[0] = max(values[0], values[-1])
        values = values[:-1]
    mode = "wrap" if motion.loop else "nearest"
    radius = max(1, round(_SMOOTHING_S * motion.fps))
    weights = np.hanning(2 * radius + 3)[1:-1]
    highest = maximum_filter1d(values, 2 * radius + 1, mode=mode)
    lift = convolve1d(highest, weights / weights.sum(), mode=mode)
    lift = np.maximum(lift, values)  # mends rounding only
    return torch.from_numpy(np.append(lift, lift[0]) if motion.loop else lift)
