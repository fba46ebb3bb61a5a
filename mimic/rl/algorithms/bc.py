"""Behavioural cloning (Pomerleau 1989): regression of the policy on recorded actions, every weight 1.

The loss is the mean of -log pi(a | s), which for a Gaussian of given width is the mean squared error over 2 std^2. Whole
episodes are held out; training stops once their loss has not fallen for ``patience`` updates. Where the file holds the
parameters of the policy that acted, ``labels`` "mean" regresses on its mean action, which has no exploration noise.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mimic.core.errors import InputError
from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import DataUse, Learner, LearnerConfig, Networks, Targets, chunk_rows
from mimic.rl.regression import WeightedRegression
from mimic.rl.replay import Replay
from mimic.rl.vec_env import Termination

_SPLIT_SEED = 20191


@ALGORITHMS.register("bc")
@dataclass(frozen=True)
class BCConfig(LearnerConfig):
    """Settings of behavioural cloning beyond those every learner has."""

    inherits = "awr"
    keeps = ("target_kl", "actor_lr", "actor_batch", "actor_passes", "optimizer", "precision")
    data: ClassVar[DataUse] = "required"

    target_kl: float = 0.0
    actor_lr: float = 1e-3
    actor_batch: int = 512
    actor_passes: int = 1
    labels: Literal["mean", "action"] = "mean"
    held_out: float = 0.1  # share of the episodes; 0: none, and no early stop
    patience: int = 10  # updates

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.held_out < 1.0 or self.patience < 1:
            raise ValueError(f"held_out {self.held_out:g} must be in [0, 1), and patience {self.patience} at least 1")

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `BC`."""
        return BC(self, networks, generator, distributed)


class BC(WeightedRegression):
    """The learner of `BCConfig`; it leaves the critic alone."""

    config: BCConfig

    def __init__(
        self,
        config: BCConfig,
        networks: Networks,
        generator: torch.Generator,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        super().__init__(config, networks, generator, distributed)
        self._best = torch.tensor([math.inf, 0.0], dtype=torch.float64)  # held-out loss, updates since it was the least

    @property
    def finished(self) -> bool:
        """Whether the held-out loss has not fallen for ``patience`` updates."""
        return float(self._best[1]) >= self.config.patience

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """Do ``actor_passes`` passes over the data; return metrics, with the mean loss of the held-out episodes."""
        slots, obs = self.slots(replay), self.normalized(replay)
        rows, valid = replay.rows(slots), replay.valid[slots].flatten()
        none = torch.zeros_like(valid, dtype=obs.dtype)
        data = Targets(rows, none, none, valid)
        held = held_out(replay, self.config.held_out) if self.config.held_out else torch.zeros_like(valid)
        weight = self.weights(data)
        target = self.regression_target(replay, obs, data, weight, rows)
        learned = (valid & ~held).nonzero().squeeze(-1)
        metrics, _ = self.fit_actor(replay, obs, data, learned, (weight, target))
        if self.config.held_out:
            metrics["held_out_loss"] = self._held_out_loss(obs, rows[held & valid], target[held & valid])
        return {**metrics, "actor_lr": self.actor_optimizer.lr, "skipped_updates": float(self.actor_optimizer.skipped)}

    def weights(self, targets: Targets) -> Tensor:
        """1 for every transition (M,)."""
        return weights.uniform(targets.value)

    def regression_target(self, replay: Replay, obs: Tensor, targets: Targets, weight: Tensor, rows: Tensor) -> Tensor:
        """The sufficient statistic (M, G) of the action taken, or its mean under the policy that acted (``labels`` "mean")."""
        if self.config.labels == "action":
            return super().regression_target(replay, obs, targets, weight, rows)
        return self.policy.head.expectation(replay.params.flatten(0, 1).index_select(0, targets.rows))

    @torch.no_grad()
    def _held_out_loss(self, obs: Tensor, rows: Tensor, target: Tensor) -> float:
        total = 0.0
        for index in torch.split(torch.arange(rows.numel(), device=rows.device), chunk_rows(rows.device)):
            params = self.policy.params_of_normalized(obs[rows[index]]).float()
            ones = torch.ones_like(params[:, 0])
            total += float(self.loss(params, ones, target[index])) * index.numel()
        loss = total / rows.numel()
        better = loss < float(self._best[0])
        self._best = torch.tensor([loss if better else self._best[0], 0.0 if better else self._best[1] + 1.0]).double()
        return loss

    def extra_state(self) -> dict[str, Tensor]:
        """Further state for a checkpoint: the least held-out loss, and the updates since."""
        return super().extra_state() | {"held_out": self._best}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``extra_state``."""
        super().load_extra_state(state)
        self._best = state["held_out"].cpu()


def held_out(replay: Replay, share: float) -> Tensor:
    """Mask (T * N,) of the rows, in the order of ``slots``, that belong to held-out episodes; the same for the same data.

    Raises InputError if there is one episode alone.
    """
    slots = replay.slots()
    end, valid = replay.end[slots], replay.valid[slots].flatten()
    ended = (end != int(Termination.NONE)).long()
    env = torch.arange(replay.num_envs, device=end.device)
    number = ((ended.cumsum(0) - ended) * replay.num_envs + env).flatten()
    found: Tensor = torch.unique(number[valid])
    if found.numel() < 2:
        raise InputError("the data holds one episode; to hold one out there must be two (or set bc.update.held_out=0)")
    count = min(max(1, round(share * found.numel())), found.numel() - 1)
    order = torch.randperm(found.numel(), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    return torch.isin(number, found[order[:count].to(found.device)])
