"""The pose and velocity of N copies of a character: the one value that clips, engines, rewards and learners exchange.

The simulated state and the reference state are of this one type, in the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class CharacterState:
    """Pose and velocity of N characters with J moving joints and A actuated degrees of freedom.

    Attributes:
        root_pos_w: (N, 3) [m].
        root_quat_w: (N, 4) wxyz.
        root_linvel_w: (N, 3) [m/s], world axes.
        root_angvel_w: (N, 3) [rad/s], world axes.
        joint_quat: (N, J, 4) wxyz, child in its parent's frame; a hinge is a turn about its axis.
        joint_vel: (N, A) [rad/s]; a hinge's rate, or a ball joint's angular velocity in the child's frame.
    """

    root_pos_w: Tensor
    root_quat_w: Tensor
    root_linvel_w: Tensor
    root_angvel_w: Tensor
    joint_quat: Tensor
    joint_vel: Tensor

    def __len__(self) -> int:
        return len(self.root_pos_w)

    def __getitem__(self, ids: Tensor | slice) -> CharacterState:
        return self._map(lambda x: x[ids])

    def assign(self, ids: Tensor, other: CharacterState) -> None:
        """Overwrite the characters at the indices ``ids`` in place with the characters of ``other``, in their order."""
        for field in fields(self):
            getattr(self, field.name)[ids] = getattr(other, field.name)

    def to(self, *args: object) -> CharacterState:
        """Return the state with every tensor converted by ``Tensor.to(*args)``, as to a device or a type."""
        return self._map(lambda x: x.to(*args))  # type: ignore[call-overload]

    def clone(self) -> CharacterState:
        """Return a copy that shares no memory with the original."""
        return self._map(torch.clone)

    def finite(self) -> Tensor:
        """Return (N,) bool: whether a character's state is free of NaN and infinity."""
        ok = [torch.isfinite(getattr(self, f.name)).flatten(1).all(1) for f in fields(self)]
        return torch.stack(ok).all(0)

    @staticmethod
    def cat(states: Sequence[CharacterState]) -> CharacterState:
        """Concatenate the characters of several states."""
        return CharacterState(*(torch.cat([getattr(s, f.name) for s in states]) for f in fields(CharacterState)))

    def _map(self, function: Callable[[Tensor], Tensor]) -> CharacterState:
        return CharacterState(*(function(getattr(self, f.name)) for f in fields(self)))
