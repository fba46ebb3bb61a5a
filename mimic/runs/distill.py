"""Distillation: one student learns the clips of many controllers by DAgger (Ross, Gordon & Bagnell 2011).

The student acts in a growing share of the environments. The teachers label every state with their actions, and the student
learns these actions by regression. The student does not observe the clip's number, only the reference's next poses in the
reference's heading frame. If a teacher was trained on a motion graph's random commands, the student learns on one too.

While one round is simulated, a thread learns from the earlier rounds. Both wait for each other once a round, so the
result does not depend on timing, and a run that was stopped continues to the bit.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mimic.core import checkpoint
from mimic.core.checkpoint import Checkpoint
from mimic.core.errors import CheckpointError, InputError
from mimic.core.files import make_folder
from mimic.rl.cloning import Cloner
from mimic.rl.demonstration_buffer import Demonstrations
from mimic.rl.policy import Policy
from mimic.rl.threads import learner_threads, set_torch_threads
from mimic.rl.trainer import CHECKPOINTS
from mimic.runs.controller import Controller
from mimic.runs.controller_spec import ControllerSpec
from mimic.runs.dagger_rollout import DaggerRollout
from mimic.runs.distill_config import DistillConfig, DistillRun
from mimic.runs.preset import load_preset
from mimic.runs.task import Place
from mimic.runs.tasks.tracking import training_env
from mimic.runs.teachers import Teacher, Teachers, clips_of, grown_from
from mimic.runs.training import check_folder, locked
from mimic.runs.warm_start import as_ancestor
from mimic.tracking import EnvConfig
from mimic.tracking.config import PushConfig
from mocap.catalogue import load_clips
from mocap.licence import licence_of_clips
from mocap.stance import STAND

Say = Callable[[str], None]
DEMONSTRATIONS = "demonstrations"  # folder in that of the run
_ACTION_STD = 0.05  # of the controller, should somebody train it further
_GROWN_LR = 0.3  # of the step size, for a student that begins as a copy of its library
_TRIAL_ROUNDS = 6  # after which the number of rounds is chosen
_REPORT_ROUNDS = 25
_KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class DistillResult:
    """The folder of the student's controller, and the samples and minutes of its training."""

    controller: Path
    samples: int
    minutes: float


def distill(
    teachers: Sequence[Teacher],
    out: Path,
    config: DistillConfig,
    minutes: float = 0.0,
    threads: int = 0,
    resume: bool = False,
    say: Say = print,
) -> DistillResult:
    """Train one student to imitate ``teachers``, and save it as a controller in the folder ``out``.

    Args:
        teachers: as ``load_teachers`` gives them.
        out: the run's folder.
        config: the work to do; of a run that is resumed, as ``read_distillation`` gives it.
        minutes: how long it may take, which then decides the number of rounds; 0 leaves it to ``config``.
        threads: of the simulation; 0 means all cores.
        resume: continue from the newest checkpoint in ``out``.
        say: where to report.

    Raises:
        InputError: a clip or the folder cannot be used.
        CheckpointError: there is nothing sound to resume.
        LearnerDiverged: the student's numbers are no longer finite.
    """
    if not resume:
        check_folder(out)
    make_folder(out)
    started = time.monotonic()
    if not config.learn_threads:
        config = replace(config, learn_threads=learner_threads(torch.device("cpu"), overlap=True))
    with locked(out), ThreadPoolExecutor(1, "learn") as pool:
        job = _Distillation(teachers, config, out, threads, pool, say)
        if not (resume and job.resume()):
            job.begin(minutes, started)
        return job.run()


