"""An optimiser that refuses to take a step into nonsense."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mimic.learn.muon import Muon
from mimic.learn.ranks import ALONE, Ranks

OptimizerKind = Literal["adam", "sgd", "muon"]

_MAX_FAILURES_IN_A_ROW = 3


class LearnerDiverged(RuntimeError):
    """Loss or gradient was not finite several times running: the last good checkpoint is the place to go back to."""

    exit_code = 3


class GuardedOptimizer:
    """SGD with momentum, Adam or Muon; a step whose loss or gradient is not finite is skipped and counted.

    Muon has every hidden weight matrix; Adam the output layer and the biases, as is usual.

    Raises LearnerDiverged at the third such step in a row.

    Attributes:
        parts: pieces in which a minibatch is taken, gradients added up; 2 once memory has run out.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        kind: OptimizerKind,
        lr: float,
        momentum: float = 0.9,
        max_grad_norm: float = 0.0,
        ranks: Ranks = ALONE,
    ) -> None:
        self.parameters = list(parameters)
        self.ranks = ranks
        self.max_grad_norm = max_grad_norm
        self.skipped = 0
        self.in_a_row = 0
        self.parts = 1
        matrices = [i for i, p in enumerate(self.parameters) if p.dim() == 2]
        hidden = matrices[:-1] if kind == "muon" else []
        others = [i for i in range(len(self.parameters)) if i not in hidden]
        # each with the indices of its parameters
        self._inner: list[tuple[torch.optim.Optimizer, list[int]]] = []
        if hidden:
            self._inner.append((Muon(self._chosen(hidden), lr=lr), hidden))
        if kind == "sgd":
            self._inner.append((torch.optim.SGD(self.parameters, lr=lr, momentum=momentum, fused=True), others))
        else:
            self._inner.append((torch.optim.Adam(self._chosen(others), lr=lr, fused=True), others))

    def _chosen(self, indices: list[int]) -> list[nn.Parameter]:
        return [self.parameters[i] for i in indices]

    @property
    def lr(self) -> float:
        """Step size."""
        return float(self._inner[0][0].param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for optimizer, _ in self._inner:
            for group in optimizer.param_groups:
                group["lr"] = value

    def step(self, loss: Tensor) -> bool:
        """Descend ``loss`` once; False if the step was skipped."""
        self._forget_gradients()
        torch.autograd.backward(loss)
        return self._descend(loss.detach())

    def step_over(self, rows: Tensor, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Descend the mean loss ``loss_of(part of rows)`` over ``rows`` (B,) once; that loss, detached.

        Raises torch.OutOfMemoryError if half the rows at a time are too many too.
        """
        try:
            loss = self._accumulated(rows, loss_of)
        except torch.OutOfMemoryError:
            if self.parts > 1:
                raise
            loss = None
        if loss is None:  # not in the except block: its traceback keeps the tensors alive (pytorch #18853)
            self.parts = 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            loss = self._accumulated(rows, loss_of)
        self._descend(loss)
        return loss

    def _accumulated(self, rows: Tensor, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """Gradients of the mean loss over all rows, part by part; the loss."""
        self._forget_gradients()
        total = torch.zeros((), device=rows.device)
        for part in rows.tensor_split(self.parts):
            if not part.numel():
                continue
            loss = loss_of(part)
            if self.parts > 1:
                loss = loss * (part.numel() / rows.numel())
            torch.autograd.backward(loss)
            total = total + loss.detach()
        return total

    def _descend(self, loss: Tensor) -> bool:
        """A step along the gradients that are there; False if it was skipped."""
        self.ranks.average_gradients(self.parameters)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        # the norm is of gradients that all processes share: so is what it decides. Asked once, because a GPU has to wait
        sound = norm.isfinite() if self.ranks.size > 1 else norm.isfinite() & loss.isfinite()
        if not bool(sound):
            self._forget_gradients()
            self._count_failure(float(loss), float(norm))
            return False
        if self.max_grad_norm > 0.0:
            nn.utils.clip_grads_with_norm_(self.parameters, self.max_grad_norm, norm)
        for optimizer, _ in self._inner:
            optimizer.step()
        self.in_a_row = 0
        return True

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and counters as flat tensors, ``<parameter index>.<name>``."""
        flat: dict[str, Tensor] = {}
        for optimizer, indices in self._inner:
            state: dict[int, dict[str, Tensor | None]] = optimizer.state_dict()["state"]
            for local, values in state.items():
                flat |= {f"{indices[local]}.{name}": t for name, t in values.items() if t is not None}
        return flat | {"skipped": torch.tensor([self.skipped, self.in_a_row])}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from ``state_tensors``; the step size is the owner's to restore."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            if name:
                state.setdefault(int(index), {})[name] = tensor.clone()
        for optimizer, indices in self._inner:
            mine = {local: state[i] for local, i in enumerate(indices) if i in state}
            optimizer.load_state_dict({"state": mine, "param_groups": optimizer.state_dict()["param_groups"]})
        self.skipped, self.in_a_row = (int(x) for x in tensors["skipped"])

    def _forget_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def _count_failure(self, loss: float, norm: float) -> None:
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= _MAX_FAILURES_IN_A_ROW:
            raise LearnerDiverged(
                f"{self.in_a_row} updates in a row were not finite (loss {loss:g}, gradient norm {norm:g}); "
                "lower the step size, or look at the reward and observations of the last iteration"
            )
