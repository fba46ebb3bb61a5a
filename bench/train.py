"""Measures the parts of a training run: whole iterations of fresh networks, with stopwatches inside.

Two variants of a run are timed in turns, so that their ratio is fair on a busy machine. The first has the preset's
settings. The second, "plain", learns after collecting, in float32 except for Muon's own products, on one thread, and
without CUDA graphs. On a GPU the stopwatches wait for it three times a control step, so the rates are 5 to 10 % low; those of
a run are in its ``metrics.jsonl``.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

from bench.sim import clip_of, now
from mimic.gpu.graphed_env import with_graphs
from mimic.rl.algorithm import make_learner
from mimic.rl.policy import Policy
from mimic.rl.replay import Replay
from mimic.rl.rollout import Collector, EpisodeTracker, RolloutConfig, collect
from mimic.rl.seeds import generator
from mimic.rl.threads import learner_threads, torch_threads
from mimic.runs.preset import Preset
from mimic.runs.run_config import RunConfig, tracking_run
from mimic.runs.training import make_run_env, rollout_of
from mimic.sim import DeviceName
from mimic.tracking import TrackingEnv

_WARM_UP = 6  # iterations until the replay is full and the characters are no longer all at the start
_ITERATIONS = 6  # of each way by turns
_ROUNDS = 3


def bench_train(
    character: str,
    preset: Preset,
    algorithm: str,
    threads: int = 0,
    engine: str = "mujoco",
    device: DeviceName = "cpu",
) -> dict[str, Any]:
    """Measure the samples per second of training, and the shares of its parts in the wall time.

    Shares: ``simulate`` (servo and physics), ``infer`` (the policy acting), ``observe_reward`` (the rest of the
    environment), ``learn`` (updates for which the rollout waits) and ``rest``. ``learn_beside`` is the share of updates
    that run beside the rollout; it is not part of the sum.
    """
    clip = clip_of(character)
    run = tracking_run(clip, preset, algorithm, engine=engine, device=device)
    ways = {"as_preset": _Run(run, threads), "plain": _Run(_plain(run), threads, plainly=True)}
    for timed in ways.values():
        timed.iterate(_WARM_UP)
        timed.rates.clear()
        timed.seconds.clear()
    for _ in range(_ROUNDS):
        for timed in ways.values():
            timed.iterate(_ITERATIONS)
    chosen = ways["as_preset"]
    ratios = [a / b for a, b in zip(chosen.rates, ways["plain"].rates, strict=True)]
    return {
        "character": character,
        "clip": clip,
        "algorithm": algorithm,
        "num_envs": preset.num_envs,
        "engine": engine,
        "device": device,
        "threads": threads,
        **{name: timed.report() for name, timed in ways.items()},
        "samples_per_s": chosen.report()["samples_per_s"],
        "times_plain": round(median(ratios), 2),
    }


def _plain(run: RunConfig) -> RunConfig:
    """Return the same run with learning after collecting, in float32."""
    algorithm = replace(
        run.algorithm,
        rollout=replace(run.algorithm.rollout, overlap=False),
        update=replace(run.algorithm.update, precision="float32"),
    )
    return replace(run, algorithm=algorithm)


class _Run:
    """Training without log, evaluation and checkpoints, with stopwatches on its parts."""

    def __init__(self, run: RunConfig, threads: int, plainly: bool = False) -> None:
        self.rates: list[float] = []
        self.seconds: dict[str, float] = {}
        rollout = rollout_of(run)
        self._rollout: RolloutConfig = rollout
        simulated = make_run_env(run, threads)
        if not isinstance(simulated, TrackingEnv):
            raise TypeError("only the tracking task is timed here")
        self._env = env = simulated if plainly else with_graphs(simulated)
        self._learner = make_learner(env, run.policy, run.algorithm.update, 0, device=run.device)
        if plainly:
            for optimizer in (self._learner.actor_optimizer, self._learner.critic_optimizer):
                optimizer.launch_directly()
        self._policy: Policy = self._learner.policy
        self._policy.set_std(rollout.std_start)
        sizes = rollout.replay_iterations, rollout.steps, env.num_envs, env.obs_dim, env.act_dim
        self._replay = Replay(*sizes, self._learner.device, self._policy.head.width)
        self._replay.next_obs.copy_(env.reset())
        self._tracker, self._explore = EpisodeTracker(env.num_envs, env.device), generator(0, "explore", env.device)
        self._threads = 1 if plainly else learner_threads(self._learner.device, rollout.overlap)
        self._beside = None
        if rollout.overlap or self._learner.device.type != env.device.type:
            self._beside = Collector(env, self._policy, rollout.steps, rollout.overlap, learn_threads=self._threads)
        acting = self._beside.acting if self._beside else self._policy
        self._watch(simulated.engine, "step", "simulate")
        self._watch(env, "step", "step")
        self._watch(acting, "sample", "infer")
        self._watch(self, "_learn", "learn")

    def iterate(self, count: int) -> None:
        """Run ``count`` iterations and append their mean rate to ``rates``."""
        begin = now(self._env.device)
        for _ in range(count):
            if self._beside:
                self._beside.collect(self._learn, self._policy, self._replay, self._explore, self._tracker)
                self.seconds["waited"] = self.seconds.get("waited", 0.0) + self._beside.waited_s
            else:
                collect(self._env, self._policy, self._replay, self._rollout.steps, self._explore, self._tracker)
                with torch_threads(self._threads):
                    self._learn()
        passed = now(self._env.device) - begin
        self.seconds["wall"] = self.seconds.get("wall", 0.0) + passed
        self.rates.append(count * self._rollout.steps * self._env.num_envs / passed)

    def report(self) -> dict[str, Any]:
        """Return the median rate and the shares of the wall time."""
        share = {name: seconds / self.seconds["wall"] for name, seconds in self.seconds.items()}
        shares = {
            "simulate": share["simulate"],
            "infer": share["infer"],
            "observe_reward": share["step"] - share["simulate"],
            "learn": share["waited"] if self._rollout.overlap else share["learn"],
        }
        shares["rest"] = 1.0 - sum(shares.values())
        if self._rollout.overlap:
            shares["learn_beside"] = share["learn"] - share["waited"]
        return {
            "samples_per_s": round(median(self.rates)),
            "learn_threads": self._threads,
            "shares": {name: round(value, 3) for name, value in shares.items()},
        }

    def _learn(self) -> None:
        slots = self._replay.slots(self._rollout.steps)
        if float(self._policy.normalizer.count):
            self._learner.update(self._replay)
        if self._replay.size:
            self._policy.normalizer.update(self._replay.obs[slots][self._replay.valid[slots]])

    def _watch(self, owner: object, method: str, name: str) -> None:
        """Add the time inside ``owner.method`` to ``seconds[name]``."""
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = now(self._env.device)
            try:
                return inner(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + now(self._env.device) - begin

        setattr(owner, method, timed)