class _Distillation:
    """Environment, teachers and student of one distillation."""

    def __init__(
        self,
        teachers: Sequence[Teacher],
        config: DistillConfig,
        out: Path,
        threads: int,
        pool: ThreadPoolExecutor,
        say: Say,
    ):
        self.teachers, self.config, self.out, self.say, self._pool = teachers, config, out, say, pool
        torch.get_num_threads()  # this thread's number stays as it is
        pool.submit(set_torch_threads, config.learn_threads).result()
        self.task = student_task(teachers)
        self.clips = "+".join(clips_of(teachers))
        self.motions = load_clips(self.clips)
        self.env = training_env(self.motions, self.task, Place(config.num_envs, config.seed, threads))
        self.rollout = DaggerRollout(self.env, Teachers(teachers, self.env), config.seed)
        self._draws = torch.Generator().manual_seed(config.seed + 1)  # of minibatches
        first = torch.Generator().manual_seed(config.seed)
        grown = grown_from(teachers)
        networks = grown.policy.config if grown else config.policy
        student = Policy(self.env.obs_dim, self.env.act_dim, networks, first)
        if grown:
            student.load_state_dict(grown.policy.state_dict())
        self._grows = grown is not None
        cloning = replace(config.cloning, lr=_GROWN_LR * config.cloning.lr) if grown else config.cloning
        self.cloner = Cloner(student, cloning)
        self._acting = Policy(self.env.obs_dim, self.env.act_dim, networks)
        self._keep_none()
        self.rounds, self.seconds = 0, 0.0  # that are done, and how long they took
        self._saved = 0  # demonstrations that are on disk

    def _keep_none(self) -> None:
        self.data = Demonstrations(self.config.capacity, self.env.act_dim, self.cloner.actor.normalizer)

    def begin(self, minutes: float, started: float) -> None:
        """Simulate the teachers alone, then choose the number of rounds that fit into ``minutes`` by timing the first."""
        self._write_config(minutes)
        clips, envs = len(self.motions), self.config.num_envs
        self.say(f"{clips} clips, {envs} environments; the run is in {self.out}")
        self._show_teachers()
        if minutes:
            self._round()
            begin = time.monotonic()
            while self.rounds < _TRIAL_ROUNDS:
                self._round()
            now = time.monotonic()
            left = started + 60.0 * minutes - now
            rounds = self.rounds + max(1, int(left * (self.rounds - 1) / (now - begin)))
            self.config = replace(self.config, rounds=rounds)
            self._write_config(0.0)
        self.say(f"{self.config.rounds} rounds, {self.config.samples / 1e6:.2f} M samples")

    def resume(self) -> bool:
        """Continue from the newest checkpoint; false if there is none. Raises CheckpointError."""
        root = self.out / CHECKPOINTS
        checkpoint.remove_orphans(root)
        if not checkpoint.steps(root):
            self.say(f"{self.out}: no checkpoint had been saved, so the run starts from scratch")
            return False
        found = checkpoint.latest(root)
        for line in found.warnings:
            self.say(line)
        self._load(found)
        checkpoint.forget_after(root, found.step)
        self.say(f"{self.out}: continues after round {self.rounds} of {self.config.rounds}")
        return True

    def run(self) -> DistillResult:
        """Do all remaining rounds, and return the result."""
        saved = self._save() if self.rounds >= self.config.rounds else self.out
        while self.rounds < self.config.rounds:
            loss = self._round()
            last = self.rounds == self.config.rounds
            if last or self.rounds % self.config.save_rounds == 0:
                saved = self._save()
            if last or self.rounds % _REPORT_ROUNDS == 0:
                self._report(loss)
        return DistillResult(saved, self.data.total, self.seconds / 60.0)

    def _show_teachers(self) -> None:
        """Do round 0, in which the teachers alone act; its observations set the normaliser of a student that is no copy."""
        begin = time.monotonic()
        seen = self.rollout.collect(self.cloner.actor, self.config.first_steps, 1.0)
        for policy in (self.cloner.student, self.cloner.actor) if not self._grows else ():
            policy.normalizer.update(seen.obs)
            policy.set_std(_ACTION_STD)
        self.data.add(seen.obs, seen.action, seen.weight)
        self.seconds += time.monotonic() - begin

    def _round(self) -> float:
        """Do one round of DAgger, and return the mean loss."""
        config, begin = self.config, time.monotonic()
        self._acting.load_state_dict(self.cloner.actor.state_dict())
        learning = self._pool.submit(self._learn, self._lr_share())
        try:
            share = max(config.teacher_share, 1.0 - self.rounds / max(1, config.teacher_rounds))
            fresh = self.rollout.collect(self._acting, config.steps, share)
        finally:
            loss = learning.result()
        self.data.add(fresh.obs, fresh.action, fresh.weight)
        self.rounds += 1
        self.seconds += time.monotonic() - begin
        return loss

    def _learn(self, lr_share: float) -> float:
        newest = self.config.steps * self.config.num_envs
        return self.cloner.learn(self.data, self.config.updates, newest, lr_share, self._draws)

    def _lr_share(self) -> float:
        """Return the factor of the learning rate: 1 in the timed first rounds, then falling linearly to 1 %."""
        if self.rounds < _TRIAL_ROUNDS:
            return 1.0
        return max(0.01, (self.config.rounds - self.rounds) / (self.config.rounds - _TRIAL_ROUNDS))

    def _report(self, loss: float) -> None:
        rates = self.rollout.shares.rates
        worst = rates.argsort(descending=True)[:3].tolist()
        falls = ", ".join(f"{self.motions[k].name} {float(rates[k]):.2f}" for k in worst)
        self.say(
            f"round {self.rounds} of {self.config.rounds}, {self.seconds / 60.0:.1f} min, "
            f"{self.data.total / 1e6:.2f} M samples: loss {loss:.4f}; most falls a second: {falls}"
        )

    def _write_config(self, minutes: float) -> None:
        """Write teachers and settings; ``minutes`` if they decide the number of rounds, which is still unknown."""
        names = tuple(one.name for one in self.teachers)
        DistillRun(self.clips, names, self.config, minutes).write(self.out)

    def _save(self) -> Path:
        """Save the demonstrations, then the student as a checkpoint that is also a controller; return its folder."""
        folder, root = self.out / DEMONSTRATIONS, self.out / CHECKPOINTS
        self.data.save(folder, self._saved)
        self._saved = self.data.total
        groups = self.cloner.state_tensors()
        groups |= {"env": self.env.state_dict(), "rollout": self.rollout.state_tensors()}
        groups["draws"] = {"rng": self._draws.get_state()}
        meta = {"counters": {"rounds": self.rounds, "samples": self.data.total, "seconds": self.seconds}}
        saved = checkpoint.save(root, self.data.total, groups, meta, self._spec().to_json(), keep=_KEPT_CHECKPOINTS)
        self.data.forget(folder, min(checkpoint.steps(root)))
        return saved

    def _load(self, found: Checkpoint) -> None:
        groups = found.tensors
        try:
            self.cloner.load_state_tensors(groups)
            self.env.load_state_dict(groups["env"])
            self.rollout.load_state_tensors(groups["rollout"])
            self._draws.set_state(groups["draws"]["rng"])
            self.rounds = int(found.meta["counters"]["rounds"])
            self.seconds = float(found.meta["counters"]["seconds"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            line = " ".join(str(error).split())
            raise CheckpointError(f"{found.path}: does not fit these settings or this version ({line})") from None
        self._keep_none()
        self.data.load(self.out / DEMONSTRATIONS, found.step)
        self._saved = found.step

    def _spec(self) -> ControllerSpec:
        licence = licence_of_clips(one.controller.spec.clip_license or "" for one in self.teachers)
        return ControllerSpec(
            self.clips,
            self.env.character.name,
            self.task,
            policy=self.cloner.actor.describe(),
            algorithm="dagger",
            seed=self.config.seed,
            clip_license=licence,
            teachers=tuple(as_ancestor(_name(one.controller), one.controller) for one in self.teachers),
        )


def _name(controller: Controller) -> str:
    """Return the name of a controller's folder; of a checkpoint, that of its run."""
    path = controller.path
    return path.parent.parent.name if path.parent.name == CHECKPOINTS else path.name


def student_task(teachers: Sequence[Teacher]) -> EnvConfig:
    """Return the task of a student: its teachers' clips as a library, whose clip number the student does not observe.

    Three settings differ from the teachers'. Episodes are short, so that more of them begin in the middle of a jump, which is
    the hardest state. Start times at which episodes fail are drawn more often. An episode ends at a larger distance from the
    reference, because after a start in mid-air even a teacher lands a metre off before it returns. The values are those of the
    preset ``library``.

    If a teacher was trained on random commands, the student gets those of the preset ``graph``, and is pushed as hard as the
    teachers were.

    Raises InputError if there are commands, and nobody teaches the stance, or a teacher observes the phase of its clip.
    """
    library, graph = load_preset("library").env, load_preset("graph").env
    of_teachers = [one.controller.env_config for one in teachers]
    commanded = [one for one in of_teachers if one.commands]
    if commanded and STAND not in clips_of(teachers):
        raise InputError(f"--from: on a motion graph every way leads through the stance; name a teacher of '{STAND}'")
    for one in teachers if commanded else ():
        if not one.controller.has_library:
            raise InputError(
                f"{one.controller.path}: observes the phase of its clip, so it cannot teach on a motion graph"
            )
    return replace(
        of_teachers[0],
        observation=library.observation,
        termination=library.termination,
        change_clips=False,
        training_reward=None,
        time_limit=library.time_limit,
        adaptive_starts=library.adaptive_starts,
        commands=graph.commands if commanded else None,
        pushes=max((one.pushes for one in commanded), key=lambda pushes: pushes.speed, default=PushConfig()),
    )
