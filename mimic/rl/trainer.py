"""The training loop of a long run: evaluation, log, checkpoints, resume and signals.

A run resumed from a checkpoint continues bit for bit on the CPU, because the checkpoint holds everything that the loop reads.
The clock determines only when the run saves and when it stops.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, ConfigError, nearest
from mimic.rl.demonstrations import fill, time_slots
from mimic.rl.episodes import Episodes
from mimic.rl.learner import Learner
from mimic.rl.metrics_log import LAST_ROW, METRICS_FILE, MetricsLog
from mimic.rl.policy import Policy
from mimic.rl.policy_ema import PolicyEMA
from mimic.rl.progress import Progress, make_progress
from mimic.rl.replay import Replay
from mimic.rl.rollout import Collector, EpisodeTracker, RolloutConfig, collect_of
from mimic.rl.run_state import RunState
from mimic.rl.seeds import generator
from mimic.rl.signals import StopOnSignal
from mimic.rl.threads import torch_threads
from mimic.rl.vec_env import VecEnv

CHECKPOINTS = "ckpt"
CURVE_FILE = "learning_curve.png"
_UPDATES_BETWEEN_EVALUATIONS = 8  # of an offline run at least, because an update is a pass over all data
_REASONS = (None, "samples", "minutes", "SIGINT", "SIGTERM", "SIGHUP", "held-out loss")

Evaluate = Callable[[Policy], Mapping[str, float]]


@dataclass(frozen=True)
class TrainerConfig:
    """When to stop, evaluate and save."""

    samples: int = 0  # stop at so many samples in all; 0: no such limit
    minutes: float = 0.0  # stop after so many minutes of this call; 0: no such limit
    evaluate_every: int = 500_000  # samples; also before the first and after the last; 0: never
    checkpoint_minutes: float = 10.0
    keep_checkpoints: int = 3  # newest kept; the best evaluated one is kept besides
    best_metric: str = "normalized_return"  # entry of an evaluation that tells which is best
    critic_warmup_iterations: int = 20  # only the critic learns at first, in a run that begins with a controller
    ema_decay: float = 0.0  # an iteration, of the policy that is evaluated and shipped; 0: the policy itself
    offline_ema_decay: float = 0.998  # the same of a run that learns from recorded episodes alone, a minibatch
    tensorboard: bool = True

    def __post_init__(self) -> None:
        if min(self.samples, self.minutes, self.evaluate_every, self.checkpoint_minutes) < 0:
            raise ValueError(
                f"samples {self.samples}, minutes {self.minutes:g}, evaluate_every {self.evaluate_every} and "
                f"checkpoint_minutes {self.checkpoint_minutes:g} must be 0 or above"
            )
        if (
            self.keep_checkpoints < 1
            or self.critic_warmup_iterations < 0
            or not 0.0
            <= min(self.ema_decay, self.offline_ema_decay)
            <= max(self.ema_decay, self.offline_ema_decay)
            < 1.0
        ):
            raise ValueError(
                f"keep_checkpoints {self.keep_checkpoints} must be at least 1, critic_warmup_iterations "
                f"{self.critic_warmup_iterations} not negative, ema_decay {self.ema_decay:g} and "
                f"offline_ema_decay {self.offline_ema_decay:g} in [0, 1)"
            )


@dataclass(frozen=True)
class TrainResult:
    """How a call of ``train`` ended.

    Attributes:
        samples: transitions of the whole run.
        iterations: iterations of the whole run.
        stopped_by: "samples", "minutes", "held-out loss" or the name of a signal.
        checkpoint: folder of the last checkpoint.
        best: folder of the best evaluated checkpoint; None if there was no evaluation.
    """

    samples: int
    iterations: int
    stopped_by: str
    checkpoint: Path
    best: Path | None


class Trainer:
    """Trains ``learner`` in ``env``, writing ckpt/, metrics.jsonl, tensorboard/ and learning_curve.png into ``out``.

    ``evaluate`` gets the policy to evaluate, and must not touch the training environment; its numbers are logged as
    ``eval/...``. With ``spec``, the specification of a controller, every checkpoint is a controller as well. For
    ``critic_warmup`` iterations only the critic learns, because an untrained critic would spoil a good policy.

    Recorded ``episodes`` are written into the replay first; it is made large enough to hold them. If the trainer is ``offline``, they are all it learns
    from: an iteration is then an update, and its samples are the transitions of the episodes.
    """

    def __init__(
        self,
        env: VecEnv,
        learner: Learner,
        rollout: RolloutConfig,
        config: TrainerConfig,
        *,
        out: Path,
        seed: int,
        evaluate: Evaluate | None = None,
        spec: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        critic_warmup: int = 0,
        learn_threads: int = 1,
        episodes: Episodes | None = None,
        offline: bool = False,
    ) -> None:
        self.env, self.learner, self.rollout, self.config = env, learner, rollout, config
        self.out, self.root, self.spec, self.evaluate = out, out / CHECKPOINTS, spec, evaluate
        ema = _make_ema(learner, config, offline)
        device = learner.device
        needed = time_slots(episodes, env.num_envs) if episodes else 0
        iterations = max(rollout.replay_iterations, math.ceil(needed / rollout.steps))
        sizes = iterations, rollout.steps, env.num_envs, env.obs_dim, env.act_dim
        replay = Replay(*sizes, device, learner.policy.head.width)
        if episodes:
            fill(replay, episodes, learner.policy.head)
        tracker, explore = EpisodeTracker(env.num_envs, env.device), generator(seed, "explore", env.device)
        self.state = RunState(env, learner, rollout, replay, tracker, explore, ema, learn_threads, offline)
        self.distributed = learner.distributed
        apart = not offline and (rollout.overlap or device.type != env.device.type)
        self._learn_threads = learn_threads
        self._collector = (
            Collector(env, learner.policy, rollout.steps, rollout.overlap, self.distributed, learn_threads)
            if apart
            else None
        )
        self._offline = offline
        share = int(replay.valid.sum()) if offline else rollout.steps * env.num_envs
        self._samples_an_iteration = share * self.distributed.world_size
        self.progress = progress or make_progress()
        self._critic_warmup = critic_warmup
        self._judged = -1  # samples at the last evaluation
        self._started = False  # episodes are under way, in this process or before

    def train(self) -> TrainResult:
        """Train until the samples, the minutes or a signal end it, then save; return how it ended.

        Raises LearnerDiverged or CheckpointWriteError.
        """
        env, policy, counters = self.env, self.learner.policy, self.state.counters
        with StopOnSignal("finishing the iteration, then saving; once more stops at once and saves nothing") as stop:
            log = self._start()
            try:
                while (reason := self._stop_reason(stop)) is None:
                    env.set_progress(counters.samples)
                    policy.set_std(self.rollout.std_at(counters.samples, counters.episode_steps))
                    begin = time.monotonic()
                    metrics = self._collect_and_learn()
                    counters.update_episode_length_ema(self.distributed.all_reduce_sum(self.state.tracker.finished))
                    counters.iteration += 1
                    counters.samples += self._samples_an_iteration
                    metrics |= self._rate(begin) | self._evaluate_if_due()
                    self._record(log, metrics)
                    self._save_if_due(log, self._new_best(metrics))
                path = self._save(log, None)
                if reason in ("samples", "minutes", "held-out loss") and (score := self._judge_last(log)) is not None:
                    path = self._save(log, score)
            finally:
                log.close()
                self.progress.close()
        self._draw_curve()
        return TrainResult(counters.samples, counters.iteration, reason, path, checkpoint.best(self.root))

    def resume(self) -> checkpoint.Checkpoint:
        """Resume from the newest undamaged checkpoint of ``out``; of several processes, from the newest that all have.

        Raises CheckpointError if there is none that fits.
        """
        found = checkpoint.latest(self.root)
        common = self.distributed.all_reduce_min(found.step)
        if found.step != common:  # they were killed between one's save and another's
            found = checkpoint.load(self.root / f"{common:09d}")
            checkpoint.forget_after(self.root, common)
        for line in (*found.warnings, *self.state.load(found)):
            self.progress.say(line)
        self._started = True
        return found

    def init_policy(self, policy: Policy) -> None:
        """Start from the networks and normaliser of ``policy``, which must have the sizes of this run's policy."""
        self.learner.policy.load_state_dict(policy.state_dict())
        if self.state.ema:
            self.state.ema.policy.load_state_dict(policy.state_dict())

    def _start(self) -> MetricsLog:
        """Clean up after a crash, open the log, begin the episodes, evaluate the untrained policy."""
        checkpoint.remove_orphans(self.root)
        if not self._started and checkpoint.steps(self.root):
            raise CheckpointError(f"{self.out}: holds a run already; resume it, or choose another folder")
        tensors = sum(t.nbytes for group in self.state.tensors().values() for t in group.values())
        checkpoint.preflight(self.root, tensors + self.state.replay.nbytes)
        counters = self.state.counters
        log = MetricsLog(
            self.out, counters.iteration if self._started else -1, self.config.tensorboard, self.progress.say
        )
        self._begin, self._samples_at_begin = time.monotonic(), counters.samples
        self._next_save = self._begin + 60.0 * self.config.checkpoint_minutes
        if not self._started:
            self._started = True
            self.env.set_progress(0)
            self.state.replay.next_obs.copy_(self.env.reset())
            if self.state.replay.size:
                self.learner.observe(self.state.replay, self.state.replay.slots())
            if evaluation := self._evaluate_if_due():
                self._record(log, evaluation)
                self._new_best(evaluation)
        return log

    def _stop_reason(self, stop: StopOnSignal) -> str | None:
        """The reason to stop now, or None; if several processes train, the first one decides."""
        reason = 0
        if self.config.minutes and time.monotonic() - self._begin >= 60.0 * self.config.minutes:
            reason = _REASONS.index("minutes")
        if self.config.samples and self.state.counters.samples >= self.config.samples:
            reason = _REASONS.index("samples")
        if self.learner.finished:
            reason = _REASONS.index("held-out loss")
        if stop.received is not None:
            reason = _REASONS.index(stop.received.name)
        return _REASONS[self.distributed.broadcast(reason)]

    def _collect_and_learn(self) -> dict[str, float]:
        """Collect an iteration and update the networks: one after the other, or at once with ``rollout.overlap``."""
        state, policy = self.state, self.learner.policy
        if self._collector:
            metrics = self._collector.collect(self._learn, policy, state.replay, state.explore, state.tracker)
            return metrics | state.tracker.metrics()
        if not self._offline:
            collect = collect_of(self.env)
            collect(self.env, policy, state.replay, self.rollout.steps, state.explore, state.tracker, self.distributed)
        with torch_threads(self._learn_threads):
            metrics = self._learn()
        return metrics if self._offline else metrics | state.tracker.metrics()

    def _learn(self) -> dict[str, float]:
        """Update the networks, then the normaliser: its change must not look like a step of the policy."""
        replay = self.state.replay
        begin = time.monotonic()
        if not replay.size:
            return {}
        # The first iteration only measures observations.
        critic_only = self.state.counters.iteration < self._critic_warmup
        measured = float(self.learner.policy.normalizer.count) > 0.0
        metrics = self.learner.update(replay, critic_only) if measured else {}
        if not self._offline:
            self.learner.observe(replay, replay.slots(self.rollout.steps))
        if self.state.ema and not self._offline:
            self.state.ema.update(self.learner.policy)
        return metrics | {"update_s": time.monotonic() - begin}

    def _rate(self, begin: float) -> dict[str, float]:
        passed = time.monotonic() - begin
        self.state.counters.seconds += passed
        return {"iteration_s": passed, "samples_per_s": self._samples_an_iteration / max(passed, 1e-9)}

    def _evaluate_if_due(self) -> dict[str, float]:
        counters, every = self.state.counters, self.config.evaluate_every
        if self._offline:
            every *= math.ceil(_UPDATES_BETWEEN_EVALUATIONS * self._samples_an_iteration / max(every, 1))
        if self.evaluate is None or not every or counters.samples < counters.next_evaluation:
            return {}
        counters.next_evaluation = (counters.samples // every + 1) * every
        self._judged = counters.samples
        return self._judge(self.evaluate)

    def _judge(self, evaluate: Evaluate) -> dict[str, float]:
        found = evaluate(self.state.eval_policy)
        if self.config.best_metric not in found:
            raise ConfigError(
                f"best_metric: an evaluation has no '{self.config.best_metric}'; {nearest(self.config.best_metric, found)}"
            )
        return {f"eval/{key}": float(value) for key, value in found.items()}

    def _judge_last(self, log: MetricsLog) -> float | None:
        """Evaluate the final policy and return its score; None if it has been evaluated, or the run evaluates nothing.

        The log row is marked `last`; a resume deletes it.
        """
        if self.evaluate is None or not self.config.evaluate_every or self._judged == self.state.counters.samples:
            return None
        metrics = self._judge(self.evaluate)
        self._record(log, metrics | {LAST_ROW: 1})
        return metrics[f"eval/{self.config.best_metric}"]

    def _record(self, log: MetricsLog, metrics: dict[str, float]) -> None:
        counters, std = self.state.counters, float(self.learner.policy.std.mean())
        row = {
            "iteration": counters.iteration,
            "samples": counters.samples,
            "time_s": counters.seconds,
            "std": std,
        }
        log.write(row | metrics)
        self.progress.show(row | metrics, *self._share_and_eta())
        self.state.tracker.reset_sums()

    def _new_best(self, metrics: dict[str, float]) -> float | None:
        """The score of this row's evaluation if it is the best of the run so far, else None."""
        score, counters = metrics.get(f"eval/{self.config.best_metric}", math.nan), self.state.counters
        if math.isfinite(score) and (counters.best_score is None or score > counters.best_score):
            counters.best_score = score
            return score
        return None

    def _share_and_eta(self) -> tuple[float, float]:
        """Share of the run done, and seconds to go (inf if it has no end)."""
        passed, samples = time.monotonic() - self._begin, self.state.counters.samples
        share, eta = 0.0, math.inf
        if self.config.minutes:
            share, eta = passed / (60.0 * self.config.minutes), 60.0 * self.config.minutes - passed
        if self.config.samples:
            share = max(share, samples / self.config.samples)
            rate = (samples - self._samples_at_begin) / max(passed, 1e-9)
            eta = min(eta, (self.config.samples - samples) / rate if rate else math.inf)
        return min(share, 1.0), max(eta, 0.0)

    def _save_if_due(self, log: MetricsLog, new_best: float | None) -> None:
        """Save on a new best score or when it is time; a failure is reported, and the next save is due as usual."""
        due = new_best is not None or time.monotonic() >= self._next_save
        if not self.distributed.broadcast(due):
            return
        try:
            self._save(log, new_best)
        except checkpoint.CheckpointWriteError as error:
            self.progress.say(f"{error}; training goes on")

    def _save(self, log: MetricsLog, score: float | None) -> Path:
        log.sync()
        self._next_save = time.monotonic() + 60.0 * self.config.checkpoint_minutes
        state, keep = self.state, self.config.keep_checkpoints
        spec = None if self.spec is None else {**self.spec, "policy": self.learner.policy.describe()}
        return checkpoint.save(self.root, state.counters.iteration, state.tensors(), state.meta(), spec, score, keep)

    def _draw_curve(self) -> None:
        try:
            from mimic.rl.curve import draw_learning_curve

            draw_learning_curve(self.out / METRICS_FILE, self.out / CURVE_FILE)
        except Exception as error:
            self.progress.say(f"no learning curve drawn: {error}")


def _make_ema(learner: Learner, config: TrainerConfig, offline: bool) -> PolicyEMA | None:
    """The average of the policy; offline it follows every minibatch, because an update is a pass over all data."""
    decay = config.offline_ema_decay if offline else config.ema_decay
    ema = PolicyEMA(learner.policy, decay, warm_up=offline) if decay else None
    if ema and offline:
        learner.after_actor_step = lambda: ema.update(learner.policy)
    return ema
