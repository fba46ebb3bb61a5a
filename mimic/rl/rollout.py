"""Collecting experience: a loop over control steps, never over environments."""

import copy
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.policy import Policy
from mimic.rl.replay import Replay
from mimic.rl.threads import set_torch_threads, torch_threads
from mimic.rl.vec_env import Step, Termination, VecEnv

T = TypeVar("T")


@dataclass(frozen=True)
class RolloutConfig:
    """How much to collect between updates, how long to keep it, and how widely to explore."""

    steps: int = 24  # control steps an iteration, in each environment
    replay_iterations: int = 1  # iterations kept for learning
    overlap: bool = False  # learn while the policy of one update ago collects the next iteration: see Collector
    std_start: float = 0.1  # std of exploration at first [normalised action units]
    std_end: float = 0.1  # std of exploration in the end
    std_samples: int = 0  # the std changes linearly over so many samples; 0: not by samples
    std_episode_steps: int = 0  # it changes geometrically, until training episodes last so many control steps; 0: not

    def __post_init__(self) -> None:
        if self.steps < 1 or self.replay_iterations < 1:
            raise ValueError(f"steps {self.steps} and replay_iterations {self.replay_iterations} must be at least 1")
        if min(self.std_start, self.std_end) <= 0.0:
            raise ValueError(f"std_start {self.std_start:g} and std_end {self.std_end:g} must be above 0")
        if self.std_samples and self.std_episode_steps:
            raise ValueError(
                "std_samples and std_episode_steps are both set; set one of them to 0, because one alone can change the std"
            )

    def std_at(self, samples: int, episode_steps: float = 0.0) -> float:
        """Standard deviation of the policy after ``samples`` samples, when episodes last ``episode_steps`` on average.

        Wide exploration finds the skill, but is too noisy to do it well. Long episodes show that the skill has been found.
        """
        if self.std_episode_steps:
            share = min(1.0, episode_steps / self.std_episode_steps)
            return float(self.std_start * (self.std_end / self.std_start) ** share)
        share = min(1.0, samples / self.std_samples) if self.std_samples else 0.0
        return self.std_start + share * (self.std_end - self.std_start)


