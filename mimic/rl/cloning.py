"""Behavioural cloning: a policy learns by regression the actions that teachers give in the states it saw.

Demonstrations lie in a ring buffer, normalised and in half precision. The policy that acts is a running average (EMA) of
the one that learns.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.normalizer import RunningNormalizer
from mimic.rl.optim import GuardedOptimizer
from mimic.rl.policy import Policy


@dataclass(frozen=True)
class CloningConfig:
    """The regression.

    ``fresh``: share of a minibatch that comes from the newest demonstrations. ``lr`` is Adam's step size at first.
    """

    batch: int = 1024
    lr: float = 2e-3
    ema: float = 0.998
    fresh: float = 0.25
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        if self.batch < 1 or self.lr <= 0.0 or not 0.0 <= self.fresh <= 1.0 or not 0.0 <= self.ema < 1.0:
            raise ValueError("batch and lr must be above 0, fresh and ema are shares")


class Demonstrations:
    """States with the teachers' actions; the oldest give way when the buffer is full.

    Attributes:
        total: how many were ever added.
    """

    def __init__(self, capacity: int, act_dim: int, normalizer: RunningNormalizer):
        """``normalizer`` must not change once demonstrations have been added."""
        self.total = 0
        self._normalizer = normalizer
        self._obs = torch.zeros(capacity, len(normalizer.shift), dtype=torch.float16)
        self._action = torch.zeros(capacity, act_dim)
        self._weight = torch.zeros(capacity)

    @property
    def size(self) -> int:
        """How many are kept."""
        return min(self.total, len(self._obs))

    def add(self, obs: Tensor, action: Tensor, weight: Tensor) -> None:
        """Add observations (M, D), the teachers' actions (M, A), and how much each counts (M,)."""
        at = (self.total + torch.arange(len(obs))) % len(self._obs)
        self._obs[at], self._action[at], self._weight[at] = self._normalizer(obs).half(), action, weight
        self.total += len(obs)

    def draw(self, count: int, newest: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """``count`` random ones of the ``newest``: normalised observations, actions and weights."""
        back = torch.randint(0, max(1, min(newest, self.size)), (count,), generator=generator)
        at = (self.total - 1 - back) % len(self._obs)
        return self._obs[at].float(), self._action[at], self._weight[at]


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
        self._optimizer = GuardedOptimizer(
            student.net.parameters(), "adam", config.lr, max_grad_norm=config.max_grad_norm
        )

    def learn(
        self, data: Demonstrations, updates: int, newest: int, lr_share: float, generator: torch.Generator
    ) -> float:
        """Take ``updates`` minibatches; the mean loss of them.

        Args:
            data: demonstrations.
            updates: number of minibatches.
            newest: how many demonstrations count as new.
            lr_share: of the step size that the configuration names.
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

    def _loss(self, normalized: Tensor, action: Tensor, weight: Tensor) -> Tensor:
        error = (self.student.params_of_normalized(normalized) - action).square().mean(1)
        return (error * weight).mean()[None]

    @torch.no_grad()
    def _average(self) -> None:
        """Move the average on; at first it follows closely."""
        keep = min(self.config.ema, (1 + self.updates) / (10 + self.updates))
        for slow, fast in zip(self.actor.net.parameters(), self.student.net.parameters(), strict=True):
            slow.lerp_(fast, 1.0 - keep)
