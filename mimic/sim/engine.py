"""The interface through which the rest of the program uses a simulator.

An engine simulates N independent copies of one character on the ground. Callers never see a simulator's own types:
poses are passed as :class:`CharacterState`, servo targets as joint rotations.

Guarantees of every engine:

* ``read`` returns fresh tensors on ``device``;
* copies never influence each other;
* ``failed`` reports a copy right after the ``step`` in which it became non-finite or faster than ``MAX_VELOCITY``;
* a failed copy is reset only by ``reset``, and changes no bit of the other copies' results (on a GPU: only rounding).

In shapes, N is the number of copies. A is the number of actuated degrees of freedom: three for a ball joint, one for a
hinge. K is the number of copies that a call selects.

A new engine is one file: a class that derives from :class:`Engine` and is decorated with ``@ENGINES.register("NAME")``.
The file is ``mimic/sim/engines/NAME.py``, or belongs to a plugin (``mimic.core.registry``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from characters import Character, CharacterState

# DeepMimic throws away episodes in which any link moves faster than 100 m/s or rad/s; so does every engine here.
MAX_VELOCITY = 100.0
MAX_POSITION = 1e5  # [m]: no clip goes that far, and float32 has lost the millimetres long before


class Engine(Protocol):
    """Simulation of N copies of one character.

    Attributes:
        devices: devices that the engine can run on: "cpu", "cuda" or both.
        deterministic_on: those of ``devices`` on which the same calls give the same bits.
        startup_note: a line that is shown to the user before the engine is first used; "" for none.
        device: device of this engine's tensors.
        substeps: physics steps in a control step, at each of which the servo's torque is renewed.
    """

    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    deterministic_on: ClassVar[tuple[str, ...]] = ("cpu",)
    startup_note: ClassVar[str] = ""
    character: Character
    num_envs: int
    device: torch.device
    substeps: int

    @classmethod
    def check_device(cls, device: str) -> None:
        """Raise InputError if a device that torch has cannot be used by this engine."""
        return

    @classmethod
    def create(cls, character: Character, num_envs: int, threads: int, device: str) -> Self:
        """Make an engine of ``num_envs`` copies of a character on ``device``.

        ``threads`` 0 means all cores; an engine may ignore it.
        """

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Set the copies ``ids`` to ``state`` and clear their solver's warm start, controls and failure flags.

        ``ids`` are indices (K,) with K rows of state, or a mask (N,) bool with N rows, of which the masked rows are used.
        """

    def set_targets(self, pd_target: Tensor) -> None:
        """Set the servo targets (N, A) [rad]: rotation vectors of ball joints, angles of hinges."""

    def step(self) -> None:
        """Advance every copy by one control step."""

    def read(self) -> CharacterState:
        """Return the current pose and velocity of every copy."""

    def failed(self) -> Tensor:
        """Return (N,) bool: copies that have become non-finite, or faster than ``MAX_VELOCITY``, since their last reset."""

    def snapshot(self) -> dict[str, Tensor]:
        """Return all tensors that determine later steps, by name, cloned."""

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot. The engine's docstring says whether later steps are then the same to the bit."""

    def physics_step(self) -> None:
        """Advance the simulator by the physics steps of one control step, without servo or checks (for benchmarks)."""

    def details(self) -> dict[str, int]:
        """Return figures of this engine for a benchmark's report: substeps, and others such as threads."""
        return {"substeps": self.substeps}
