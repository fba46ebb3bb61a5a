"""Targets for a part of the character in every frame; ``|`` merges the targets of two parts."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class PartialTargets:
    """Targets of some key bodies over T frames, in world axes.

    Attributes:
        pos: position (T, 3) [m] of each role.
        quat: orientation (T, 4) wxyz of each body, by index.
        contact: (T,) bool for each role: whether it stands on the ground.
    """

    pos: dict[str, Tensor] = field(default_factory=dict)
    quat: dict[int, Tensor] = field(default_factory=dict)
    contact: dict[str, Tensor] = field(default_factory=dict)

    def __or__(self, other: PartialTargets) -> PartialTargets:
        """Return the union of both; entries of ``other`` take precedence."""
        return PartialTargets(self.pos | other.pos, self.quat | other.quat, self.contact | other.contact)
