"""Starts of training episodes shortly before a jump, in the states that a controller reached.

A clip's own pose is too easy a start: a controller that performs the clip arrives late, tilted and turned.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from characters import CharacterState
from mimic.motion_graph.conductor import Conductor


@dataclass(frozen=True, eq=False)
class PlayedStarts:
    """M states, sorted by the clip that was performed.

    Attributes:
        sim: (M,) states of the simulated characters.
        conductor: their rows (M, ...) of ``Conductor.state``.
        first, count: (K,) int64, first state of each clip, and their number.
    """

    sim: CharacterState
    conductor: dict[str, Tensor]
    first: Tensor
    count: Tensor

    @classmethod
    def of(cls, sim: CharacterState, conductor: dict[str, Tensor], clip: Tensor, num_clips: int) -> "PlayedStarts":
        """Sort states (M,) by the clips ``clip`` (M,) int64 in which they were reached."""
        order = clip.argsort(stable=True)
        count = torch.bincount(clip, minlength=num_clips)
        return cls(
            sim[order], {name: value[order] for name, value in conductor.items()}, count.cumsum(0) - count, count
        )

    def begin(self, conductor: Conductor, rows: Tensor, clip: Tensor, uniform: Tensor) -> CharacterState:
        """Let the characters ``rows`` (R,) begin in states of their clips ``clip`` (R,), and return these states.

        ``uniform`` (R,) in [0, 1) chooses among the states. Every clip needs one.
        """
        chosen = self.first[clip] + (uniform * self.count[clip]).long()
        for name, value in conductor.state().items():
            value[rows] = self.conductor[name][chosen]
        return self.sim[chosen]
