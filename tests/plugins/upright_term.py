"""A reward term in one file, with a parameter of its own."""

from dataclasses import dataclass

from torch import Tensor

from mimic.tracking.reward import TERMS, RewardInputs, RewardTerm


@TERMS.register("upright")
@dataclass(frozen=True, kw_only=True)
class Upright(RewardTerm):
    tolerance: float = 0.0

    def value(self, inputs: RewardInputs) -> Tensor:
        tilt = 1.0 - inputs.sim.root_quat_w[:, 0].square()
        return (tilt - self.tolerance).clamp_min(0.0)
