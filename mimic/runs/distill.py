"""Distillation: one student learns the clips of many controllers by DAgger (Ross, Gordon & Bagnell 2011).

The student acts in a growing share of the steps. The teachers label every state with their actions, and the student learns
these by regression. Its observation has no clip's number, only the reference's next poses in the reference's heading frame.
The reward of a state is its weight, because a teacher's action far from its clip is unreliable.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mimic.core import checkpoint
from mimic.core.files import make_folder, write_json
from mimic.core.strict_config import to_dict
from mimic.rl.cloning import Cloner, CloningConfig, Demonstrations
from mimic.rl.policy import Policy, PolicyConfig
from mimic.rl.threads import learner_threads, torch_threads
from mimic.rl.trainer import CHECKPOINTS
from mimic.rl.vec_env import End
from mimic.runs.controller import CONFIG_FILE, Controller
from mimic.runs.controller_spec import ControllerSpec
from mimic.runs.teachers import Teachers
from mimic.runs.training import check_folder
from mimic.tracking import EnvConfig, TrackingEnv, make_env
from mimic.tracking.clip_shares import ClipShares
from mimic.tracking.config import ObservationConfig, TimeLimitConfig
from mocap.catalogue import load_clips
from mocap.licence import licence_of_clips

Say = Callable[[str], None]
_FIELDS = (
    "root_height",
    "root_rot",
    "root_linvel",
    "root_angvel",
    "joint_rot",
    "joint_vel",
    "body_pos",
    "target_root",
    "target_pose",
)
OBSERVATION = ObservationConfig(_FIELDS, "reference_heading", (1, 2, 4, 8, 16), clip_id=False)
_ACTION_STD = 0.05  # of the controller, should somebody train it further
_WARM_NOISE = (0.0, 0.05, 0.1, 0.2)  # of the teachers' actions, in turns over the environments
_WARM_NOISE_STEPS = 30
_NOISE = (0.0, 0.0, 0.03, 0.08)
_TEACHER_NOISE = 0.03  # added to that where a teacher acts
_MIN_WEIGHT = 0.05
_SAVES = 4
_TRIAL_STEPS = 6
_WARM_SHARE = 0.2  # of the time at most


@dataclass(frozen=True)
class DistillConfig:
    """Everything that shapes a distillation but its teachers.

    ``warm_steps`` control steps of noisy teachers come first, then ``warm_updates`` minibatches, then ``rounds`` of
    ``steps`` control steps and ``updates`` minibatches each. ``capacity`` demonstrations are kept.
    ``teacher_share_start`` and ``teacher_share_end``: share of environments in which the teacher acts; the end is reached
    after 60 % of the rounds.
    """

    seed: int = 0
    num_envs: int = 640
    warm_steps: int = 330
    warm_updates: int = 450
    rounds: int = 120
    steps: int = 12
    updates: int = 110
    capacity: int = 1_500_000
    teacher_share_start: float = 0.5
    teacher_share_end: float = 0.15
    cloning: CloningConfig = field(default_factory=CloningConfig)
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(actor_sizes=(512, 512), obs_std_floor=0.02))


@dataclass(frozen=True)
class DistillResult:
    """The folder of the student's controller, and the samples and minutes of its training."""

    controller: Path
    samples: int
    minutes: float


