"""Train a run from start to finish: make its task, learner and trainer, and write all files to one folder.

The folder holds ``config.json`` (all settings of the run), ``ckpt/``, ``metrics.jsonl``, ``tensorboard/`` and
``learning_curve.png``. A resumed run takes its settings from ``config.json``. A run that was stopped before its first
checkpoint starts from scratch.
"""

import dataclasses
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.core.files import make_folder, write_json
from mimic.core.packages import require_package
from mimic.gpu.graphed_env import StagedEnv, with_graphs
from mimic.rl.algorithm import make_learner
from mimic.rl.baseline import BaselineConfig
from mimic.rl.baseline_trainer import BaselineTrainer
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext, join
from mimic.rl.episode_file import check_sizes, read_episodes
from mimic.rl.episodes import Episodes, concatenate
from mimic.rl.learner import DataUse, LearnerConfig
from mimic.rl.progress import Progress, Silent, make_progress
from mimic.rl.rollout import RolloutConfig
from mimic.rl.signals import StopOnSignal
from mimic.rl.threads import learner_threads, torch_threads
from mimic.rl.trainer import CHECKPOINTS, Trainer, TrainResult
from mimic.rl.vec_env import VecEnv
from mimic.runs.actors import ActorPlan, actor_group
from mimic.runs.controller import CONFIG_FILE
from mimic.runs.run_config import RunConfig, run_to_dict
from mimic.runs.task import Place
from mimic.runs.warm_start import initial_policy
from mimic.sim import simulation_device


@dataclass(frozen=True)
class StopCriteria:
    """When a call of `train` stops: at ``samples`` transitions of the whole run, or ``minutes`` after the call; 0 is no limit."""

    samples: int = 0
    minutes: float = 0.0


def train(
    run: RunConfig,
    out: Path,
    until: StopCriteria,
    threads: int = 0,
    progress: Progress | None = None,
    resume: bool = False,
    actors: ActorPlan | None = None,
) -> TrainResult:
    """Train until the stop criteria are met or a signal arrives; return how the run ended.

    Args:
        run: the run to train; to resume one, the result of `read_run` in ``out``.
        out: the run's folder. If several processes train, each but the first has a folder of its own inside it.
        until: when to stop.
        threads: simulation threads; 0 means all cores.
        progress: object to which progress is reported; None means the terminal.
        resume: continue from the newest checkpoint in ``out``.
        actors: processes that simulate for this one; None: this process simulates.

    Raises:
        InputError: the clip, the folder or the initial controller cannot be used.
        CheckpointError: the checkpoint cannot be used.
        LearnerDiverged: the learner's numbers are no longer finite.
    """
    with ExitStack() as held:
        # A signal that arrives during set-up could be lost, or be reported as something else, inside a library.
        with StopOnSignal() as stop:
            run.task.check()
            distributed = join(run.device)
            run = _with_learn_threads(run, distributed, resume)
            if not distributed.is_main:
                out, progress = out / f"rank{distributed.rank}", progress or Silent()
            if actors and distributed.world_size > 1:
                raise InputError("--actors is for one process that learns; start it without torchrun")
            simulated: VecEnv
            if actors:
                said = (progress or make_progress()).say
                simulated = held.enter_context(actor_group(run, actors, out, threads, said))
            else:
                simulated = make_run_env(run, threads, distributed)
            trainer = _make_trainer(run, simulated, out, until, threads, progress, distributed)
            if run.init_from and not resume:
                trainer.init_policy(initial_policy(run.init_from, run.task.compared_with, run.policy))
            if run.init_from:
                # `humanoid` was measured on 30,720 observations: a few iterations would move its inputs under it
                trainer.learner.policy.normalizer.frozen = True
            held.enter_context(locked(out))
            if resume:
                _resume(trainer, run, out)
            else:
                _write_config(run, out)
        if stop.received == signal.SIGINT:
            raise KeyboardInterrupt  # not the signal again: a shell that starts a job in the background has it ignored
        if stop.received is not None:
            signal.raise_signal(stop.received)
        with torch_threads(1):  # besides updates: the tensors of a step are too small to share
            return trainer.train()


def check_folder(out: Path) -> None:
    """Raise InputError if the folder ``out`` holds a run with checkpoints, which a new run would overwrite."""
    # a run that stopped before its first checkpoint has nothing to lose
    if (out / CONFIG_FILE).exists() and checkpoint.steps(out / CHECKPOINTS):
        raise InputError(f"{out}: holds a run already; continue it with --resume, or choose another --out")


