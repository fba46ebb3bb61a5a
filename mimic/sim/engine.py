"""The narrow waist between simulators and everything else.

An engine simulates N independent copies of one character on the ground. Nothing of a simulator leaks past this
interface: poses go in and out as :class:`CharacterState`, targets as joint rotations.

Guarantees every engine gives: ``read`` returns fresh tensors on ``device``; copies never influence each other; a copy
that has become non-finite or absurdly fast is reported by ``failed`` after the very ``step`` in which that happened,
stays as it is, and leaves the others' results unchanged to the bit (on a GPU: but for rounding).
"""

from typing import Protocol

import torch
from torch import Tensor

from characters import Character, CharacterState

# DeepMimic throws away episodes in which any link moves faster than 100 m/s or rad/s; so does every engine here.
MAX_VELOCITY = 100.0
MAX_POSITION = 1e5  # [m]: no clip goes that far, and float32 has lost the millimetres long before


class Engine(Protocol):
    """Simulation of N copies of one character."""

    character: Character
    num_envs: int
    device: torch.device
    substeps: int

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Put the copies ``ids`` into ``state``, at rest with respect to the past.

        ``ids`` are indices (K,), with K rows of state; or a mask (N,) bool, with N rows of which those chosen count.
        """

    def set_targets(self, pd_target: Tensor) -> None:
        """Servo targets until the next call, (N, A) [rad]: rotation vectors of ball joints, angles of hinges."""

    def step(self) -> None:
        """Advance every copy by one control step."""

    def read(self) -> CharacterState:
        """The pose and velocity of every copy now."""

    def failed(self) -> Tensor:
        """(N,) bool: copies whose simulation has broken since their last reset."""

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that the future depends on."""

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot as if nothing had happened, to the bit where the engine is deterministic."""

    def raw_step(self) -> None:
        """The simulator alone: the physics steps of one control step and nothing besides, for measuring."""
