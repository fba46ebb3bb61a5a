"""Muon (Jordan et al. 2024), in bfloat16 or float32, whichever is faster on the device.

torch.optim.Muon always orthogonalises in bfloat16. A CPU without bfloat16 instructions takes a hundred times as long as in
float32, so that the optimiser alone took seven eighths of an update. This one uses float32 there.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mimic.rl.precision import bfloat16_is_fast

_A, _B, _C = 3.4445, -4.7750, 2.0315  # of the iteration x -> a x + b x^3 + c x^5, steep at zero
_ROUNDS = 5
_MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """A step along the orthogonalised momentum of each matrix, as long as one of Adam's (Liu et al. 2025).

    It has Nesterov momentum and no weight decay. In bfloat16 its steps are those of ``torch.optim.Muon`` to the bit, and up to
    rounding if the step size is a tensor.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float | Tensor) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change every matrix (N, M) that has a gradient, by one step of the optimiser."""
        for group in self.param_groups:
            for matrix in (p for p in group["params"] if p.grad is not None):
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                momentum = state["momentum_buffer"].lerp_(matrix.grad, 1 - _MOMENTUM)
                direction = orthogonalized(matrix.grad.lerp(momentum, _MOMENTUM))
                lr, length = group["lr"], 0.2 * math.sqrt(max(matrix.shape))
                if isinstance(lr, Tensor):  # so that a step that was recorded reads it anew
                    matrix.addcmul_(direction.to(matrix.dtype), lr, value=-length)
                else:
                    matrix.add_(direction, alpha=-lr * length)


def orthogonalized(matrix: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """``matrix`` (N, M) with its singular values brought to about 1, from 0.5 to 1.5, by Newton and Schulz's iteration.

    Computed in ``dtype``; None means bfloat16 if the device is fast at it, else float32.
    """
    if dtype is None:
        dtype = torch.bfloat16 if bfloat16_is_fast(matrix.device) else torch.float32
    x = matrix.to(dtype, copy=True)
    if tall := x.shape[0] > x.shape[1]:
        x = x.T
    x.div_(x.norm().clamp(min=1e-7))
    for _ in range(_ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.T if tall else x