def make_run_env(run: RunConfig, threads: int, distributed: DistributedContext = SINGLE_PROCESS) -> VecEnv:
    """Make the environment in which the run trains; if several processes train, this process's share of it."""
    device = simulation_device(run.engine, run.device)
    first = distributed.rank * run.num_envs
    return run.task.make_env(Place(run.num_envs, run.seed, threads, run.engine, device, first))


def rollout_of(run: RunConfig) -> RolloutConfig:
    """Return the settings of the run's rollout, which collects samples.

    If learning and simulation are on one GPU, ``overlap`` is switched off. There the two would wait for each other, and
    the policy would learn from older experience.
    """
    rollout = run.algorithm.rollout
    one_gpu = simulation_device(run.engine, run.device) == "cuda"
    return dataclasses.replace(rollout, overlap=rollout.overlap and not one_gpu)


def read_data(run: RunConfig, env: VecEnv) -> Episodes | None:
    """Read the recorded episodes of a run; None if it uses none. Raises InputError if they do not fit the run."""
    check_data(run.algorithm.name, run.algorithm.update.data, run.data)
    parts = []
    for file in run.data:
        parts.append(read_episodes(Path(file)))
        check_sizes(parts[-1], env.obs_dim, env.act_dim, f"'{run.task.title}'", file)
    return concatenate(parts) if parts else None


def check_data(algorithm: str, use: DataUse, files: Sequence[object]) -> None:
    """Raise InputError if an algorithm needs recorded episodes and none are given, or cannot use those given."""
    if use == "required" and not files:
        raise InputError(f"{algorithm}: learns from recorded episodes alone; add --data FILE, which `collect` writes")
    if use == "refused" and files:
        raise InputError(
            f"--data: {algorithm} learns from its newest experience alone; leave it out, or choose awr or bc"
        )


def check_installed(update: LearnerConfig) -> None:
    """Raise InputError if the algorithm needs a library that is not installed."""
    if isinstance(update, BaselineConfig):
        require_package(update.package, "baselines")


def _with_learn_threads(run: RunConfig, distributed: DistributedContext, resume: bool) -> RunConfig:
    """Return the run with the number of learner threads filled in, the same for all processes.

    Results depend on this number through the order of sums, so a resumed run keeps it. Older runs, whose configuration
    does not state the number, had one thread.
    """
    if run.learn_threads:
        return run
    here = 1 if resume else learner_threads(torch.device(run.device), rollout_of(run).overlap)
    return dataclasses.replace(run, learn_threads=distributed.broadcast(here))


def _resume(trainer: Trainer, run: RunConfig, out: Path) -> None:
    """Resume from the newest checkpoint; restart from scratch if there is none."""
    checkpoint.remove_orphans(trainer.root)  # this also restores a checkpoint whose replacement a kill interrupted
    if checkpoint.steps(trainer.root):
        trainer.resume()
        return
    if run.init_from:
        trainer.init_policy(initial_policy(run.init_from, run.task.compared_with, run.policy))
    trainer.progress.say(f"{out}: no checkpoint had been saved, so the run starts from scratch")


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Make the folder ``out`` and lock it against other trainings while the context lasts.

    Raises InputError if another process trains in the folder, or the folder cannot be made.
    """
    make_folder(out)
    lock = FileLock(out / ".lock", timeout=0)  # the system releases it however the process ends
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: another process trains in this folder; choose another --out, or stop it") from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written to ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()


def _make_trainer(
    run: RunConfig,
    simulated: VecEnv,
    out: Path,
    until: StopCriteria,
    threads: int,
    progress: Progress | None,
    distributed: DistributedContext,
) -> Trainer:
    episodes = read_data(run, simulated)
    env: VecEnv = with_graphs(simulated) if isinstance(simulated, StagedEnv) else simulated
    kind: Any = BaselineTrainer if isinstance(run.algorithm.update, BaselineConfig) else Trainer
    made: Trainer = kind(
        env,
        make_learner(env, run.policy, run.algorithm.update, run.seed, distributed, run.device),
        rollout_of(run),
        dataclasses.replace(run.trainer, samples=until.samples, minutes=until.minutes),
        out=out,
        seed=run.seed,
        evaluate=run.task.make_evaluation(run.seed, threads) if distributed.is_main else None,
        spec=run.task.spec(run.algorithm.name, run.seed, run.init_from),
        progress=progress,
        critic_warmup=run.trainer.critic_warmup_iterations if run.init_from else 0,
        learn_threads=run.learn_threads,
        episodes=episodes,
        offline=episodes is not None and run.algorithm.update.data in ("offline", "required"),
    )
    return made


def _write_config(run: RunConfig, out: Path) -> None:
    check_folder(out)
    write_json(out / CONFIG_FILE, run_to_dict(run))
