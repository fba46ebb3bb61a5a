"""CUDA graphs: launch many small GPU operations at once.

Every launch costs the host some microseconds. A function that launches the same small operations at every call is
therefore captured once as a CUDA graph, then replayed (Gray, *Getting started with CUDA graphs*, NVIDIA 2019).
"""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_WARM_UPS = 3  # plain calls before a capture: libraries start up and optimisers make their state in them
_MAX_CAPTURES = 4  # of one function, for inputs of different shapes; one more, and the oldest is dropped


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage first and none inside: the collector may free an old graph, which CUDA refuses in a capture."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def use_full_float32() -> None:
    """Switch TF32 off for matrix products, with a warning if it was on.

    With its 10 bits of mantissa, kinematics would be off by a millimetre. NVIDIA's containers switch it on by
    ``TORCH_ALLOW_TF32_CUBLAS_OVERRIDE``.
    """
    if torch.get_float32_matmul_precision() != "highest" or torch.backends.cuda.matmul.allow_tf32:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.allow_tf32 = False
        warnings.warn("TF32 was on and is switched off: it would move bodies by up to a millimetre", stacklevel=2)


class GraphBackend(Protocol):
    """The interface of an object that captures functions as graphs: CUDA's, or a fake one for tests on the CPU."""

    def warm_up(self, function: Callable[[], T]) -> T:
        """Call ``function`` on the stream that will capture it."""

    def capture(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Capture ``function`` without executing its operations.

        Returns:
            The function's result, whose tensors hold garbage until the first replay, and a function that replays.
        """


class CudaGraphs:
    """Captures CUDA graphs on a side stream of one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._side_stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, function: Callable[[], T]) -> T:
        """Call ``function`` on the side stream, so that libraries prepare for the stream of the capture."""
        current = torch.cuda.current_stream(self._device)
        self._side_stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._side_stream):
                return function()
        finally:
            current.wait_stream(self._side_stream)

    def capture(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Capture ``function`` as one CUDA graph; other threads may use the device meanwhile."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        try:
            with (
                no_garbage_collection(),
                torch.cuda.graph(graph, stream=self._side_stream, capture_error_mode="thread_local"),
            ):
                result = function()
        finally:
            torch.cuda.set_stream(current)  # torch does not restore it if a capture fails
        return result, graph.replay


def graph_backend(device: torch.device) -> GraphBackend | None:
    """Return the backend that captures on ``device``; None on the CPU, where graphs bring no speed."""
    return CudaGraphs(device) if device.type == "cuda" else None


class GraphedCallable(Generic[T]):
    """Calls ``function`` directly a few times, then captures it as a CUDA graph and replays the graph.

    The function must launch the same operations at every call. It may not copy values between device and host, or branch
    on the values of tensors. Apart from its inputs it may read only tensors that are updated in place. The next call
    overwrites the result. A function that cannot be captured is called directly, after a warning.
    """

    def __init__(self, function: Callable[..., T], backend: GraphBackend | None) -> None:
        self._function, self._backend = function, backend
        self._calls = 0
        self._captures: dict[object, tuple[list[Tensor], T, Callable[[], None]]] = {}

    @property
    def num_captures(self) -> int:
        """Number of captured graphs, one for each set of input shapes."""
        return len(self._captures)

    def __call__(self, *inputs: Tensor) -> T:
        """Return ``function(*inputs)``, by a replayed graph once it is captured; the next call overwrites the result."""
        if self._backend is None:
            return self._function(*inputs)
        if self._calls < _WARM_UPS:
            self._calls += 1
            return self._backend.warm_up(lambda: self._function(*inputs))
        key = tuple((x.shape, x.dtype) for x in inputs)
        if key not in self._captures and not self._capture(self._backend, key, inputs):
            return self._function(*inputs)
        static_inputs, result, replay = self._captures[key]
        for static, given in zip(static_inputs, inputs, strict=True):
            static.copy_(given)
        replay()
        return result

    def _capture(self, backend: GraphBackend, key: object, inputs: tuple[Tensor, ...]) -> bool:
        """Capture the function for inputs of these shapes; False if it cannot be captured."""
        if len(self._captures) == _MAX_CAPTURES:
            del self._captures[next(iter(self._captures))]
        static_inputs = [x.clone() for x in inputs]
        try:
            self._captures[key] = static_inputs, *backend.capture(lambda: self._function(*static_inputs))
        except RuntimeError as error:
            self._backend = None
            self._captures.clear()  # which frees the memory that they hold
            function = self._function.func if isinstance(self._function, partial) else self._function
            name = getattr(function, "__qualname__", function)
            cause = error.__context__ or error  # the error inside the capture says more than the failed capture
            warnings.warn(
                f"{name} cannot be captured as a CUDA graph and runs directly, which is slower: {cause}", stacklevel=3
            )
        return self._backend is not None
