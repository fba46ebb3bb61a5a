"""Choose among several clips: with which clip an episode starts, and which clip follows a cycle."""

from collections.abc import Callable

import torch
from torch import Tensor

from mimic.tracking.episodes import Episodes

_SWITCH = 0.3  # share of cycles after which a clip is drawn anew
_CLIP_STREAM, _SWITCH_STREAM = 1, 2  # of random numbers; start times are stream 0


class ClipSelection:
    """Draws clips at random, each with the same probability unless ``draw`` is replaced.

    Attributes:
        num_clips: number of clips.
        first_clip: index of the clip that episodes start with, one for all or (N,) int64; None: a random clip.
        draw: function from uniform random numbers (K,) in [0, 1) to the clips (K,) int64 with which episodes start.
        sampler: function that returns the clips (K,) int64 with which the environments ``rows`` (K,) start; None:
            ``first_clip`` decides.
    """

    def __init__(self, num_clips: int, episodes: Episodes):
        self.num_clips = num_clips
        self.first_clip: int | Tensor | None = None
        self.sampler: Callable[[Tensor | slice], Tensor] | None = None
        self.draw: Callable[[Tensor], Tensor] = self._evenly
        self._episodes = episodes

    def first(self, rows: Tensor | slice) -> Tensor:
        """Return the clip (K,) int64 with which the next episode of each of the environments ``rows`` starts."""
        if self.sampler is not None:
            return self.sampler(rows)
        if isinstance(self.first_clip, Tensor):
            return self.first_clip[rows]
        clip = self.draw(self._episodes.uniform_of_episode(rows, _CLIP_STREAM))
        return clip if self.first_clip is None else torch.full_like(clip, self.first_clip)

    def next(self, current: Tensor) -> Tensor:
        """Return the clip (N,) int64 of each environment's next cycle.

        This is the clip ``current`` (N,), or with probability 0.3 a clip drawn anew.
        """
        switch = self._episodes.uniform_of_step(_SWITCH_STREAM) < _SWITCH
        other = self._evenly(self._episodes.uniform_of_step(_CLIP_STREAM))
        return torch.where(switch, other, current)

    def _evenly(self, uniform: Tensor) -> Tensor:
        return (uniform * self.num_clips).long()
