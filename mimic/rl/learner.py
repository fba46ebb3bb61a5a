"""The base of all algorithms: networks, optimisers, value targets, the critic fit and the policy fit.

An algorithm is a `Learner` whose ``update`` turns the replay into better networks and returns metrics.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.optim import GuardedOptimizer, LearnerDiverged, LossOf, OptimizerKind
from mimic.rl.policy import Critic, Policy
from mimic.rl.precision import Precision, update_dtype
from mimic.rl.replay import Replay
from mimic.rl.returns import ClipEndValue, explained_variance, next_values, td_lambda_return

_CACHED = 1024  # rows of observations that stay in a core's cache
_KL_ROWS = 2048  # rows of the newest iteration on which the KL is measured
_LR_FACTOR = 1.5
_EPS = 1e-5
_GRAINS = 32  # and more are in a minibatch, where sizes are rounded


def chunk_rows(device: torch.device) -> int:
    """Rows that a forward pass without gradient takes at once: fewer launches on a GPU, less memory elsewhere."""
    return 131_072 if device.type == "cuda" else 8192


DataUse = Literal["refused", "begin", "offline", "required"]
"""How an algorithm uses recorded episodes (``--data``).

refused: an on-policy algorithm has no use for them. begin: they begin the replay, and the run goes on with its own experience.
offline: if there are any, the run learns from them alone. required: the algorithm always learns from them alone.
"""


@dataclass(frozen=True)
class LearnerConfig:
    """Settings that every algorithm has.

    ``*_steps`` are minibatches an iteration; 0 means ``*_passes`` over the data instead.

    Attributes:
        inherits: if a preset has no settings for this algorithm, it takes those of this other one.
        keeps: settings that are not inherited.
        data: how recorded episodes (``--data``) are used; see `DataUse`.
    """

    inherits: ClassVar[str] = ""
    keeps: ClassVar[tuple[str, ...]] = ()
    data: ClassVar["DataUse"] = "refused"

    gamma: float = 0.95
    td_lambda: float = 0.9
    clip_end_value: ClipEndValue = "zero"
    clip_values: bool = False  # V within [0, 1 / (1 - gamma)], for rewards in [0, 1]
    scale_returns: bool = False  # the critic learns V in units of the mean |reward| / (1 - gamma), for any rewards
    optimizer: OptimizerKind = "adam"
    momentum: float = 0.9  # sgd only
    max_grad_norm: float = 0.0  # 0: gradients are not clipped
    actor_lr: float = 1e-4
    critic_lr: float = 1e-3
    actor_batch: int = 2048
    critic_batch: int = 2048
    actor_passes: int = 5
    critic_passes: int = 5
    actor_steps: int = 0
    critic_steps: int = 0
    target_kl: float = 0.02  # KL an iteration to which actor_lr is steered; 0: actor_lr stays
    lr_min: float = 1e-6
    lr_max: float = 1e-2
    bound_weight: float = 10.0  # of the overshoot of the mean action beyond its bounds
    precision: Precision = "float32"  # of the update's matrix products; auto: bfloat16 where the CPU is built for it

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma < 1.0 or not 0.0 <= self.td_lambda <= 1.0:
            raise ValueError(f"gamma {self.gamma:g} must be in [0, 1), and td_lambda {self.td_lambda:g} in [0, 1]")
        if self.clip_values and self.scale_returns:
            raise ValueError(
                "clip_values and scale_returns are both set: keep clip_values for rewards in [0, 1], scale_returns for any other"
            )
        if min(self.actor_batch, self.critic_batch) < 1:
            raise ValueError(f"actor_batch {self.actor_batch} and critic_batch {self.critic_batch} must be at least 1")
        if min(self.actor_passes, self.critic_passes, self.actor_steps, self.critic_steps) < 0:
            raise ValueError("actor_passes, critic_passes, actor_steps and critic_steps must be 0 or above")
        if not 0.0 < self.lr_min <= self.lr_max or min(self.actor_lr, self.critic_lr) <= 0.0:
            raise ValueError(
                f"lr_min {self.lr_min:g}, actor_lr {self.actor_lr:g} and critic_lr {self.critic_lr:g} must be above 0, "
                f"and lr_max {self.lr_max:g} not below lr_min"
            )

    def create(
        self, networks: "Networks", generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> "Learner":
        """The learner of these settings. ``generator`` draws the order of minibatches."""
        raise NotImplementedError


@dataclass(frozen=True)
class Networks:
    """What a learner trains, and the bounds (A,) of the mean action in normalised units."""

    policy: Policy
    critic: Critic
    action_low: Tensor
    action_high: Tensor


@dataclass(frozen=True)
class Targets:
    """Values and returns of M stored transitions, oldest first."""

    rows: Tensor  # (M,) rows of the replay's flat views
    value: Tensor  # (M,)
    returns: Tensor  # (M,)
    valid: Tensor  # (M,) bool

    @property
    def advantage(self) -> Tensor:
        """Return minus value (M,)."""
        return self.returns - self.value


class Learner:
    """Networks, optimisers, and the steps that an algorithm's ``update`` is built from."""

    def __init__(
        self,
        config: LearnerConfig,
        networks: Networks,
        generator: torch.Generator,
        distributed: DistributedContext = SINGLE_PROCESS,
    ) -> None:
        self.config, self.generator, self.distributed = config, generator, distributed
        self.policy, self.critic = policy, critic = networks.policy, networks.critic
        self.action_low, self.action_high = networks.action_low, networks.action_high
        self.device = networks.action_low.device
        self._dtype = update_dtype(config.precision, self.device)
        self.after_actor_step: Callable[[], None] | None = None  # called after every minibatch of the policy
        self._rewards = torch.zeros(2, dtype=torch.float64)  # how many were seen, and the sum of their magnitudes
        self.actor_optimizer = GuardedOptimizer(
            policy.parameters(), config.optimizer, config.actor_lr, config.momentum, config.max_grad_norm, distributed
        )
        self.critic_optimizer = GuardedOptimizer(
            critic.parameters(), config.optimizer, config.critic_lr, config.momentum, config.max_grad_norm, distributed
        )

    @property
    def finished(self) -> bool:
        """Whether the run may stop, because further updates would not help."""
        return False

    def update(self, replay: Replay, critic_only: bool = False) -> dict[str, float]:
        """Improve the networks with what ``replay`` holds; metrics for the log, without those of the policy if
        ``critic_only``. Raises LearnerDiverged.
        """
        raise NotImplementedError

    def observe(self, replay: Replay, slots: Tensor) -> None:
        """Take the transitions of ``slots`` (T,) into the normaliser, and into the return scale until that is frozen.

        Call it between updates only: within one, a change of the normaliser would count as a step of the policy.
        """
        normalizer, valid = self.policy.normalizer, replay.valid[slots]
        seen = float(normalizer.count)
        normalizer.update(replay.obs[slots][valid], self.distributed)
        if not self.config.scale_returns or float(normalizer.count) == seen:
            return
        reward = replay.reward[slots][valid].double().abs()
        moments = torch.stack([torch.full_like(reward.sum(), reward.numel()), reward.sum()])
        self._rewards += self.distributed.all_reduce_sum(moments).cpu()
        self._scale_returns()

    def _scale_returns(self) -> None:
        count, total = self._rewards.tolist()
        if total > 0.0:
            self.critic.rescale(total / count)

    @torch.no_grad()
    def normalized(self, replay: Replay) -> Tensor:
        """Every stored observation as the networks see it during one update, (T * N, D), in the update's precision.

        One copy serves all epochs: the normaliser does not change within an update.
        """
        obs = replay.obs[: replay.size].flatten(0, 1)
        result = torch.empty_like(obs, dtype=self._dtype)
        rows = _CACHED if self.device.type == "cpu" else chunk_rows(self.device)
        for raw, piece in zip(torch.split(obs, rows), torch.split(result, rows), strict=True):
            piece.copy_(self.policy.normalizer(raw))
        return result

    @torch.no_grad()
    def targets(self, replay: Replay, obs: Tensor, slots: Tensor, lam: float | None = None) -> Targets:
        """V and TD(lambda) returns with the present critic, over time ``slots`` (T,) that end at the newest edge.

        ``obs`` are the ``normalized`` ones; ``lam`` None means ``td_lambda``. Raises LearnerDiverged if no transition among them is valid.
        """
        rows = replay.rows(slots)
        reward, end, valid = (field.index_select(0, slots) for field in (replay.reward, replay.end, replay.valid))
        if not bool(valid.any()):
            raise LearnerDiverged(
                "every transition of the replay comes from a simulation that diverged; check the task's rewards and observations"
            )
        value = self._values(obs).index_select(0, rows).view_as(reward)
        final = replay.final_obs()
        final_value = torch.zeros_like(replay.reward)
        if final.env.numel():
            final_value[final.slot, final.env] = self._values(self.policy.normalizer(final.obs))
        following = next_values(
            value,
            self._values(self.policy.normalizer(replay.next_obs)),
            end,
            final_value.index_select(0, slots),
            self.config.clip_end_value,
        )
        lam = self.config.td_lambda if lam is None else lam
        returns = td_lambda_return(reward, value, following, end, self.config.gamma, lam)
        return Targets(rows, value.flatten(), returns.flatten(), valid.flatten())

    def fit_critic(
        self, obs: Tensor, targets: Targets, loss: LossOf | None = None, samples: Sequence[Tensor] = ()
    ) -> float:
        """Regress the critic on the returns; return the mean loss, in units of (value / critic.scale)^2.

        ``loss(obs, target, *samples)`` takes the place of half the squared error; ``samples`` are (M, ...).
        """
        target = targets.returns / self.critic.scale
        losses: list[Tensor] = []
        config = self.config
        rows = targets.valid.nonzero().squeeze(-1)
        count = self._num_minibatches(rows, config.critic_batch)
        for index in self._minibatches(rows, count, config.critic_passes, config.critic_steps):
            rest = (x.index_select(0, index) for x in (target, *samples))
            batch = obs.index_select(0, targets.rows[index]), *rest
            losses.append(self.critic_optimizer.step_over(batch, loss or self._critic_loss))
        return float(torch.stack(losses).mean()) if losses else 0.0

    def _critic_loss(self, obs: Tensor, target: Tensor) -> Tensor:
        with self._autocast():
            prediction = self.critic.unscaled(obs)
        return 0.5 * (prediction.float() - target).square().mean().unsqueeze(0)

    def fit_actor(
        self, replay: Replay, obs: Tensor, targets: Targets, rows: Tensor, samples: Sequence[Tensor]
    ) -> tuple[dict[str, float], list[float]]:
        """Fit the policy: minimise ``loss`` plus ``bound_weight`` times ``bound_loss`` over the transitions ``rows``.

        With ``target_kl``, no further epoch begins once the KL between old and new policy is above twice the target. If that
        KL is outside half to twice the target, the step size changes by a factor of 1.5 (Schulman et al. 2017, section 4).

        Args:
            replay: stored experience; the KL is measured in states of its newest iteration.
            obs: the ``normalized`` observations (T * N, D).
            targets: values and returns of M transitions.
            rows: (K,) indices into ``targets``.
            samples: further arguments of ``loss``, tensors (M, ...) with one row for each transition of ``targets``.

        Returns:
            metrics, and the mean over minibatches of each further value that ``loss`` returns.
        """
        config, losses, kl, epochs = self.config, [], 0.0, 0
        kl_rows, count = self._kl_rows(replay), self._num_minibatches(rows, config.actor_batch)
        before = self._params_at(replay, kl_rows)
        for _ in range(1 if config.actor_steps else config.actor_passes):
            for index in self._minibatches(rows, count, 1, config.actor_steps):
                batch = obs.index_select(0, targets.rows[index]), *(x.index_select(0, index) for x in samples)
                losses.append(self.actor_optimizer.step_over(batch, self._actor_loss))
                if self.after_actor_step:
                    self.after_actor_step()
            epochs += 1
            kl = float(
                self.distributed.all_reduce_mean(self.policy.head.kl(before, self._params_at(replay, kl_rows)).mean())
            )
            if config.target_kl and kl > 2.0 * config.target_kl:
                break
        self._adapt_lr(kl)
        mean_loss, *aux_metrics = torch.stack(losses).mean(0).tolist() if losses else [0.0]
        return {"actor_loss": mean_loss, "kl": kl, "actor_passes": float(epochs)}, aux_metrics

    def loss(self, params: Tensor, *samples: Tensor) -> Tensor:
        """Loss of a minibatch for the policy's parameters ``params`` (B, P). Returns (K,): the loss, then values for the log."""
        raise NotImplementedError

    def _actor_loss(self, obs: Tensor, *samples: Tensor) -> Tensor:
        with self._autocast():
            params = self.policy.params_of_normalized(obs).float()
        losses = self.loss(params, *samples)
        bound = self.bound_loss(self.policy.head.mode(params))
        return torch.cat([losses[:1] + self.config.bound_weight * bound, losses[1:]])

    def bound_loss(self, mean: Tensor) -> Tensor:
        """Half the squared overshoot of the mean action beyond the bounds, summed over actions, mean over the batch."""
        overshoot = (mean - self.action_high).clamp(min=0.0) + (self.action_low - mean).clamp(min=0.0)
        return 0.5 * overshoot.square().sum(-1).mean()

    @torch.no_grad()
    def _params_at(self, replay: Replay, rows: Tensor) -> Tensor:
        """Parameters (K, P) of the present policy in some stored states, float32 as when it acts."""
        return self.policy.params(replay.obs.flatten(0, 1).index_select(0, rows))

    @staticmethod
    def _kl_rows(replay: Replay) -> Tensor:
        """About ``_KL_ROWS`` valid rows, spread over the newest iteration; invalid ones only if no row is valid."""
        rows = replay.rows(replay.slots(replay.steps))
        valid = rows[replay.valid.flatten()[rows]]
        rows = valid if valid.numel() else rows
        return rows[:: max(1, rows.numel() // _KL_ROWS)]

    def state_tensors(self) -> dict[str, dict[str, Tensor]]:
        """Everything learned, as groups of tensors for a checkpoint."""
        return {
            "policy": dict(self.policy.state_dict()),
            "critic": dict(self.critic.state_dict()),
            "actor_optimizer": self.actor_optimizer.state_tensors(),
            "critic_optimizer": self.critic_optimizer.state_tensors(),
            "learner": {"lr": self._lr_tensor(), "rng": self.generator.get_state(), **self.extra_state()},
        }

    def extra_state(self) -> dict[str, Tensor]:
        """Further state of an algorithm, for a checkpoint."""
        return {"rewards": self._rewards} if self.config.scale_returns else {}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``extra_state``; ``state`` may hold more."""
        if self.config.scale_returns:
            count, total = state["rewards"].tolist()
            self._rewards.copy_(state["rewards"])
            self.critic.reward_scale = total / count if total > 0.0 else 1.0

    def load_state_tensors(self, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Continue from ``state_tensors``."""
        self.policy.load_state_dict(dict(groups["policy"]))
        self.critic.load_state_dict(dict(groups["critic"]))
        self.actor_optimizer.load_state_tensors(groups["actor_optimizer"])
        self.critic_optimizer.load_state_tensors(groups["critic_optimizer"])
        self.actor_optimizer.lr, self.critic_optimizer.lr = groups["learner"]["lr"].tolist()
        self.generator.set_state(groups["learner"]["rng"].cpu())
        self.load_extra_state(groups["learner"])

    def common_metrics(self, before: Targets) -> dict[str, float]:
        """Metrics of every algorithm; ``before`` are the targets before the critic fit."""
        valid = before.valid
        return {
            "explained_variance": explained_variance(before.value[valid], before.returns[valid]),
            "value_mean": float(before.value[valid].mean()),
            "actor_lr": self.actor_optimizer.lr,
            "critic_lr": self.critic_optimizer.lr,
            "skipped_updates": float(self.actor_optimizer.skipped + self.critic_optimizer.skipped),
        }

    def _values(self, obs: Tensor) -> Tensor:
        """V (M,) of normalised ``obs`` (M, D), in bounded memory."""
        with self._autocast():
            value = torch.cat([self.critic(piece) for piece in torch.split(obs, chunk_rows(obs.device))])
        return value.clamp(0.0, self.critic.scale) if self.config.clip_values else value

    def _autocast(self) -> torch.autocast:
        """Matrix products of the update at its precision; acting, the last layer of the critic and the KL stay float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._dtype == torch.bfloat16)

    def _adapt_lr(self, kl: float) -> None:
        target, optimizer = self.config.target_kl, self.actor_optimizer
        if not target:
            return
        if kl > 2.0 * target:
            optimizer.lr = max(self.config.lr_min, optimizer.lr / _LR_FACTOR)
        elif kl < 0.5 * target:
            optimizer.lr = min(self.config.lr_max, optimizer.lr * _LR_FACTOR)

    def _num_minibatches(self, rows: Tensor, batch: int) -> int:
        """Minibatches of nearly equal size close to ``batch``, no small rest left; as many on every process."""
        return self.distributed.broadcast(max(1, round(rows.numel() / batch)))

    def _minibatches(self, rows: Tensor, count: int, epochs: int, steps: int) -> Iterator[Tensor]:
        return minibatches(rows, count, epochs, steps, self.generator, self.actor_optimizer.records)

    def _lr_tensor(self) -> Tensor:
        return torch.tensor([self.actor_optimizer.lr, self.critic_optimizer.lr], dtype=torch.float64)


def minibatches(
    rows: Tensor, count: int, epochs: int, steps: int, generator: torch.Generator, rounded: bool = False
) -> Iterator[Tensor]:
    """Shuffled ``rows`` (M,) in ``count`` minibatches: ``epochs`` times over all, or ``steps`` minibatches if that is not 0.

    ``rounded``: all minibatches are equally long, and few lengths occur; an epoch leaves out a thirty-second of the rows at most.
    """
    if rows.numel() == 0:
        return
    remaining = steps or epochs * count
    used, size = rows.numel(), rows.numel() // count
    if rounded:
        grain = 1 << max(0, (size // _GRAINS).bit_length() - 1)  # a power of two
        used = count * (size - size % grain)
    while remaining > 0:
        order = torch.randperm(rows.numel(), generator=generator, device=rows.device)[:used]
        yield from rows[order].tensor_split(count)[:remaining]
        remaining -= count


def standardize(advantage: Tensor, valid: Tensor, distributed: DistributedContext = SINGLE_PROCESS) -> Tensor:
    """Advantage (M,) minus its mean, over its standard deviation + 1e-5, both over the valid entries of all processes.

    Moments are float64, so that even 1e30 does not overflow.
    """
    chosen = advantage[valid].double()
    count = distributed.all_reduce_sum(torch.tensor(chosen.numel(), dtype=torch.float64, device=chosen.device))
    mean = distributed.all_reduce_sum(chosen.sum()) / count
    std = (distributed.all_reduce_sum((chosen - mean).square().sum()) / count).sqrt() + _EPS
    return ((advantage.double() - mean) / std).to(advantage.dtype)
