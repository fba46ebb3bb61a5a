"""Whether an update uses bfloat16 or float32."""

from functools import cache
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


@cache
def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether matrix products take less time in bfloat16 than in float32: on a GPU, and on a CPU that is built for it.

    A CPU with AVX512_BF16 or AMX takes a third of the time; others take up to a hundred times as long.
    """
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # of torch 2.11 and later
    return device.type == "cuda" or known.get("avx512_bf16", False)


def update_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of an update's matrix products; ``auto``: bfloat16 on a CPU that is fast at it, else float32.

    Its gradients are off by less than a percent.
    """
    fast = device.type == "cpu" and bfloat16_is_fast(device)
    return torch.bfloat16 if precision == "bfloat16" or (precision == "auto" and fast) else torch.float32
