"""An algorithm in one file: AWR whose weight is 1 above a threshold of the standardised advantage and nearly 0 below."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.algorithms.awr import AWR, AWRConfig
from mimic.rl.learner import Learner, Networks, Targets, standardize


@ALGORITHMS.register("filter")
@dataclass(frozen=True)
class FilterConfig(AWRConfig):
    inherits = "awr"

    threshold: float = 0.0

    def create(self, networks: Networks, generator: torch.Generator, *distributed) -> Learner:
        return Filter(self, networks, generator, *distributed)


class Filter(AWR):
    config: FilterConfig

    def weights(self, targets: Targets) -> Tensor:
        standardized = standardize(targets.advantage, targets.valid, self.distributed)
        return (standardized > self.config.threshold).float().clamp(min=1e-4)
