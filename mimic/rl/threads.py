"""The number of cores that an update may use.

Simulation uses all cores. Beside it torch uses one thread, because its tensors are too small to share. Updates use all cores
when they alternate with rollouts, and half of them when they overlap. If bfloat16 is slow, updates dominate the time and use
all cores. The number changes the order of sums, so a run keeps it to be reproducible to the bit.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mimic.rl.precision import bfloat16_is_fast

_MOST = 8  # minibatches of thousands of rows through layers of hundreds of units keep no more busy


def usable_cores() -> int:
    """Cores this program may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def learner_threads(device: torch.device, overlap: bool) -> int:
    """Threads for updates on ``device``, beside rollouts if ``overlap``; OMP_NUM_THREADS is the most.

    Of several processes on this machine (torchrun) each has its share.
    """
    if device.type != "cpu":
        return 1
    cores = usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if said.isdecimal() and int(said):
        cores = min(cores, int(said))
    if overlap and bfloat16_is_fast(device):
        cores //= 2
    return max(1, min(cores, _MOST))


def set_torch_threads(count: int) -> None:
    """Set the number of threads that torch uses for calls from this thread.

    The getter is called first: a thread that has never called it would take the number that another thread set last.
    """
    torch.get_num_threads()
    torch.set_num_threads(count)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Use ``count`` torch threads inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count != before:
            torch.set_num_threads(before)
