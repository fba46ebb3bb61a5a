"""CUDA graphs without a GPU: operations of the CPU written down, and done again by replaying them.

As with a CUDA graph nothing is done while it is recorded, a replay runs no Python, works on the same memory, and whatever
would make a GPU's host wait cannot be recorded.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

T = TypeVar("T")

FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "unique", "lift_fresh", "is_nonzero")


class Tape(TorchDispatchMode):
    """The operations within, written down, and what memory held before they overwrote it."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple, dict, list[Tensor]]] = []
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in FORBIDDEN:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        for tensor in _written(func, args, kwargs):
            self._remember(tensor)
        out = func(*args, **kwargs)
        results = _tensors(out)
        self._made |= {_place(x) for x in results} - {_place(x) for x in _tensors((args, kwargs))}
        self.operations.append((func, args, kwargs, results))
        return out

    def _remember(self, tensor: Tensor) -> None:
        place = _place(tensor)
        if place not in self._made and place not in self._before:
            whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
            self._before[place] = whole, whole.clone()

    def undo(self) -> None:
        """Everything as it was before the recording; what was made in it holds garbage."""
        for _, _, _, results in self.operations:
            for x in results:
                if _place(x) in self._made:
                    x.detach().fill_(True if x.dtype == torch.bool else 77)
        for whole, content in self._before.values():
            whole.copy_(content)

    @torch.no_grad()
    def replay(self) -> None:
        """Do it again, in the same memory."""
        for func, args, kwargs, results in self.operations:
            if func.is_view:
                continue
            again = _tensors(func(*args, **kwargs))
            for kept, new in zip(results, again, strict=True):
                if kept.data_ptr() != new.data_ptr():
                    kept.detach().copy_(new)


def _written(func: Any, args: tuple, kwargs: dict) -> list[Tensor]:
    """The arguments that ``func`` changes."""
    names = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    position = {a.name: i for i, a in enumerate(func._schema.arguments)}
    given = [kwargs[n] if n in kwargs else args[position[n]] for n in names if n in kwargs or position[n] < len(args)]
    return _tensors(given)


def _tensors(values: Any) -> list[Tensor]:
    return [x for x in tree_leaves(values) if isinstance(x, Tensor)]


def _place(tensor: Tensor) -> int:
    """The memory a tensor is a view of."""
    return tensor.untyped_storage().data_ptr()


class FakeGraphBackend:
    """Counts what it recorded."""

    def __init__(self) -> None:
        self.tapes: list[Tape] = []
        self.replays = 0

    def warm_up(self, function: Callable[[], T]) -> T:
        return function()

    def capture(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        tape = Tape()
        try:
            with tape:
                result = function()
        finally:
            tape.undo()
        self.tapes.append(tape)

        def replay() -> None:
            self.replays += 1
            tape.replay()

        return result, replay
