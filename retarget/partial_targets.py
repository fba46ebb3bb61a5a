"""Targets for a part of the character, frame by frame; two parts are merged with ``|``."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class PartialTargets:
    """Some key bodies over T frames, world axes.

    Attributes:
        pos: role -> (T, 3) [m].
        quat: body index -> orientation (T, 4) wxyz.
        contact: role -> (T,) bool, whether it stands on the ground.
    """

    pos: dict[str, Tensor] = field(default_factory=dict)
    quat: dict[int, Tensor] = field(default_factory=dict)
    contact: dict[str, Tensor] = field(default_factory=dict)

    def __or__(self, other: PartialTargets) -> PartialTargets:
        """The union of both; entries of ``other`` win."""
        return PartialTargets(self.pos | other.pos, self.quat | other.quat, self.contact | other.contact)
