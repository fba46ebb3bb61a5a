"""Collecting experience: a loop over control steps, never over environments."""

import copy
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from mimic.rl.distributed import ALONE, Ranks
from mimic.rl.policy import Policy
from mimic.rl.replay import Replay
from mimic.rl.threads import set_torch_threads, torch_threads
from mimic.rl.vec_env import End, Step, VecEnv

T = TypeVar("T")


@dataclass(frozen=True)
class RolloutConfig:
    """How much to collect between updates, how long to keep it, and how widely to explore."""

    steps: int = 24  # control steps an iteration, in each environment
    replay_iterations: int = 1  # iterations kept for learning
    overlap: bool = False  # learn while the next iteration is collected, by the policy of one update ago: see Collector
    std_start: float = 0.1  # exploration [normalised action units]...
    std_end: float = 0.1  # ... reached linearly
    std_samples: int = 0  # ... after so many samples; 0: not by samples
    std_episode_steps: int = 0  # ... geometrically, as training episodes come to last so long [control steps]; 0: not

    def __post_init__(self) -> None:
        if self.steps < 1 or self.replay_iterations < 1:
            raise ValueError("steps and replay_iterations must be at least 1")
        if min(self.std_start, self.std_end) <= 0.0:
            raise ValueError("std_start and std_end must be above 0")
        if self.std_samples and self.std_episode_steps:
            raise ValueError("std_samples and std_episode_steps: at most one of them can lead the std")

    def std_at(self, samples: int, episode_steps: float = 0.0) -> float:
        """Standard deviation of the policy after ``samples`` samples, when episodes last ``episode_steps`` on average.

        Wide exploration finds the skill, and then stands in the way of doing it well: the length of episodes says when.
        """
        if self.std_episode_steps:
            share = min(1.0, episode_steps / self.std_episode_steps)
            return float(self.std_start * (self.std_end / self.std_start) ** share)
        share = min(1.0, samples / self.std_samples) if self.std_samples else 0.0
        return self.std_start + share * (self.std_end - self.std_start)


class EpisodeTracker:
    """Returns and lengths of episodes, running across iterations; sums since the last ``metrics``."""

    def __init__(self, num_envs: int, device: torch.device | str = "cpu") -> None:
        self.running = torch.zeros(2, num_envs, dtype=torch.float64, device=device)  # return, length so far
        self.reset_sums()

    def reset_sums(self) -> None:
        """Start counting afresh; running episodes go on."""
        # sums over finished episodes: return, length [control steps], and how many
        self.finished = torch.zeros(3, dtype=torch.float64, device=self.running.device)
        self._ends = torch.zeros(len(End), dtype=torch.int64, device=self.running.device)
        self._kinds = torch.arange(len(End), dtype=torch.int8, device=self.running.device).unsqueeze(1)
        self._info: dict[str, Tensor] = {}
        self._steps = 0
        self._reward = torch.zeros((), dtype=torch.float64, device=self.running.device)

    def add(self, step: Step) -> None:
        """Count one step; a diverged episode counts as an end of its kind, but not in return and length."""
        diverged = step.end == int(End.DIVERGED)
        ended = step.end != int(End.NONE)
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
        result |= {f"ends/{end.name.lower()}": float(self._ends[end]) for end in End if end is not End.NONE}
        return result | {f"info/{name}": float(value) / steps for name, value in self._info.items()}

    def state_dict(self) -> dict[str, Tensor]:
        """The running episodes; call between iterations, when the sums have been read."""
        return {"running": self.running}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``state_dict``."""
        self.running.copy_(state["running"])
        self.reset_sums()


@torch.no_grad()
def collect(
    env: VecEnv,
    policy: Policy,
    replay: Replay,
    steps: int,
    generator: torch.Generator,
    tracker: EpisodeTracker,
    ranks: Ranks = ALONE,
) -> None:
    """Act for ``steps`` control steps with the sampling policy, from ``replay.last_obs`` on, into ``replay``.

    Raises ValueError if the environment hands over something not finite without saying ``End.DIVERGED``.
    """
    for _ in range(steps):
        obs = replay.last_obs
        action, params = policy.sample(obs, generator, ranks)
        step = env.step(action)
        replay.add(obs, action, params, policy.std, policy.log_prob(action, params), step)
        tracker.add(step)


class Collector:
    """Collects an iteration with a copy of the policy, ``acting``, on the environment's device, for a learner on any.

    With ``overlap`` another thread learns meanwhile from the iterations before: simulation and learning then keep two
    cores busy, or a CPU and a GPU, where each alone leaves one idle. The copy is taken before the update, so that
    experience is one update older than in turns, and the result depends on no timing.
    """

    def __init__(
        self,
        env: VecEnv,
        policy: Policy,
        steps: int,
        overlap: bool = True,
        ranks: Ranks = ALONE,
        learn_threads: int = 1,
    ) -> None:
        self._env, self._steps, self._ranks = env, steps, ranks
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
        """Run ``learn``, which may change ``policy`` and read ``replay``, beside a rollout that ``replay`` gets after.

        Without overlap the rollout comes first, and ``learn`` finds it in ``replay``.
        """
        self.acting.load_state_dict(policy.state_dict())
        self._fresh.last_obs.copy_(replay.last_obs)
        if self._pool is None:
            collect(self._env, self.acting, self._fresh, self._steps, generator, tracker, self._ranks)
            replay.extend(self._fresh)
            with torch_threads(self._learn_threads):
                return learn()
        learning = self._pool.submit(learn)
        try:
            collect(self._env, self.acting, self._fresh, self._steps, generator, tracker, self._ranks)
        finally:
            begin = time.monotonic()
            result = learning.result()
            self.waited_s = time.monotonic() - begin
        replay.extend(self._fresh)
        return result
