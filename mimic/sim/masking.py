"""Some of N rows, named by indices or by a mask: a mask needs nobody to count, so that a GPU can go on without the host."""

import torch
from torch import Tensor


def put(target: Tensor, chosen: Tensor, value: Tensor | float) -> None:
    """Overwrite rows of ``target`` (N, ...) in place.

    Args:
        target: what changes.
        chosen: indices (K,) int64, or a mask (N,) bool.
        value: a number, or (K, ...) for indices, (N, ...) for a mask, of which only the rows chosen are read.
    """
    if chosen.dtype != torch.bool:
        target[chosen] = value
        return
    mask = chosen.view(-1, *(1,) * (target.dim() - 1))
    if isinstance(value, Tensor):
        target.copy_(torch.where(mask, value, target))
    else:
        target.masked_fill_(mask, value)


def rows(chosen: Tensor) -> Tensor | slice:
    """What picks the rows of ``value`` for :func:`put` out of a tensor (N, ...): the indices, or everything."""
    return slice(None) if chosen.dtype == torch.bool else chosen
