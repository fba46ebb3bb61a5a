"""The rollout of DAgger: teachers and student act side by side, and the teachers label every state."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.policy import Policy
from mimic.rl.vec_env import Termination
from mimic.runs.teachers import Teachers
from mimic.tracking import TrackingEnv
from mimic.tracking.clip_shares import ClipShares

_STUDENT_NOISE = (0.0, 0.0, 0.03, 0.08)  # of the actions, one of them for each environment and rollout
_TEACHER_NOISE = (0.0, 0.05, 0.1, 0.2)
_MIN_WEIGHT = 0.2


@dataclass(frozen=True)
class Labelled:
    """Observations (M, D) with the teachers' actions (M, A), and the weight of each in the loss (M,)."""

    obs: Tensor
    action: Tensor
    weight: Tensor


class DaggerRollout:
    """Steps the environments of a library of clips, with teachers and student, and collects the teachers' actions.

    The weight of a state is the last step's reward, because far from its clip a teacher's action is unreliable.

    Attributes:
        shares: divides the environments among the clips, by falls of the student when it acts without noise.
    """

    def __init__(self, env: TrackingEnv, teachers: Teachers, seed: int):
        self.env, self.teachers, self.shares = env, teachers, ClipShares(env)
        self.random = torch.Generator().manual_seed(seed)
        self.obs = env.reset()
        self.weight = torch.ones(env.num_envs)  # of the current states

    @torch.no_grad()
    def collect(self, student: Policy, steps: int, teacher_share: float) -> Labelled:
        """Simulate ``steps`` control steps, with teachers in a random ``teacher_share`` of the environments."""
        n = self.env.num_envs
        teaching = torch.rand(n, 1, generator=self.random) < teacher_share
        noise = torch.where(teaching, self._levels(_TEACHER_NOISE), self._levels(_STUDENT_NOISE))
        judged = ~teaching[:, 0] & (noise[:, 0] == 0.0)
        seen = []
        for _ in range(steps):
            label = self.teachers.actions()
            action = torch.where(teaching, label, student.mean(self.obs)) if teacher_share < 1.0 else label
            seen.append((self.obs, label, self.weight))
            self._step(action + noise * torch.randn(action.shape, generator=self.random), judged)
        return Labelled(*(torch.cat(parts) for parts in zip(*seen, strict=True)))

    def state_tensors(self) -> dict[str, Tensor]:
        """Return the tensors that the next rollout depends on, beside those of environment and student."""
        own = {"obs": self.obs, "weight": self.weight, "rng": self.random.get_state()}
        return own | {"falls": self.shares.falls, "seconds": self.shares.seconds}

    def load_state_tensors(self, state: dict[str, Tensor]) -> None:
        """Continue from the result of ``state_tensors``."""
        self.obs, self.weight = state["obs"].clone(), state["weight"].clone()
        self.random.set_state(state["rng"])
        self.shares.falls.copy_(state["falls"])
        self.shares.seconds.copy_(state["seconds"])

    def _levels(self, levels: tuple[float, ...]) -> Tensor:
        """Draw one of ``levels`` for each environment at random, (N, 1)."""
        return torch.tensor(levels)[torch.randint(0, len(levels), (self.env.num_envs, 1), generator=self.random)]

    def _step(self, action: Tensor, judged: Tensor) -> None:
        clip = self.env.tracker.current.clip.clone()
        step = self.env.step(action)
        failed = (step.end == Termination.FAIL) | (step.end == Termination.DIVERGED)
        self.shares.count(clip, judged, failed)
        self.obs = step.obs
        self.weight = torch.where(step.end == Termination.NONE, step.reward, 1.0).clamp(_MIN_WEIGHT, 1.0)
