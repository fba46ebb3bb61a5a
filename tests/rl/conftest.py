"""A toy environment that ends in every way, and shorthands to train in it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mimic.rl.algorithm import make_learner
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.learner import Learner
from mimic.rl.policy import Policy, PolicyConfig, on_device
from mimic.rl.rollout import RolloutConfig
from mimic.rl.trainer import Trainer, TrainerConfig
from mimic.rl.vec_env import Step, Termination

torch.set_num_threads(1)

_LIMIT = 40  # steps to a time-out
_CLIP = 60  # steps of the clip, entered at random


class ToyEnv:
    """Points in the plane that should follow a circling target; observation (N, 6), action: velocity (N, 2)."""

    obs_dim = 6
    act_dim = 2

    def __init__(self, num_envs: int = 32, seed: int = 0) -> None:
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        self.obs_passthrough_mask = torch.tensor([False] * 4 + [True] * 2)
        self.action_low, self.action_high = -2.0 * torch.ones(2), 2.0 * torch.ones(2)
        self.rng = torch.Generator().manual_seed(seed)
        self.pos = torch.zeros(num_envs, 2)
        self.time = torch.zeros(num_envs)
        self.age = torch.zeros(num_envs)
        self.diverge: Callable[[int], list[int]] = lambda step: []
        self.broken_action = False
        self.steps = 0
        self.progress = -1

    def reset(self) -> Tensor:
        self._restart(torch.ones(self.num_envs, dtype=torch.bool))
        return self._obs()

    def step(self, action: Tensor) -> Step:
        self.pos = self.pos + 0.2 * action.clamp(-2.0, 2.0)
        self.time, self.age = self.time + 1.0, self.age + 1.0
        miss = (self.pos - self._target()).square().sum(-1)
        reward, final_obs = torch.exp(-miss), self._obs()
        end = torch.zeros(self.num_envs, dtype=torch.int8)
        end[self.age >= _LIMIT] = Termination.TIMEOUT
        end[self.time >= _CLIP] = Termination.CLIP_END
        end[miss > 2.0] = Termination.FAIL
        for env in self.diverge(self.steps):
            end[env], reward[env], final_obs[env] = Termination.DIVERGED, torch.nan, torch.inf
        self.steps += 1
        self._restart(end != Termination.NONE)
        return Step(self._obs(), reward, end, final_obs, {"miss": miss})

    def state_dict(self) -> dict[str, Tensor]:
        steps = torch.tensor([self.steps])
        return {
            "pos": self.pos,
            "time": self.time,
            "age": self.age,
            "rng": self.rng.get_state(),
            "steps": steps,
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.pos, self.time, self.age = state["pos"].clone(), state["time"].clone(), state["age"].clone()
        self.rng.set_state(state["rng"])
        self.steps = int(state["steps"])

    def set_progress(self, samples: int) -> None:
        self.progress = samples

    def _target(self) -> Tensor:
        angle = self.time * 0.15
        return torch.stack([angle.cos(), angle.sin()], -1)

    def _obs(self) -> Tensor:
        angle = self.time * 0.15
        phase = torch.stack([angle.cos(), angle.sin()], -1)
        return torch.cat([self.pos, 10.0 * (self._target() - self.pos), phase], -1)

    def _restart(self, which: Tensor) -> None:
        time = (torch.rand(self.num_envs, generator=self.rng) * 0.8 * _CLIP).floor()
        noise = 0.3 * torch.randn(self.num_envs, 2, generator=self.rng)
        self.time = torch.where(which, time, self.time)
        self.age = torch.where(which, torch.zeros(()), self.age)
        self.pos = torch.where(which.unsqueeze(-1), self._target() + noise, self.pos)


SMALL = PolicyConfig(actor_sizes=(32, 32), critic_sizes=(32, 32))
QUICK = {"actor_batch": 128, "critic_batch": 128, "actor_passes": 3, "critic_passes": 3}
ROLLOUT = RolloutConfig(steps=16, std_start=0.4, std_end=0.2, std_samples=10_000)


@torch.no_grad()
def toy_evaluation(policy: Policy) -> dict[str, float]:
    """Mean reward of 20 deterministic steps in 32 fresh environments, a fallen one earning nothing more."""
    env = ToyEnv(32, seed=99)
    obs, total, alive = env.reset(), torch.zeros(32), torch.ones(32, dtype=torch.bool)
    for _ in range(20):
        step = env.step(policy.mean(obs))
        total += step.reward * alive
        alive &= step.end != Termination.FAIL
        obs = step.obs
    return {"normalized_return": float(total.mean() / 20.0), "survival": float(alive.float().mean())}


class Quiet:
    """Progress into a list."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, row: Mapping[str, float], share: float, eta_s: float) -> None:
        pass

    def say(self, line: str) -> None:
        self.lines.append(line)

    def close(self) -> None:
        pass


MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def toy_env() -> Callable[..., ToyEnv]:
    return ToyEnv


@pytest.fixture
def make_trainer(tmp_path: Path) -> MakeTrainer:
    """``make_trainer("awr", out="a", seed=0, learner={...}, rollout=..., samples=..., ...)``: a trainer on the toy."""

    def make(
        algorithm: str = "awr",
        out: str = "run",
        seed: int = 0,
        learner: dict[str, object] | None = None,
        rollout: RolloutConfig = ROLLOUT,
        env: ToyEnv | None = None,
        device: str | None = None,
        **settings: object,
    ) -> Trainer:
        env = env or ToyEnv(seed=seed)
        config = ALGORITHMS.get(algorithm)(**{**QUICK, **(learner or {})})
        settings = {"tensorboard": False, "evaluate_every": 0, **settings}
        made: Learner = make_learner(env, SMALL, config, seed, device=device)
        return Trainer(
            env,
            made,
            rollout,
            TrainerConfig(**settings),
            out=tmp_path / out,
            seed=seed,
            evaluate=lambda policy: toy_evaluation(on_device(policy, env.device)),
            spec={"toy": True},
            progress=Quiet(),
        )

    return make
