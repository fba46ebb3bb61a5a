"""The interface of simulators: the rest of the program uses engines only through it.

An engine simulates N independent copies of one character on the ground. Nothing of a simulator leaks past this
interface: poses go in and out as :class:`CharacterState`, targets as joint rotations.

Guarantees of every engine:

* ``read`` returns fresh tensors on ``device``;
* copies never influence each other;
* ``failed`` reports a copy right after the ``step`` in which it became non-finite or faster than ``MAX_VELOCITY``;
* a failed copy keeps its state, and the results of the others are the same to the bit (on a GPU: to rounding).

A new engine is one file: a class that derives from :class:`Engine` and registers itself,
``@ENGINES.register("NAME")``. The file lies in ``mimic/sim/engines/NAME.py``, or in a plugin (``mimic.core.registry``).
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
        devices: devices that the engine can run on, of "cpu" and "cuda".
        deterministic_on: those of ``devices`` on which the same calls give the same bits.
        startup_note: a line for the user before the engine is first used; "" if there is nothing to say.
        device: where this engine's tensors lie.
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
    def create(cls, character: Character, num_envs: int, threads: int, device: str) -> Self:
        """``num_envs`` copies of a character on ``device``; ``threads`` 0 means all cores, and may be ignored."""

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Set the copies ``ids`` to ``state`` and clear their warm start, controls and failure flags.

        ``ids`` are indices (K,), with K rows of state; or a mask (N,) bool, with N rows of which the masked ones count.
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
        """Copies of all tensors that determine later steps."""

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot. The engine's docstring says whether the continuation is the same to the bit."""

    def physics_step(self) -> None:
        """Advance the simulator by the physics steps of one control step, without servo and checks; for benchmarks."""

    def details(self) -> dict[str, int]:
        """Facts of this engine for a benchmark's report: substeps, threads, lost contacts."""
        return {"substeps": self.substeps}
