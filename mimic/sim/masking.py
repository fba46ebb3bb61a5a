"""Write or select a subset of rows, by indices or by a boolean mask.

A mask keeps shapes fixed, so that a GPU never synchronises with the host.
"""

import torch
from torch import Tensor


def assign_rows(target: Tensor, rows: Tensor, value: Tensor | float) -> None:
    """Overwrite rows of ``target`` (N, ...) in place.

    Args:
        target: the tensor to change.
        rows: indices (K,) int64, or a mask (N,) bool.
        value: a number, or (K, ...) for indices, or (N, ...) for a mask; of the latter only masked rows are read.
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
    """An index that selects from a tensor (N, ...) the rows that :func:`assign_rows` writes.

    For indices these are the indices; for a mask it is every row.
    """
    return slice(None) if rows.dtype == torch.bool else rows
