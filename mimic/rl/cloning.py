"""Behavioural cloning: a policy learns by regression the actions that teachers give in the states it saw.

The policy that acts is a running average (EMA) of the one that learns.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.demonstration_buffer import Demonstrations
from mimic.rl.optim import GuardedOptimizer, OptimizerKind
from mimic.rl.policy import Policy
from mimic.rl.precision import Precision, update_dtype


@dataclass(frozen=True)
class CloningConfig:
    """Settings of the regression.

    ``fresh``: share of a minibatch that comes from the newest demonstrations. ``lr`` is the step size at first.
    """

    batch: int = 1024
    optimizer: OptimizerKind = "adam"
    lr: float = 1.5e-3
    ema: float = 0.998
    fresh: float = 0.25
    max_grad_norm: float = 1.0
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.batch < 1 or self.lr <= 0.0 or not 0.0 <= self.fresh <= 1.0 or not 0.0 <= self.ema < 1.0:
            raise ValueError(
                f"batch {self.batch} and lr {self.lr:g} must be above 0, "
                f"fresh {self.fresh:g} within [0, 1] and ema {self.ema:g} within [0, 1)"
            )


class Cloner:
    """A student policy, its optimiser and the average of its weights.

    Attributes:
        student: the policy that learns.
        actor: the average, which acts and ships.
        updates: minibatches so far.
    """

    def __init__(self, student: Policy, config: CloningConfig):
        self.student, self.config, self.updates = student, config, 0
        self.actor = copy.deepcopy(student)
        self._fast = update_dtype(config.precision, torch.device("cpu")) == torch.bfloat16
        self._optimizer = GuardedOptimizer(
            student.net.parameters(), config.optimizer, config.lr, max_grad_norm=config.max_grad_norm
        )

    def learn(
        self, data: Demonstrations, updates: int, newest: int, lr_share: float, generator: torch.Generator
    ) -> float:
        """Take a step on each of ``updates`` minibatches, and return their mean loss.

        Args:
            data: demonstrations.
            updates: number of minibatches.
            newest: number of demonstrations that count as new.
            lr_share: factor on the configured step size.
            generator: draws the minibatches.
        """
        self._optimizer.lr = self.config.lr * lr_share
        fresh, loss = round(self.config.batch * self.config.fresh), 0.0
        for _ in range(updates):
            parts = [data.draw(self.config.batch - fresh, data.size, generator), data.draw(fresh, newest, generator)]
            batch = [torch.cat(both) for both in zip(*parts, strict=True)]
            loss += float(self._optimizer.step_over(batch, self._loss)[0])
            self.updates += 1
            self._average()
        return loss / max(updates, 1)

    def state_tensors(self) -> dict[str, dict[str, Tensor]]:
        """Groups of tensors; ``policy`` is the one that ships."""
        return {
            "policy": self.actor.state_dict(),
            "student": self.student.state_dict(),
            "optimizer": self._optimizer.state_tensors() | {"updates": torch.tensor(self.updates)},
        }

    def load_state_tensors(self, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from ``state_tensors``."""
        self.actor.load_state_dict(dict(groups["policy"]))
        self.student.load_state_dict(dict(groups["student"]))
        optimizer = dict(groups["optimizer"])
        self.updates = int(optimizer.pop("updates"))
        self._optimizer.load_state_tensors(optimizer)

    def _loss(self, normalized: Tensor, action: Tensor, weight: Tensor) -> Tensor:
        """Weighted mean squared error; the last layer is float32, because actions differ by less than bfloat16 resolves."""
        net = self.student.net
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._fast):
            hidden = net[:-1](normalized)
        error = (self.student.head.params(net[-1](hidden.float())) - action).square().mean(1)
        return (error * weight).mean()[None]

    @torch.no_grad()
    def _average(self) -> None:
        """Move the average towards the student; it follows faster during the first updates."""
        keep = min(self.config.ema, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.actor.net.parameters()), list(self.student.net.parameters()), 1.0 - keep)
