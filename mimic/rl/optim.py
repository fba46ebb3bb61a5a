"""An optimiser that refuses a step whose loss or gradients are not finite."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from mimic.gpu.update_graphs import UpdateGraphs
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.muon import Muon

OptimizerKind = Literal["adam", "sgd", "muon"]

LossOf = Callable[..., Tensor]  # see GuardedOptimizer.step_over

_MAX_FAILURES_IN_A_ROW = 3


class LearnerDiverged(RuntimeError):
    """Loss or gradient was not finite several times in a row; the last checkpoint was saved before."""

    exit_code = 3


class GuardedOptimizer:
    """SGD with momentum, Adam or Muon; a step whose loss or gradient is not finite is skipped and counted.

    With ``muon``, Muon updates the hidden weight matrices, and Adam the output layer and the biases. On a GPU, the gradients
    and the step are CUDA graphs (mimic/gpu/update_graphs.py), unless several processes train together.

    Raises LearnerDiverged at the third such step in a row.

    Attributes:
        micro_batches: a minibatch is taken in so many parts, whose gradients are added up; 2 once memory has run out.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        kind: OptimizerKind,
        lr: float,
        momentum: float = 0.9,
        max_grad_norm: float = 0.0,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        self.parameters = list(parameters)
        self.distributed = distributed
        self.max_grad_norm = max_grad_norm
        self.skipped = 0
        self.in_a_row = 0
        self.micro_batches = 1
        self._graphs = UpdateGraphs(self.parameters, enabled=distributed.world_size == 1)
        matrices = [i for i, p in enumerate(self.parameters) if p.dim() == 2]
        hidden = matrices[:-1] if kind == "muon" else []
        others = [i for i in range(len(self.parameters)) if i not in hidden]
        rate = self._graphs.step_size(lr)
        # each with the indices of its parameters
        self._inner: list[tuple[torch.optim.Optimizer, list[int]]] = []
        if hidden:
            self._inner.append((Muon(self._chosen(hidden), lr=rate), hidden))
        if kind == "sgd":
            self._inner.append((torch.optim.SGD(self.parameters, lr=rate, momentum=momentum, fused=True), others))
        else:
            adam = torch.optim.Adam(self._chosen(others), lr=rate, fused=True, capturable=self._graphs.capturable)
            adam._warned_capturable_if_run_uncaptured = True  # torch would warn when a capture is warmed up
            self._inner.append((adam, others))

    def _chosen(self, indices: list[int]) -> list[nn.Parameter]:
        return [self.parameters[i] for i in indices]

    @property
    def records(self) -> bool:
        """Whether minibatches are captured as CUDA graphs, one for each size."""
        return self._graphs.active

    def launch_directly(self) -> None:
        """Launch the operations of later minibatches one by one; what is learned is the same."""
        self._graphs.disable()

    @property
    def lr(self) -> float:
        """Step size."""
        return float(self._inner[0][0].param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for optimizer, _ in self._inner:
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(value)
                else:
                    group["lr"] = value

    def step_over(self, batch: Sequence[Tensor], loss_of: LossOf) -> Tensor:
        """Descend the mean loss over a minibatch once.

        Args:
            batch: tensors (B, ...), a row for each sample.
            loss_of: ``loss_of(*part of batch)`` returns (K,): the mean loss, then other means for the log. It may be captured in a CUDA
                graph (mimic/gpu/cuda_graph.py): pass the same callable at every call. It may read only its arguments and
                tensors that are updated in place.

        Returns:
            ``loss_of`` of the whole minibatch (K,), detached.

        Raises torch.OutOfMemoryError if half the rows at a time are too many too.
        """
        found = None
        try:
            found = self._find_gradients(loss_of, batch)
        except torch.OutOfMemoryError:
            if self.micro_batches > 1:
                raise
        if found is None:  # not in the except block: its traceback keeps the tensors alive (pytorch #18853)
            self.micro_batches = 2
            self._graphs.reset()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            found = self._find_gradients(loss_of, batch)
        losses, norm = found
        self._descend(losses[0], norm)
        return losses.clone()  # a replay overwrites them

    def _find_gradients(self, loss_of: LossOf, batch: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._graphs.gradients(loss_of, partial(self._gradients, loss_of), batch)

    def _gradients(self, loss_of: LossOf, *batch: Tensor) -> tuple[Tensor, Tensor]:
        """Store the gradients of a minibatch's mean loss in the parameters; return ``loss_of`` of it and the gradients' norm."""
        self._forget_gradients()
        rows, total = batch[0].shape[0], torch.zeros((), device=batch[0].device)
        for part in zip(*(x.tensor_split(self.micro_batches) for x in batch), strict=True):
            if not part[0].shape[0]:
                continue
            losses = loss_of(*part)
            if self.micro_batches > 1:
                losses = losses * (part[0].shape[0] / rows)
            torch.autograd.backward(losses[0])
            total = total + losses.detach()
        norm = self._gradient_norm()
        self._graphs.keep_gradients()
        return total, norm

    def _gradient_norm(self) -> Tensor:
        """Norm of the gradients, after their mean over all processes has replaced them."""
        self.distributed.average_gradients(self.parameters)
        return nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])

    def _descend(self, loss: Tensor, norm: Tensor) -> None:
        """Take a step along the stored gradients if loss and norm are finite; count a failure otherwise."""
        # the norm is of gradients that all processes share: so is what it decides. Asked once, because a GPU has to wait
        sound = norm.isfinite() if self.distributed.world_size > 1 else norm.isfinite() & loss.isfinite()
        if not bool(sound):
            self._count_failure(float(loss), float(norm))
            return
        self._graphs.step(self._step, norm)
        self.in_a_row = 0

    def _step(self, norm: Tensor) -> None:
        if self.max_grad_norm > 0.0:
            nn.utils.clip_grads_with_norm_(self.parameters, self.max_grad_norm, norm)
        for optimizer, _ in self._inner:
            optimizer.step()

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and counters as flat tensors, ``<parameter index>.<name>``."""
        flat: dict[str, Tensor] = {}
        for optimizer, indices in self._inner:
            state: dict[int, dict[str, Tensor | None]] = optimizer.state_dict()["state"]
            for local, values in state.items():
                flat |= {f"{indices[local]}.{name}": t for name, t in values.items() if t is not None}
        return flat | {"skipped": torch.tensor([self.skipped, self.in_a_row])}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from ``state_tensors``; the caller restores the step size."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            if name:
                state.setdefault(int(index), {})[name] = tensor.clone()
        for optimizer, indices in self._inner:
            mine = {local: state[i] for local, i in enumerate(indices) if i in state}
            optimizer.load_state_dict({"state": mine, "param_groups": optimizer.state_dict()["param_groups"]})
        self.skipped, self.in_a_row = (int(x) for x in tensors["skipped"])
        self._graphs.reset()

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
