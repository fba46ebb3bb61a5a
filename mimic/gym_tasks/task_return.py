"""The return of a policy in a Gymnasium task: one whole episode in each of N copies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mimic.gym_tasks.task_env import TaskVecEnv
from mimic.rl.vec_env import Termination

Act = Callable[[Tensor], Tensor]  # observation (N, D) -> action (N, A), normalised
_LONGEST = 10_000  # control steps, for a task without a time limit


@dataclass(frozen=True)
class TaskReturn:
    """Undiscounted returns and lengths of N episodes."""

    task: str
    returns: Tensor  # (N,) float64
    steps: Tensor  # (N,) control steps
    failed: Tensor  # (N,) bool: the task terminated the episode

    def to_json(self) -> dict[str, Any]:
        """Convert the result to JSON keys: ``task``, ``episodes``, ``return`` {mean, std}, ``steps`` {mean, std} and the share that ``failed``."""
        return {
            "task": self.task,
            "episodes": self.returns.numel(),
            "return": _moments(self.returns),
            "steps": _moments(self.steps.double()),
            "failed": float(self.failed.double().mean()),
        }


@torch.no_grad()
def task_return(env: TaskVecEnv, act: Act, longest: int = _LONGEST) -> TaskReturn:
    """Play one episode of every copy with ``act``; an episode ends after ``longest`` steps at the latest."""
    count = env.num_envs
    returns, steps = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.int64)
    failed, playing = torch.zeros(count, dtype=torch.bool), torch.ones(count, dtype=torch.bool)
    obs = env.reset()
    for _ in range(longest):
        step = env.step(act(obs))
        returns += torch.where(playing & (step.end != Termination.DIVERGED), step.reward.double(), 0.0)
        steps += playing
        failed |= playing & (step.end != Termination.NONE) & (step.end != Termination.TIMEOUT)
        playing &= step.end == Termination.NONE
        if not bool(playing.any()):
            break
        obs = step.obs
    return TaskReturn(env.name, returns, steps, failed)


def _moments(values: Tensor) -> dict[str, float]:
    return {"mean": float(values.mean()), "std": float(values.std(unbiased=False))}
