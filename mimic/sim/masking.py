"""Write or select a subset of a tensor's rows, by indices or by a boolean mask.

A mask keeps shapes fixed, so that a GPU never synchronises with the host.
"""

import torch
from torch import Tensor


def assign_rows(target: Tensor, rows: Tensor, value: Tensor | float) -> None:
    """Overwrite rows of ``target`` (N, ...) in place.

    Args:
        target: the tensor to change.
        rows: indices (K,) int64, or a mask (N,) bool.
        value: a number; or (K, ...) for indices; or (N, ...) for a mask, of which only the masked rows are read.
    """
    if rows.dtype != torch.bool:
        target[rows] = value
        return
    mask = rows.view(-1, *(1,) * (target.dim() - 1))
    if isinstance(value, Tensor):
        target.copy_(torch.where(mask, value, target))
    else:
        target.masked_fill_(mask, value)


def select_rows(rows: Tensor) -> Tensor | slice:
    """Return an index of the rows of a tensor (N, ...) for which :func:`assign_rows` needs values.

    Given indices (K,), these are the rows with the indices; given a mask (N,), these are all N rows.
    """
    return slice(None) if rows.dtype == torch.bool else rows