class _Collector:
    """Steps the environments, in which teachers and student act side by side, and returns the teachers' labels."""

    def __init__(self, env: TrackingEnv, teachers: Teachers, shares: ClipShares, seed: int):
        self.env, self.teachers, self.shares = env, teachers, shares
        self.random = torch.Generator().manual_seed(seed)
        self.obs = env.reset()
        self.weight = torch.ones(env.num_envs)  # of the current states

    def step(self, action: Tensor, label: Tensor, noise: Tensor, student: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One control step of ``action`` (N, A) with ``noise`` (N, 1). Returns the earlier observation, ``label``, and its weight."""
        seen, clip = (self.obs, label, self.weight), self.env.tracker.current.clip.clone()
        step = self.env.step(action + noise * torch.randn(action.shape, generator=self.random))
        failed = (step.end == End.FAIL) | (step.end == End.DIVERGED)
        self.shares.count(clip, student & (noise[:, 0] == 0.0), failed)
        self.obs = step.obs
        self.weight = torch.where(step.end == End.NONE, step.reward, 1.0).clamp(_MIN_WEIGHT, 1.0)
        return seen

    def noise(self, levels: Sequence[float]) -> Tensor:
        """One of ``levels`` for each environment, (N, 1)."""
        return torch.tensor(levels)[torch.randint(0, len(levels), (self.env.num_envs, 1), generator=self.random)]


def distill(
    controllers: Sequence[Controller],
    out: Path,
    minutes: float = 20.0,
    seed: int = 0,
    config: DistillConfig | None = None,
    threads: int = 0,
    say: Say = print,
) -> DistillResult:
    """Train one student to imitate ``controllers``, and save it as a controller in the folder ``out``.

    A distillation that was stopped cannot be resumed; its last checkpoint is a controller nevertheless.

    Args:
        controllers: the teachers, as ``load_teachers`` gives them.
        out: the run's folder.
        minutes: how long it may take; it becomes a number of rounds, which ``config.json`` states.
        seed: of the student, starts and noise.
        config: the exact work to do, in place of ``minutes`` and ``seed``.
        threads: of the simulation; 0 means all cores.
        say: where to report.

    Raises:
        InputError: a clip or the folder cannot be used.
        LearnerDiverged: the student's numbers are no longer finite.
    """
    check_folder(out)
    make_folder(out)
    started = time.monotonic()
    job = _Distillation(controllers, config or DistillConfig(seed), threads, say)
    with torch_threads(learner_threads(torch.device("cpu"), overlap=False)):
        return job.run(out, started, 60.0 * minutes if config is None else None)


class _Distillation:
    """Environment, teachers and student of one distillation."""

    def __init__(self, controllers: Sequence[Controller], config: DistillConfig, threads: int, say: Say):
        self.controllers, self.config, self.say = controllers, config, say
        self.task = student_task(controllers[0].env_config)
        self.clips = "+".join(one.clip for one in controllers)
        self.motions = load_clips(self.clips)
        self.env = make_env(self.motions, self.task, config.num_envs, True, config.seed, threads)
        self.collector = _Collector(self.env, Teachers(controllers, self.env), ClipShares(self.env), config.seed)
        first = torch.Generator().manual_seed(config.seed)
        self.cloner = Cloner(Policy(self.env.obs_dim, self.env.act_dim, config.policy, first), config.cloning)
        self.samples = 0

    def write_config(self, out: Path) -> None:
        """Write clips, settings and teachers to the run's folder."""
        teachers = [str(one.path) for one in self.controllers]
        write_json(out / CONFIG_FILE, {"clip": self.clips, "distill": to_dict(self.config), "teachers": teachers})

    def run(self, out: Path, started: float, seconds: float | None) -> DistillResult:
        """The whole distillation, of a length of ``seconds`` from ``started`` if they are given."""
        data = self._begin(started, seconds)
        self.write_config(out)
        config, saved = self.config, out
        self.say(
            f"{len(self.controllers)} clips, {config.num_envs} environments: {config.warm_steps} steps of the teachers are "
            f"learned, {config.rounds} rounds follow; they cannot be resumed"
        )
        for index in range(config.rounds):
            loss = self._round(data, index / config.rounds)
            last = index + 1 == config.rounds
            if last or (index + 1) % max(1, config.rounds // _SAVES) == 0:
                saved = self._save(out, time.monotonic() - started)
            if last or index % 10 == 9:
                self._report(index + 1, loss, (time.monotonic() - started) / 60.0)
        return DistillResult(saved, self.samples, (time.monotonic() - started) / 60.0)

    def _begin(self, started: float, seconds: float | None) -> Demonstrations:
        """Learn what the teachers do, and choose from the time it took how many rounds fit into ``seconds``."""
        config, start = self.config, time.monotonic()
        seen = self._warm(min(_TRIAL_STEPS, config.warm_steps))
        if seconds is not None:
            step_s = (time.monotonic() - start) / len(seen)
            steps = min(config.warm_steps, max(len(seen), int(_WARM_SHARE * (started + seconds - start) / step_s)))
            updates = max(1, config.warm_updates * steps // config.warm_steps)
            config = self.config = replace(config, warm_steps=steps, warm_updates=updates)
        seen += self._warm(config.warm_steps - len(seen))
        step_s = (time.monotonic() - start) / len(seen)
        data = self._keep(seen)
        start = time.monotonic()
        self.cloner.learn(data, config.warm_updates, data.size, 1.0, self.collector.random)
        now = time.monotonic()
        if seconds is not None:
            round_s = config.steps * step_s + config.updates * (now - start) / config.warm_updates
            self.config = replace(config, rounds=max(1, round((started + seconds - now) / round_s)))
        return data

    def _warm(self, steps: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Observations, actions and weights of noisy teachers in ``steps`` control steps."""
        collector, seen = self.collector, []
        nobody = torch.zeros(self.env.num_envs, dtype=torch.bool)
        for index in range(steps):
            if index % _WARM_NOISE_STEPS == 0:
                noise = collector.noise(_WARM_NOISE)
            label = collector.teachers.actions()
            obs, action, weight = collector.step(label, label, noise, nobody)
            seen.append((obs.half(), action, torch.ones_like(weight)))
        self.samples += steps * self.env.num_envs
        return seen

    def _keep(self, seen: list[tuple[Tensor, Tensor, Tensor]]) -> Demonstrations:
        """Set the normaliser by the first demonstrations, and keep them."""
        for policy in (self.cloner.student, self.cloner.actor):
            for obs, _, _ in seen:
                policy.normalizer.update(obs.float())
            policy.set_std(_ACTION_STD)
        data = Demonstrations(self.config.capacity, self.env.act_dim, self.cloner.actor.normalizer)
        for obs, action, weight in seen:
            data.add(obs.float(), action, weight)
        return data

    def _round(self, data: Demonstrations, progress: float) -> float:
        """One round of DAgger; the mean loss."""
        config, collector = self.config, self.collector
        share = config.teacher_share_start + (config.teacher_share_end - config.teacher_share_start) * min(
            1.0, progress / 0.6
        )
        teaching = torch.rand(self.env.num_envs, 1, generator=collector.random) < share
        noise = collector.noise(_NOISE) + _TEACHER_NOISE * teaching
        for _ in range(config.steps):
            label = collector.teachers.actions()
            with torch.no_grad():
                action = torch.where(teaching, label, self.cloner.actor.mean(collector.obs))
            data.add(*collector.step(action, label, noise, ~teaching[:, 0]))
        fresh = config.steps * self.env.num_envs
        self.samples += fresh
        return self.cloner.learn(data, config.updates, fresh, max(0.01, 1.0 - progress), collector.random)

    def _report(self, done: int, loss: float, minutes: float) -> None:
        rates = self.collector.shares.rates
        worst = rates.argsort(descending=True)[:3].tolist()
        falls = ", ".join(f"{self.motions[k].name} {float(rates[k]):.2f}" for k in worst)
        self.say(
            f"round {done} of {self.config.rounds}, {minutes:.1f} min, {self.samples / 1e6:.2f} M samples: loss {loss:.4f}; "
            f"most falls a second: {falls}"
        )

    def _save(self, out: Path, seconds: float) -> Path:
        """The student as a checkpoint that is a controller."""
        meta = {"counters": {"samples": self.samples, "seconds": seconds}}
        policy = self.cloner.actor
        return checkpoint.save(
            out / CHECKPOINTS, self.samples, {"policy": policy.state_dict()}, meta, self._spec().to_json(), keep=2
        )

    def _spec(self) -> ControllerSpec:
        licence = licence_of_clips(one.spec.clip_license or "" for one in self.controllers)
        teachers: dict[str, Any] = {"teachers": [one.path.name for one in self.controllers]}
        return ControllerSpec(
            self.clips,
            self.env.character.name,
            self.task,
            policy=self.cloner.actor.describe(),
            algorithm="dagger",
            seed=self.config.seed,
            clip_license=licence,
            extra=teachers,
        )


def student_task(teachers: EnvConfig) -> EnvConfig:
    """The task of a student: that of its teachers as a library, seen without a clip's number, in episodes of 20 s."""
    return replace(
        teachers,
        observation=OBSERVATION,
        change_clips=False,
        training_reward=None,
        time_limit=TimeLimitConfig(),
        adaptive_starts=0.0,
        pushes=type(teachers.pushes)(),
    )