class EpisodeTracker:
    """Returns and lengths of episodes, which continue across iterations; sums are since the last ``reset_sums``."""

    def __init__(self, num_envs: int, device: torch.device | str = "cpu") -> None:
        self.running = torch.zeros(2, num_envs, dtype=torch.float64, device=device)  # return, length so far
        self.reset_sums()

    def reset_sums(self) -> None:
        """Set the sums to zero; unfinished episodes keep their returns and lengths."""
        # sums over finished episodes: return, length [control steps], and how many
        self.finished = torch.zeros(3, dtype=torch.float64, device=self.running.device)
        self._ends = torch.zeros(len(Termination), dtype=torch.int64, device=self.running.device)
        self._kinds = torch.arange(len(Termination), dtype=torch.int8, device=self.running.device).unsqueeze(1)
        self._info: dict[str, Tensor] = {}
        self._steps = 0
        self._reward = torch.zeros((), dtype=torch.float64, device=self.running.device)

    def add(self, step: Step) -> None:
        """Count one step; a diverged episode is counted in ``ends/diverged``, but not in return and length."""
        diverged = step.end == int(Termination.DIVERGED)
        ended = step.end != int(Termination.NONE)
        reward = step.reward.double().masked_fill(diverged, 0.0)
        self.running[0] += reward
        self.running[1] += 1.0
        finished = (ended & ~diverged).double()
        self.finished += torch.cat([(self.running * finished).sum(1), finished.sum().unsqueeze(0)])
        self._ends += (step.end == self._kinds).sum(1)
        self.running *= (~ended).double()
        self._reward += reward.mean()
        self._steps += 1
        for name, value in step.info.items():
            mean = value.double().masked_fill(diverged, 0.0).mean()
            self._info[name] = self._info[name] + mean if name in self._info else mean

    def metrics(self) -> dict[str, float]:
        """Means since ``reset_sums``; ``episode_return`` and ``episode_length`` only if an episode finished."""
        steps = max(1, self._steps)
        result = {"reward": float(self._reward) / steps}
        total, length, count = self.finished.tolist()
        if count:
            result |= {"episode_return": total / count, "episode_length": length / count}
        result |= {
            f"ends/{end.name.lower()}": float(self._ends[end]) for end in Termination if end is not Termination.NONE
        }
        return result | {f"info/{name}": float(value) / steps for name, value in self._info.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The running episodes; call between iterations, when the sums have been read."""
        return {"running": self.running}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``state_dict``."""
        self.running.copy_(state["running"])
        self.reset_sums()


class StepSink(Protocol):
    """Receives each step of a rollout, such as an `EpisodeTracker`."""

    def add(self, step: Step) -> None:
        """Take a step; its tensors may be overwritten by the next one."""


@torch.no_grad()
def collect(
    env: VecEnv,
    policy: Policy,
    replay: Replay,
    steps: int,
    generator: torch.Generator,
    tracker: "StepSink",
    distributed: DistributedContext = SINGLE_PROCESS,
) -> None:
    """Act for ``steps`` control steps with the sampling policy, from ``replay.next_obs`` on, into ``replay``.

    Raises ValueError if a number of the environment is not finite and the row is not marked ``Termination.DIVERGED``.
    """
    for _ in range(steps):
        obs = replay.next_obs
        action, params = policy.sample(obs, generator, distributed)
        step = env.step(action)
        replay.add(obs, action, params, policy.std, policy.log_prob(action, params), step)
        tracker.add(step)


def collect_of(env: VecEnv) -> Callable[..., None]:
    """The function that collects in ``env``: its method ``collect`` if actors simulate it, else :func:`collect`."""
    found: Callable[..., None] = getattr(env, "collect", collect)
    return found


class Collector:
    """Collects an iteration with a copy of the policy, ``acting``, on the environment's device; the learner may use another.

    With ``overlap`` another thread learns meanwhile from earlier iterations, so that two cores, or a CPU and a GPU, are busy.
    The copy is taken before the update. Experience is therefore one update older than without overlap, and the result
    depends on no timing.
    """

    def __init__(
        self,
        env: VecEnv,
        policy: Policy,
        steps: int,
        overlap: bool = True,
        distributed: DistributedContext = SINGLE_PROCESS,
        learn_threads: int = 1,
    ) -> None:
        self._env, self._steps, self._ranks = env, steps, distributed
        self._collect = collect_of(env)
        self.acting = copy.deepcopy(policy).to(env.device)
        width = policy.head.width
        self._fresh = Replay(1, steps, env.num_envs, env.obs_dim, env.act_dim, env.device, width)
        self._learn_threads = learn_threads
        self._pool = ThreadPoolExecutor(1, "learn") if overlap else None
        if self._pool:
            torch.get_num_threads()  # this thread's number stays what it is
            self._pool.submit(set_torch_threads, learn_threads).result()
        self.waited_s = 0.0  # how long the last rollout waited for the update beside it

    def collect(
        self,
        learn: Callable[[], T],
        policy: Policy,
        replay: Replay,
        generator: torch.Generator,
        tracker: EpisodeTracker,
    ) -> T:
        """Run ``learn``, which may change ``policy`` and read ``replay``, during a rollout that is then added to ``replay``.

        Without overlap, the rollout is added to ``replay`` before ``learn`` runs.
        """
        self.acting.load_state_dict(policy.state_dict())
        self._fresh.next_obs.copy_(replay.next_obs)
        if self._pool is None:
            self._collect(self._env, self.acting, self._fresh, self._steps, generator, tracker, self._ranks)
            replay.extend(self._fresh)
            with torch_threads(self._learn_threads):
                return learn()
        learning = self._pool.submit(learn)
        try:
            self._collect(self._env, self.acting, self._fresh, self._steps, generator, tracker, self._ranks)
        finally:
            begin = time.monotonic()
            result = learning.result()
            self.waited_s = time.monotonic() - begin
        replay.extend(self._fresh)
        return result
