"""Cuts and resamples motions: a span of frames, other moments, another frame rate.

Positions are interpolated linearly, rotations spherically (slerp).
"""

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
    """The positions of K moments between the frames of a motion.

    Attributes:
        row: (K,) index of the frame before each moment, never the last frame.
        share: (K,) position of the moment between that frame and the next, from 0 to 1.
    """

    row: Tensor
    share: Tensor

    @staticmethod
    def at(times: Tensor, moments: Tensor) -> Interpolation:
        """Locate ``moments`` (K,) [s] among frames at ``times`` (T,) [s], with T at least 2."""
        row = (torch.searchsorted(times, moments, right=True) - 1).clamp(0, len(times) - 2)
        return Interpolation(row, (moments - times[row]) / (times[row + 1] - times[row]))

    def lerp(self, values: Tensor) -> Tensor:
        """Interpolate values (T, ...) at the moments; return (K, ...)."""
        share = self.share.view(-1, *[1] * (values.dim() - 1))
        return torch.lerp(values[self.row], values[self.row + 1], share)

    def slerp(self, quat: Tensor) -> Tensor:
        """Interpolate rotations (T, ..., 4) at the moments; return (K, ..., 4) without sign flips between neighbours."""
        share = self.share.view(-1, *[1] * (quat.dim() - 2))
        return quat_hemisphere(quat_slerp(quat[self.row], quat[self.row + 1], share))


def cut(motion: Motion, first: int, last: int) -> Motion:
    """Return frames ``first`` to ``last``, both included, starting at time 0. The result does not loop."""
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
    """Return the motion's poses at ``moments`` (K,) [s]; the times of the result count from the first moment."""
    return _interpolated(motion, Interpolation.at(motion.times, moments), moments - moments[0])


def resample(motion: Motion, character: Character, fps: float) -> Motion:
    """Resample a motion to the even rate ``fps`` [1/s].

    A cycle becomes a whole number of frames, and so up to half a frame longer or shorter. Any other motion ends with
    its last whole frame.

    Raises:
        InputError: the motion is shorter than a frame, or belongs to another character.
    """
    check_character(motion, character)
    frames = motion.duration * fps
    count = round(frames) if motion.loop else int(frames + 1e-6)
    if count < 1:
        raise InputError(
            f"{motion.name}: {motion.duration:.3f} s is less than a frame at {fps:g} frames/s; give a higher rate"
        )
    step = motion.duration / count if motion.loop else 1.0 / fps
    at = (torch.arange(count + 1, dtype=torch.float64) * step).clamp(max=motion.duration)
    return replace(resample_at(motion, at), times=torch.arange(count + 1, dtype=torch.float64) / fps)


def subdivide(motion: Motion, parts: int) -> Motion:
    """Insert ``parts`` - 1 frames between every two neighbours; frame t of the motion becomes frame ``parts * t``."""
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
    """Resample a skeleton's motion to an even rate [1/s], by default its own mean rate.

    A motion that has the rate already is returned unchanged. The result is never longer than the motion.
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
    """Return the motion's poses at K other moments; ``times`` (K,) [s] become the times of the result."""
    return replace(
        motion,
        times=times,
        root_pos_w=between.lerp(motion.root_pos_w),
        root_quat_w=between.slerp(motion.root_quat_w),
        joint_quat=between.slerp(motion.joint_quat),
    )
