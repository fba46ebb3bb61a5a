"""Choice among several clips: the clip of an episode's start, and the clip after each cycle."""

from collections.abc import Callable

import torch
from torch import Tensor

from mimic.tracking.episodes import Episodes

_SWITCH = 0.3  # share of cycles after which a clip is drawn anew
_CLIP_STREAM, _SWITCH_STREAM = 1, 2  # of random numbers; start times are stream 0


class ClipSelection:
    """Random clips, each as likely as any other.

    Attributes:
        num_clips: how many there are.
        first_clip: the clip that episodes start with, one for all or (N,) int64; None: a random one.
        sampler: gives the clips (K,) with which the environments ``rows`` (K,) start, instead of random ones.
    """

    def __init__(self, num_clips: int, episodes: Episodes):
        self.num_clips = num_clips
        self.first_clip: int | Tensor | None = None
        self.sampler: Callable[[Tensor | slice], Tensor] | None = None
        self._episodes = episodes

    def first(self, rows: Tensor | slice) -> Tensor:
        """The clip with which the next episode of the environments ``rows`` starts, (K,) int64."""
        if self.sampler is not None:
            return self.sampler(rows)
        if isinstance(self.first_clip, Tensor):
            return self.first_clip[rows]
        clip = (self._episodes.uniform_of_episode(rows, _CLIP_STREAM) * self.num_clips).long()
        return clip if self.first_clip is None else torch.full_like(clip, self.first_clip)

    def next(self, current: Tensor) -> Tensor:
        """The clip (N,) int64 of each environment's next cycle: ``current`` (N,), or with some probability another."""
        switch = self._episodes.uniform_of_step(_SWITCH_STREAM) < _SWITCH
        other = (self._episodes.uniform_of_step(_CLIP_STREAM) * self.num_clips).long()
        return torch.where(switch, other, current)
