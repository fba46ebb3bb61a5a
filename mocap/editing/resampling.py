"""Which frames a motion has: a part of it, other moments, another frame rate. Positions are lerped, rotations slerped."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from characters.character import Character
from mimic.core.errors import InputError
from mimic.core.rotations import quat_hemisphere, quat_normalize, quat_slerp
from mocap.motion import Motion, check_character
from mocap.skeleton import Assumption, SkeletonMotion


@dataclass(frozen=True, eq=False)
class Interpolation:
    """K moments between the frames of a motion.

    Attributes:
        row: (K,) the frame before each moment; another frame follows it.
        share: (K,) how far the moment is on the way to the next frame, from 0 to 1.
    """

    row: Tensor
    share: Tensor

    @staticmethod
    def at(times: Tensor, moments: Tensor) -> Interpolation:
        """``moments`` (K,) [s] among frames at ``times`` (T,) [s], T at least 2."""
        row = (torch.searchsorted(times, moments, right=True) - 1).clamp(0, len(times) - 2)
        return Interpolation(row, (moments - times[row]) / (times[row + 1] - times[row]))

    def lerp(self, values: Tensor) -> Tensor:
        """Values (T, ...) at the moments, (K, ...)."""
        share = self.share.view(-1, *[1] * (values.dim() - 1))
        return torch.lerp(values[self.row], values[self.row + 1], share)

    def slerp(self, quat: Tensor) -> Tensor:
        """Rotations (T, ..., 4) at the moments, (K, ..., 4). Signs are chosen so that neighbours agree."""
        share = self.share.view(-1, *[1] * (quat.dim() - 2))
        return quat_hemisphere(quat_slerp(quat[self.row], quat[self.row + 1], share))


def cut(motion: Motion, first: int, last: int) -> Motion:
    """Frames ``first`` to ``last``, both included, starting at time 0. The result does not loop."""
    span = slice(first, last + 1)
    return replace(
        motion,
        times=motion.times[span] - motion.times[first],
        root_pos_w=motion.root_pos_w[span],
        root_quat_w=motion.root_quat_w[span],
        joint_quat=motion.joint_quat[span],
        loop=False,
    )


def resample_at(motion: Motion, moments: Tensor) -> Motion:
    """The motion at ``moments`` (K,) [s] within it; the times of the result count from the first moment."""
    return _interpolated(motion, Interpolation.at(motion.times, moments), moments - moments[0])


def resample(motion: Motion, character: Character, fps: float) -> Motion:
    """The motion at ``fps`` [1/s], evenly.

    A cycle becomes a whole number of frames, and so up to half a frame longer or shorter. Any other motion ends with
    its last whole frame.

    Raises:
        InputError: the motion is shorter than a frame, or is not one of this character.
    """
    check_character(motion, character)
    frames = motion.duration * fps
    count = round(frames) if motion.loop else int(frames + 1e-6)
    if count < 1:
        raise InputError(f"{motion.name}: {motion.duration:.3f} s is less than a frame at {fps:g} frames/s")
    step = motion.duration / count if motion.loop else 1.0 / fps
    at = (torch.arange(count + 1, dtype=torch.float64) * step).clamp(max=motion.duration)
    return replace(resample_at(motion, at), times=torch.arange(count + 1, dtype=torch.float64) / fps)


def subdivide(motion: Motion, parts: int) -> Motion:
    """The motion with ``parts`` - 1 more frames in each gap. Frame ``parts * t`` of the result is frame t of the motion."""
    gaps = motion.num_frames - 1
    row = torch.cat((torch.arange(gaps).repeat_interleave(parts), torch.tensor([gaps - 1])))
    share = torch.cat(((torch.arange(parts, dtype=torch.float64) / parts).repeat(gaps), torch.ones(1).double()))

    def lerp(x: Tensor) -> Tensor:
        # torch.lerp rounds differently from half way on, and controllers were trained on clips lifted by these numbers
        start, step = x[row], x.diff(dim=0)[row]
        inner = start + share.view(-1, *[1] * (x.dim() - 1)) * step
        return torch.cat((inner[:-1], x[-1:]))

    fine = Interpolation(row, share)
    return replace(_interpolated(motion, fine, lerp(motion.times)), root_pos_w=lerp(motion.root_pos_w))


def resample_skeleton(motion: SkeletonMotion, fps: float | None = None) -> SkeletonMotion:
    """A skeleton's motion at an even rate [1/s], by default its own mean rate.

    A motion that has the rate already is returned unchanged. The last frame is the last that fits into the duration.
    """
    rate = fps or motion.fps
    if motion.num_frames < 2:
        return motion
    count = int(motion.duration * rate + 1e-6) + 1
    times = torch.arange(count, dtype=torch.float64) / rate
    if count == motion.num_frames and torch.allclose(times, motion.times, rtol=0, atol=1e-3 / rate):
        return motion
    between = Interpolation.at(motion.times, times.clamp(max=motion.duration))
    quat = quat_normalize(between.slerp(motion.quat))
    fps_taken = Assumption(f"{rate!r}", "user", f"resampled from {motion.fps:.3f}")
    conventions = replace(motion.conventions, fps=fps_taken)
    return replace(motion, times=times, quat=quat, pos=between.lerp(motion.pos), conventions=conventions)


def _interpolated(motion: Motion, between: Interpolation, times: Tensor) -> Motion:
    """The motion's poses at other moments, which become ``times`` (K,) [s] of the result."""
    return replace(
        motion,
        times=times,
        root_pos_w=between.lerp(motion.root_pos_w),
        root_quat_w=between.slerp(motion.root_quat_w),
        joint_quat=between.slerp(motion.joint_quat),
    )
