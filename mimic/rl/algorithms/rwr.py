"""Reward-weighted regression (Peters & Schaal 2007): AWR without a baseline.

The weight is min(exp(R / temperature), weight_clip) of the standardised return R, so that an action is
worth the rewards that followed it, however good its state was.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.algorithms.awr import AWR, AWRConfig
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, Networks, Targets


@ALGORITHMS.register("rwr")
@dataclass(frozen=True)
class RWRConfig(AWRConfig):
    """Settings of RWR: those of AWR."""

    inherits = "awr"
    data = "offline"

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """An `RWR`."""
        return RWR(self, networks, generator, distributed)


class RWR(AWR):
    """The learner of `RWRConfig`."""

    def quantity(self, targets: Targets) -> Tensor:
        """The return (M,)."""
        return targets.returns
