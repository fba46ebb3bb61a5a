"""CUDA graphs of an optimiser: the gradients of a minibatch as one graph, and the step along them as another."""

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor, nn

from mimic.gpu.cuda_graph import GraphedCallable, graph_backend

Gradients = tuple[
    Tensor, Tensor
]  # losses (K,) and the norm () of the gradients that a minibatch left in the parameters


class UpdateGraphs:
    """Runs the two parts of an update (gradients, step) as CUDA graphs on a GPU, and directly elsewhere.

    Args:
        parameters: the parameters that the optimiser changes; all on one device.
        enabled: false if graphs cannot be used, because several processes average their gradients.

    Attributes:
        active: whether the parts are captured as graphs; each size of minibatch is then captured once.
        capturable: whether an optimiser must keep its step count on the device.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], enabled: bool = True) -> None:
        self._parameters, self._device = parameters, parameters[0].device
        self._backend = graph_backend(self._device) if enabled else None
        self.active = self._backend is not None
        self.capturable = self.active and self._device.type == "cuda"
        self._static_gradients = [torch.zeros_like(p) for p in parameters] if self.active else []
        self._gradients: dict[Hashable, GraphedCallable[Gradients]] = {}
        self._stepper: GraphedCallable[None] | None = None

    def step_size(self, lr: float) -> Tensor | float:
        """Return the learning rate ``lr`` for an optimiser: a tensor if the step is captured, else a number.

        A captured step reads the learning rate from the device.
        """
        return torch.tensor(lr, device=self._device) if self.active else lr

    def gradients(self, key: Hashable, function: Callable[..., Gradients], batch: Sequence[Tensor]) -> Gradients:
        """Return ``function(*batch)``, captured once for each ``key`` and size of the minibatch.

        The next call overwrites the result.
        """
        if not self.active:
            return function(*batch)
        if key not in self._gradients:
            self._gradients[key] = GraphedCallable(function, self._backend)
        return self._gradients[key](*batch)

    def step(self, function: Callable[[Tensor], None], norm: Tensor) -> None:
        """Call ``function(norm)``; on a GPU it is captured as a graph after some calls, and then replayed.

        All calls must pass the same ``function``.
        """
        if self._stepper is None:
            self._stepper = GraphedCallable(function, self._backend)
        self._stepper(norm)

    def keep_gradients(self) -> None:
        """Copy the gradients into the tensors that the captured step reads.

        ``function`` of :meth:`gradients` calls this last.
        """
        for parameter, static in zip(self._parameters, self._static_gradients, strict=self.active):
            if parameter.grad is not None:
                parameter.grad = static.copy_(parameter.grad)

    def disable(self) -> None:
        """Delete all graphs and capture no more; the learning rate stays on the device."""
        self.reset()
        self.active, self._backend, self._static_gradients = False, None, []

    def reset(self) -> None:
        """Delete all graphs; the next calls capture them anew."""
        self._gradients.clear()
        self._stepper = None
