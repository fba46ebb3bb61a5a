"""The training loop of a baseline: our run around a library that collects and learns by itself."""

import dataclasses
from pathlib import Path
from typing import Any

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.rl.baseline import Baseline
from mimic.rl.policy import Policy
from mimic.rl.rollout import RolloutConfig
from mimic.rl.trainer import Trainer, TrainerConfig
from mimic.rl.vec_env import VecEnv


class BaselineTrainer(Trainer):
    """A `Trainer` whose iteration is the library's. There is no average of the policy: the library has none."""

    learner: Baseline

    def __init__(
        self,
        env: VecEnv,
        learner: Baseline,
        rollout: RolloutConfig,
        config: TrainerConfig,
        *,
        out: Path,
        seed: int,
        **options: Any,
    ) -> None:
        rollout = dataclasses.replace(rollout, overlap=False)
        config = dataclasses.replace(config, ema_decay=0.0)
        super().__init__(env, learner, rollout, config, out=out, seed=seed, **options)
        learner.begin(env, rollout.steps, seed, self.state.tracker)

    def resume(self) -> checkpoint.Checkpoint:
        """Take up the newest checkpoint; its episodes begin anew."""
        found = super().resume()
        self.progress.say(
            "a resumed baseline begins new episodes and random numbers: the run will differ from an unbroken one"
        )
        return found

    def init_policy(self, policy: Policy) -> None:
        """Raise InputError: the library makes its own networks."""
        raise InputError("--from: a baseline begins with networks of its own; leave it out, or choose awr or ppo")

    def _collect_and_learn(self) -> dict[str, float]:
        self.learner.learn(self._samples_an_iteration)
        return self.state.tracker.metrics()
