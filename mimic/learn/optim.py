"""An optimiser that refuses to take a step into nonsense."""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

OptimizerKind = Literal["adam", "sgd"]

_MAX_FAILURES_IN_A_ROW = 3


class LearnerDiverged(RuntimeError):
    """Loss or gradient was not finite several times running: the last good checkpoint is the place to go back to."""

    exit_code = 3


class GuardedOptimizer:
    """SGD with momentum or Adam; a step whose loss or gradient is not finite is skipped and counted.

    Raises LearnerDiverged at the third such step in a row.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        kind: OptimizerKind,
        lr: float,
        momentum: float = 0.9,
        max_grad_norm: float = 0.0,
    ) -> None:
        self.parameters = list(parameters)
        self.max_grad_norm = max_grad_norm
        self.skipped = 0
        self.in_a_row = 0
        self._inner: torch.optim.Optimizer
        if kind == "adam":
            self._inner = torch.optim.Adam(self.parameters, lr=lr, fused=True)
        else:
            self._inner = torch.optim.SGD(self.parameters, lr=lr, momentum=momentum, fused=True)

    @property
    def lr(self) -> float:
        """Step size."""
        return float(self._inner.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self._inner.param_groups:
            group["lr"] = value

    def step(self, loss: Tensor) -> bool:
        """Descend ``loss`` once; False if the step was skipped."""
        self._inner.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if not bool((norm + loss.detach()).isfinite()):
            self._inner.zero_grad(set_to_none=True)
            self._count_failure(float(loss.detach()), float(norm))
            return False
        if self.max_grad_norm > 0.0:
            nn.utils.clip_grads_with_norm_(self.parameters, self.max_grad_norm, norm)
        self._inner.step()
        self.in_a_row = 0
        return True

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and counters as flat tensors, ``<parameter index>.<name>``."""
        state: dict[int, dict[str, Tensor | None]] = self._inner.state_dict()["state"]
        flat = {f"{i}.{name}": t for i, values in state.items() for name, t in values.items() if t is not None}
        return flat | {"skipped": torch.tensor([self.skipped, self.in_a_row])}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from ``state_tensors``; the step size is the owner's to restore."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            if name:
                state.setdefault(int(index), {})[name] = tensor.clone()
        self._inner.load_state_dict({"state": state, "param_groups": self._inner.state_dict()["param_groups"]})
        self.skipped, self.in_a_row = (int(x) for x in tensors["skipped"])

    def _count_failure(self, loss: float, norm: float) -> None:
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= _MAX_FAILURES_IN_A_ROW:
            raise LearnerDiverged(
                f"{self.in_a_row} updates in a row were not finite (loss {loss:g}, gradient norm {norm:g}); "
                "lower the step size, or look at the reward and observations of the last iteration"
            )
