"""Processes that train one policy together, each with environments and a replay of its own (``torchrun``).

Gradients are averaged over all processes and moments are summed, so that all of them always hold the same networks. The result
is that of one process with all the environments, up to the order of sums. The default is a `DistributedContext` of
one process, whose methods return their arguments.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mimic.core.errors import InputError


@dataclass(frozen=True)
class DistributedContext:
    """This process's place among those that train together."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that evaluates, writes the log and prints."""
        return self.rank == 0

    def all_reduce_sum(self, value: Tensor) -> Tensor:
        """Sum of ``value`` over all processes."""
        if self.world_size == 1:
            return value
        summed = value.detach().clone().to(_device())
        dist.all_reduce(summed)
        return summed.to(value.device)

    def all_reduce_mean(self, value: Tensor) -> Tensor:
        """Mean of ``value`` over all processes."""
        return self.all_reduce_sum(value) / self.world_size

    def broadcast(self, number: int) -> int:
        """The first process's ``number``, on every process; it decides whatever depends on a clock or a signal."""
        if self.world_size == 1:
            return number
        told = torch.tensor([number], device=_device())
        dist.broadcast(told, 0)
        return int(told)

    def all_reduce_min(self, number: int) -> int:
        """The smallest ``number`` of all processes."""
        if self.world_size == 1:
            return number
        told = torch.tensor([number], device=_device())
        dist.all_reduce(told, dist.ReduceOp.MIN)
        return int(told)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their mean over all processes, in one message."""
        if self.world_size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients]).to(_device())
        dist.all_reduce(flat)
        flat /= self.world_size
        for gradient, piece in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(piece.view_as(gradient))

    def local_shard(self, rows: Tensor) -> Tensor:
        """This process's equal share of ``rows``."""
        each = len(rows) // self.world_size
        return rows[self.rank * each : (self.rank + 1) * each]


SINGLE_PROCESS = DistributedContext()


def join(device: str = "cpu") -> DistributedContext:
    """Join the processes that ``torchrun`` started, over NCCL if the run is on GPUs, else over gloo.

    Without ``torchrun`` it is one process. Raises InputError if there are more processes than GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return SINGLE_PROCESS
    if not dist.is_initialized():
        if device == "cuda":
            rank, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
            if rank >= gpus:
                raise InputError(
                    f"process {rank} of this machine has no GPU: start at most {gpus}, --nproc-per-node {gpus}"
                )
            torch.cuda.set_device(rank)
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    return DistributedContext(dist.get_rank(), dist.get_world_size())


def _device() -> str:
    """Device of the messages. A GPU is named by its number, because the current GPU differs from thread to thread."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if dist.get_backend() == "nccl" else "cpu"
