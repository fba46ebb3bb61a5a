"""A recording as retargeting reads it: joints in space, z up, in metres, independent of the file format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from mimic.core.errors import ClipError
from mimic.core.rotations import quat_hemisphere, quat_normalize, quat_rotate
from mocap.editing import Interpolation
from mocap.skeleton import KeypointMotion, SkeletonMotion

_SHORTEST_CYCLE, _LONGEST_CYCLE = 8, 1000  # frames
_APART = 0.01  # of the figure's size: between the ends of a cycle


@dataclass(frozen=True, eq=False)
class Source:
    """A recording of T frames of J joints, float64.

    Attributes:
        name: name of the clip.
        names: names of the J joints.
        parents: index of each joint's parent, -1 for the root, parents first.
        times: (T,) [s], growing from 0.
        pos_w: (T, J, 3) [m].
        quat_w: (T, J, 4) wxyz, or None if only positions were recorded.
        license: the licence text of the clip.
        rest_w: (J, 3) [m] positions at the file's rest pose; None if the file has none.
        rest_quat_w: (J, 4) wxyz at the rest pose, or None.
        hand_keyed: whether its travel was recovered from its feet, which may slide although they stand.
    """

    name: str
    names: tuple[str, ...]
    parents: tuple[int, ...]
    times: Tensor
    pos_w: Tensor
    quat_w: Tensor | None
    source: str = ""
    license: str = ""
    rest_w: Tensor | None = None
    rest_quat_w: Tensor | None = None
    hand_keyed: bool = False

    @staticmethod
    def of(clip: SkeletonMotion | KeypointMotion) -> Source:
        """Make a source from a clip; end sites become joints.

        Raises ClipError if a point is missing in some frame, or if there is only one frame.
        """
        if clip.num_frames < 2:
            raise ClipError(f"{clip.name}: {clip.num_frames} frame; a motion needs at least two")
        if isinstance(clip, KeypointMotion):
            if not clip.seen.all():
                lost = [name for name, seen in zip(clip.names, clip.seen.all(0).tolist(), strict=True) if not seen]
                raise ClipError(
                    f"{clip.name}: points missing in some frames: {', '.join(lost[:8])}; fill these gaps, or cut "
                    "the file to frames without gaps"
                )
            parents = clip.parents or (-1,) * len(clip.names)
            return Source(clip.name, clip.names, parents, clip.times, clip.pos_w, None, clip.source, clip.license)
        skeleton = clip.skeleton
        pos, quat = clip.bones_w()
        tips = list(skeleton.end_site_parents)
        names = (*skeleton.names, *(f"{skeleton.names[parent]}_End" for parent in tips))
        pos, quat = torch.cat((pos, clip.end_sites_w()), 1), torch.cat((quat, quat[:, tips]), 1)
        parents = (*skeleton.parents, *tips)
        rest, turned = skeleton.rest_positions(), skeleton.rest_orientations()
        ends = rest[tips] + quat_rotate(turned[tips], skeleton.end_site_offsets)
        rest, turned = torch.cat((rest, ends)), torch.cat((turned, turned[tips]))
        return Source(clip.name, names, parents, clip.times, pos, quat, clip.source, clip.license, rest, turned)

    def picked(self, joints: Sequence[int], parents: Sequence[int]) -> Source:
        """Return the recording of some joints, in this order, with these parents."""
        at = list(joints)
        return replace(
            self,
            names=tuple(self.names[j] for j in at),
            parents=tuple(parents),
            pos_w=self.pos_w[:, at],
            quat_w=None if self.quat_w is None else self.quat_w[:, at],
            rest_w=None if self.rest_w is None else self.rest_w[at],
            rest_quat_w=None if self.rest_quat_w is None else self.rest_quat_w[at],
        )

    def __len__(self) -> int:
        return len(self.times)

    @property
    def fps(self) -> float:
        """Mean frame rate [1/s]."""
        return (len(self) - 1) / float(self.times[-1])

    def cut(self, first: int, last: int) -> Source:
        """Return frames ``first`` to ``last``, both included, starting at time 0."""
        span = slice(first, last + 1)
        quat = None if self.quat_w is None else self.quat_w[span]
        return replace(self, times=self.times[span] - self.times[first], pos_w=self.pos_w[span], quat_w=quat)

    @property
    def is_cycle(self) -> bool:
        """Whether the last frame has the pose of the first, somewhere else on the ground perhaps, and its velocity."""
        if not _SHORTEST_CYCLE <= len(self) <= _LONGEST_CYCLE:
            return False
        size = float((self.pos_w.amax(1) - self.pos_w.amin(1)).norm(dim=-1).median())
        shape = self.pos_w - self._cycle_step() * (self.times / self.times[-1])[:, None, None]
        steps = (shape[1:] - shape[:-1]).norm(dim=-1)
        jump = ((shape[1] - shape[0]) - (shape[-1] - shape[-2])).norm(dim=-1)
        apart = (shape[-1] - shape[0]).norm(dim=-1)
        return bool(apart.max() < _APART * size) and bool(jump.max() < _APART * size + 0.5 * steps.amax())

    def repeated(self, cycles: int) -> Source:
        """Return so many copies of a cycle, each where the one before ended."""
        last = len(self) - 1
        rows = torch.arange(cycles * last + 1)
        cycle, frame = (rows // last).double(), rows % last
        pos = self.pos_w[frame] + cycle[:, None, None] * self._cycle_step()
        quat = None if self.quat_w is None else self.quat_w[frame]
        return replace(self, times=self.times[frame] + cycle * self.times[-1], pos_w=pos, quat_w=quat)

    def _cycle_step(self) -> Tensor:
        """Return the displacement (3,) [m] over the ground of the joints' middle, from the first frame to the last."""
        return (self.pos_w[-1] - self.pos_w[0]).mean(0) * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)

    def denser(self, parts: int) -> Source:
        """Return the recording with each frame divided into ``parts`` by cubic splines, which keep it smooth."""
        at = torch.linspace(0, len(self) - 1, (len(self) - 1) * parts + 1, dtype=torch.float64)

        def spline(rows: Tensor) -> Tensor:
            return torch.from_numpy(CubicSpline(np.arange(len(rows)), rows.numpy())(at.numpy()))

        quat = None if self.quat_w is None else quat_normalize(spline(quat_hemisphere(self.quat_w)))
        return replace(self, times=spline(self.times), pos_w=spline(self.pos_w), quat_w=quat)

    def resampled(self, fps: float) -> Source:
        """Resample at ``fps`` [1/s], positions by lerp and rotations by slerp. The end may be up to a frame shorter."""
        count = int(float(self.times[-1]) * fps + 1e-6) + 1
        times = torch.arange(max(count, 2), dtype=torch.float64) / fps
        times = times.clamp(max=float(self.times[-1]))
        between = Interpolation.at(self.times, times)
        pos, quat = between.lerp(self.pos_w), None if self.quat_w is None else between.slerp(self.quat_w)
        return replace(self, times=times, pos_w=pos, quat_w=quat)
