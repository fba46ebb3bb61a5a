"""A long list of small operations as one launch.

Each operation costs a GPU's host some microseconds, whatever it does. Where the work is small and the same every time, it is
recorded once as a CUDA graph and replayed from then on (Gray, *Getting started with CUDA graphs*, NVIDIA 2019).
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_REHEARSALS = 3  # plain calls before a recording: libraries start up and optimisers make their state in them
_MOST = 4  # recordings of one function, for inputs of different shapes; one more, and the oldest goes


class Recorder(Protocol):
    """What can record: CUDA; in the tests a tape of the CPU's operations."""

    def rehearse(self, function: Callable[[], T]) -> T:
        """Call ``function`` where it may be recorded next."""

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Call ``function`` without doing any of it; its results, and what does it and renews them."""


class CudaGraphs:
    """Records on a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def rehearse(self, function: Callable[[], T]) -> T:
        """On another stream, so that nothing remembers the one that must not be recorded."""
        now = torch.cuda.current_stream(self._device)
        self._aside.wait_stream(now)
        try:
            with torch.cuda.stream(self._aside):
                return function()
        finally:
            now.wait_stream(self._aside)

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """As one CUDA graph; other threads may go on meanwhile."""
        graph, now = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        try:
            with torch.cuda.graph(graph, stream=self._aside, capture_error_mode="thread_local"):
                result = function()
        finally:
            torch.cuda.set_stream(now)  # which torch forgets where a recording fails
        return result, graph.replay


def recorder(device: torch.device) -> Recorder | None:
    """What records on ``device``; None where there is nothing to gain."""
    return CudaGraphs(device) if device.type == "cuda" else None


class Recorded(Generic[T]):
    """``function``, called plainly a few times and then replayed.

    It must do the same at every call: read nothing back from the device, send nothing to it, and take no decision on a value.
    What it reads besides its inputs must lie in tensors that stay where they are. What it gives is overwritten by its next
    call. A function that cannot be recorded is called plainly, after a warning.
    """

    def __init__(self, function: Callable[..., T], using: Recorder | None) -> None:
        self._function, self._using = function, using
        self._calls = 0
        self._takes: dict[object, tuple[list[Tensor], T, Callable[[], None]]] = {}

    def __call__(self, *inputs: Tensor) -> T:
        """The function of ``inputs``."""
        if self._using is None:
            return self._function(*inputs)
        if self._calls < _REHEARSALS:
            self._calls += 1
            return self._using.rehearse(lambda: self._function(*inputs))
        key = tuple((x.shape, x.dtype) for x in inputs)
        if key not in self._takes and not self._record(self._using, key, inputs):
            return self._function(*inputs)
        mine, result, replay = self._takes[key]
        for kept, given in zip(mine, inputs, strict=True):
            kept.copy_(given)
        replay()
        return result

    def _record(self, using: Recorder, key: object, inputs: tuple[Tensor, ...]) -> bool:
        if len(self._takes) == _MOST:
            del self._takes[next(iter(self._takes))]
        mine = [x.clone() for x in inputs]
        try:
            self._takes[key] = mine, *using.record(lambda: self._function(*mine))
        except RuntimeError as error:
            self._using = None
            self._takes.clear()  # and with them the memory they hold
            named = self._function.func if isinstance(self._function, partial) else self._function
            name = getattr(named, "__qualname__", named)
            why = error.__context__ or error  # that the recording ended in an error says less than the error
            warnings.warn(f"{name} is not recorded as a CUDA graph, and slower without: {why}", stacklevel=3)
        return self._using is not None
