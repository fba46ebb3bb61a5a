"""A task in one file: points that should follow a target on a circle."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mimic.rl.vec_env import Step, Termination
from mimic.runs.task import Place
from mimic.runs.tasks import TASKS

_STEPS = 20  # of an episode


@dataclass(frozen=True)
class CircleConfig:
    radius: float = 1.0


class CircleEnv:
    obs_dim, act_dim = 4, 2
    device = torch.device("cpu")

    def __init__(self, num_envs: int, radius: float) -> None:
        self.num_envs, self.radius = num_envs, radius
        self.obs_passthrough_mask = torch.zeros(4, dtype=torch.bool)
        self.action_low, self.action_high = -torch.ones(2), torch.ones(2)
        self.pos, self.step_count = torch.zeros(num_envs, 2), torch.zeros(num_envs, dtype=torch.int64)

    def reset(self) -> Tensor:
        self.pos.zero_()
        self.step_count.zero_()
        return self._obs()

    def step(self, action: Tensor) -> Step:
        self.pos = self.pos + 0.5 * action.clamp(-1.0, 1.0)
        self.step_count = self.step_count + 1
        reward = torch.exp(-(self.pos - self._target()).square().sum(1))
        over = self.step_count >= _STEPS
        final_obs = self._obs()
        self.pos = torch.where(over[:, None], 0.0, self.pos)
        self.step_count = torch.where(over, 0, self.step_count)
        end = torch.where(over, int(Termination.TIMEOUT), int(Termination.NONE)).to(torch.int8)
        return Step(self._obs(), reward, end, final_obs)

    def state_dict(self) -> dict[str, Tensor]:
        return {"pos": self.pos.clone(), "step_count": self.step_count.clone()}

    def load_state_dict(self, state) -> None:
        self.pos, self.step_count = state["pos"].clone(), state["step_count"].clone()

    def set_progress(self, samples: int) -> None:
        pass

    def _target(self) -> Tensor:
        angle = 0.3 * self.step_count
        return self.radius * torch.stack([angle.cos(), angle.sin()], 1)

    def _obs(self) -> Tensor:
        return torch.cat([self.pos, self._target()], 1)


@TASKS.register("circle")
@dataclass(frozen=True)
class CircleTask:
    env: CircleConfig

    name: ClassVar[str] = "circle"
    settings: ClassVar[type] = CircleConfig
    title: ClassVar[str] = "circle"

    def check(self) -> None:
        pass

    def make_env(self, place: Place) -> CircleEnv:
        return CircleEnv(place.num_envs, self.env.radius)

    def make_evaluation(self, seed: int, threads: int):
        def judge(policy) -> dict[str, float]:
            env = CircleEnv(1, self.env.radius)
            obs, total = env.reset(), 0.0
            for _ in range(_STEPS):
                step = env.step(policy.mean(obs))
                obs, total = step.obs, total + float(step.reward)
            return {"normalized_return": total / _STEPS}

        return judge

    def spec(self, algorithm, seed, init_from) -> None:
        return None

    def compared_with(self, controller) -> dict[str, tuple]:
        return {"the task": ("another", self.name)}
