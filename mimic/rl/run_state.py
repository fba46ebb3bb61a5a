"""The complete state of a run, saved to and loaded from a checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from mimic.core.checkpoint import Checkpoint
from mimic.core.errors import CheckpointError
from mimic.rl.learner import Learner
from mimic.rl.policy import Policy
from mimic.rl.policy_ema import PolicyEMA
from mimic.rl.replay import Replay
from mimic.rl.rollout import EpisodeTracker, RolloutConfig
from mimic.rl.vec_env import VecEnv, is_resumable

_FOLLOW = 0.05  # share an iteration with which smoothed quantities follow


@dataclass
class Counters:
    """Counters of a run."""

    iteration: int = 0
    samples: int = 0
    next_evaluation: int = 0  # samples
    best_score: float | None = None
    seconds: float = 0.0
    episode_steps: float = 0.0  # mean length of training episodes, smoothed over iterations

    def update_episode_length_ema(self, finished: Tensor) -> None:
        """Take in the episodes that finished in an iteration, as `EpisodeTracker.finished` sums them up."""
        _, steps, count = finished.tolist()
        if count:
            self.episode_steps += (steps / count - self.episode_steps) * (_FOLLOW if self.episode_steps else 1.0)


@dataclass
class RunState:
    """Everything of a run that changes as it learns; ``tensors`` and ``meta`` are its content of a checkpoint."""

    env: VecEnv
    learner: Learner
    rollout: RolloutConfig
    replay: Replay
    tracker: EpisodeTracker
    explore: torch.Generator
    ema: PolicyEMA | None
    learn_threads: int = 1
    offline: bool = False  # the replay holds recorded episodes alone, so checkpoints leave it out
    counters: Counters = field(default_factory=Counters)

    @property
    def eval_policy(self) -> Policy:
        """The policy to evaluate and to ship: the moving average if there is one, else the learning policy."""
        return self.ema.policy if self.ema else self.learner.policy

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Groups of tensors. ``policy`` is the policy to ship; ``actor`` is the learning one, if it is another."""
        groups = self.learner.state_tensors()
        if self.ema:
            groups["actor"], groups["policy"] = groups["policy"], dict(self.ema.policy.state_dict())
            groups["ema"] = {"updates": torch.tensor([self.ema.updates])}
        groups["tracker"] = self.tracker.state_dict()
        if not self.offline:
            groups["replay"] = self.replay.state_dict()
        return groups | {"env": dict(self.env.state_dict()), "explore": {"rng": self.explore.get_state()}}

    def meta(self) -> dict[str, Any]:
        """Counters, and the settings for `load` to compare."""
        return {"counters": asdict(self.counters), "settings": self._settings()}

    def load(self, found: Checkpoint) -> list[str]:
        """Continue from ``found``. Raises CheckpointError if it does not fit.

        Returns lines for the user: one for each setting that differs from the checkpoint's, and whether episodes begin anew.
        """
        groups = found.tensors
        try:
            if self.ema:
                self.ema.policy.load_state_dict(groups["policy"])
                self.ema.updates = int(groups["ema"]["updates"]) if "ema" in groups else 0
            self.learner.load_state_tensors({**groups, "policy": groups.get("actor", groups["policy"])})
            if not self.offline:
                self.replay.load_state_dict(groups["replay"])
            self.tracker.load_state_dict(groups["tracker"])
            self.explore.set_state(groups["explore"]["rng"])
            saved = groups["env"]
            if saved:  # a run with actors has no states of simulations
                self.env.load_state_dict(saved)
            begun_anew = self._begin_anew(bool(saved))
            self.counters = Counters(**found.meta["counters"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            line = " ".join(str(error).split())
            raise CheckpointError(f"{found.path}: does not fit these settings or this version ({line})") from None
        return [*begun_anew, *_differences(found.meta.get("settings"), self._settings())]

    def _begin_anew(self, saved: bool) -> list[str]:
        """If the episodes cannot be resumed, cut them and return a line that says so; else an empty list.

        ``saved``: the checkpoint holds the state of the environments.
        """
        if self.offline or (saved and is_resumable(self.env)):
            return []
        env: Any = self.env
        obs = env.reset() if is_resumable(self.env) else env.observation()
        self.replay.cut(obs.to(self.replay.obs.device))
        self.tracker.running.zero_()
        return [
            "the simulations' states are not saved: unfinished episodes begin anew, and the run will differ from an unbroken one"
        ]

    def _settings(self) -> dict[str, Any]:
        parts = {
            "policy": asdict(self.learner.policy.config),
            "learner": asdict(self.learner.config),
            "rollout": asdict(self.rollout),
        }
        named = {f"{part}.{key}": value for part, values in parts.items() for key, value in values.items()}
        common = {
            "num_envs": self.env.num_envs,
            "threads": self.learn_threads,
            "device": self.learner.device.type,
        }
        return {"algorithm": type(self.learner).__name__, **common, **named}


def _differences(before: Any, now: Mapping[str, Any]) -> list[str]:
    """Lines naming what changed between the settings of a checkpoint and the present ones."""
    before = before if isinstance(before, dict) else {}
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in now.items()}
    changed = [key for key in plain if key in before and before[key] != plain[key]]
    return [f"resuming with other settings: {key} was {before.get(key)}, is {plain[key]}" for key in changed]
