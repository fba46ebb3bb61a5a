"""Training a clip from start to finish: preset, environment, learner, trainer, all in one run folder.

The folder holds ``config.json`` (everything that shaped the run), ``ckpt/``, ``metrics.jsonl``, ``tensorboard/`` and
``learning_curve.png``. Resuming reads ``config.json``, so that the run goes on as it began; one that was stopped before
its first checkpoint begins again.
"""

import dataclasses
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, InputError
from mimic.core.files import make_folder, write_json
from mimic.core.strict_config import build, to_dict
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.report import EvaluationReport
from mimic.gpu.graphed_env import with_graphs
from mimic.rl.build import make_learner
from mimic.rl.distributed import ALONE, Ranks, join
from mimic.rl.policy import GaussianPolicy, on_device
from mimic.rl.progress import Progress, Silent
from mimic.rl.rollout import RolloutConfig
from mimic.rl.signals import StopOnSignal
from mimic.rl.threads import learner_threads
from mimic.rl.trainer import CHECKPOINTS, Evaluate, Trainer, TrainResult
from mimic.runs.controller import CONFIG_FILE
from mimic.runs.controller_spec import ControllerSpec
from mimic.runs.preset import AlgorithmName, Preset
from mimic.runs.warm_start import InitialController, combined_licence, initial_policy
from mimic.sim import DeviceName, simulation_device
from mimic.tracking import TrackingEnv, make_env
from mocap.catalogue import load_clips
from mocap.licence import licence_of_clips
from mocap.motion import Motion

_EVALUATION_EPISODES = 32
_CRITIC_FIRST = 20  # iterations in which a policy that comes from elsewhere waits for its critic
_EVALUATION_SEED = 1_000_003


@dataclass(frozen=True)
class RunConfig:
    """Everything that shapes a run.

    ``device`` is the learner's, and the simulation's as well where the engine runs on it.
    """

    clip: str
    algorithm: AlgorithmName
    seed: int
    preset: Preset
    engine: str = "mujoco"
    device: DeviceName = "cpu"
    beginning: InitialController | None = None  # the controller whose policy it begins with
    learn_threads: int = 0  # of updates; 0: as suits the machine on which it begins, and then is written down


@dataclass(frozen=True)
class Limits:
    """When this call stops: at so many samples in all, or after so many minutes; 0 is no limit."""

    samples: int = 0
    minutes: float = 0.0


def train(
    run: RunConfig, out: Path, limits: Limits, threads: int = 0, progress: Progress | None = None, resume: bool = False
) -> TrainResult:
    """Train until ``limits`` or a signal say stop. Raises InputError, CheckpointError, LearnerDiverged."""
    with ExitStack() as held:
        # An exception out of a signal handler may be lost, or become another, inside a library: hold it back until all is set up.
        with StopOnSignal() as stop:
            motion = load_clips(run.clip)[0]
            ranks = join()
            if not run.learn_threads:  # a run from before they were written down had one
                here = 1 if resume else learner_threads(torch.device(run.device), rollout_of(run).overlap)
                run = dataclasses.replace(run, learn_threads=ranks.agreed(here))
            if not ranks.first:
                out, progress = out / f"rank{ranks.rank}", progress or Silent()
            trainer = _make_trainer(run, motion, out, limits, threads, progress, ranks)
            if run.beginning and not resume:
                trainer.begin_with(initial_policy(run.beginning, run.clip, motion.character, run.preset))
            held.enter_context(_alone_in(out))
            if not resume:
                _write_config(run, out)
            else:
                _take_up(trainer, run, motion, out)
        if stop.received == signal.SIGINT:
            raise KeyboardInterrupt  # not the signal again: a shell that starts a job in the background has it ignored
        if stop.received is not None:
            signal.raise_signal(stop.received)
        return trainer.train()


def _take_up(trainer: Trainer, run: RunConfig, motion: Motion, out: Path) -> None:
    """Go on from what was saved; begin again where nothing was."""
    checkpoint.remove_orphans(trainer.root)  # and put back what was being replaced when the run was killed
    if checkpoint.steps(trainer.root):
        trainer.resume()
        return
    if run.beginning:
        trainer.begin_with(initial_policy(run.beginning, run.clip, motion.character, run.preset))
    trainer.progress.say(f"{out}: nothing had been saved yet, so it begins again")


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Keep other trainings out of the folder ``out``. Raises InputError where there is one, or where it cannot be made."""
    make_folder(out)
    lock = FileLock(out / ".lock", timeout=0)  # the system lets go of it however the process ends
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: another process is training in there; choose another --out, or stop it") from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written to ({error.strerror})") from None
    try:
        yield
    finally:
        lock.release()


def _make_trainer(
    run: RunConfig,
    motion: Motion,
    out: Path,
    limits: Limits,
    threads: int,
    progress: Progress | None,
    ranks: Ranks,
) -> Trainer:
    preset, simulated = run.preset, make_run_env(run, threads, ranks)
    env = with_graphs(simulated)
    update = preset.algorithm(run.algorithm).update
    return Trainer(
        env,
        make_learner(env, preset.policy, update, run.seed, ranks, run.device),
        rollout_of(run),
        dataclasses.replace(preset.trainer, samples=limits.samples, minutes=limits.minutes),
        out=out,
        seed=run.seed,
        evaluate=_evaluation(run, threads) if ranks.first else None,
        spec=ControllerSpec(
            run.clip,
            motion.character,
            preset.env,
            algorithm=run.algorithm,
            seed=run.seed,
            clip_license=combined_licence(licence_of_clips(m.license for m in simulated.motions), run.beginning),
            begun_with=run.beginning.ancestor() if run.beginning else None,
        ).to_json(),
        progress=progress,
        critic_first=_CRITIC_FIRST if run.beginning else 0,
        learn_threads=run.learn_threads,
    )


def make_run_env(run: RunConfig, threads: int, ranks: Ranks = ALONE) -> TrackingEnv:
    """What the run trains in: on the GPU if its engine can be, of several processes this one's share."""
    return make_env(
        load_clips(run.clip),
        run.preset.env,
        run.preset.num_envs,
        seed=run.seed,
        threads=threads,
        first_env=ranks.rank * run.preset.num_envs,
        engine=run.engine,
        device=simulation_device(run.engine, run.device),
    )


def rollout_of(run: RunConfig) -> RolloutConfig:
    """How the run collects: in turns with the learner where both have one GPU, for side by side they would only wait for
    each other there, and learn from what is older.
    """
    rollout = run.preset.algorithm(run.algorithm).rollout
    one_gpu = simulation_device(run.engine, run.device) == "cuda"
    return dataclasses.replace(rollout, overlap=rollout.overlap and not one_gpu)


def read_run(out: Path) -> RunConfig:
    """The configuration of the run in ``out``. Raises InputError if there is none, CheckpointError if it is damaged."""
    path = out / CONFIG_FILE
    if not path.exists():
        raise InputError(f"{out}: is not the folder of a run; `train` without --resume begins one")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a run that can be resumed ({error})") from None
    return build(RunConfig, data, str(path))


def check_folder(out: Path) -> None:
    """Raise InputError if a new run in ``out`` would have to overwrite another."""
    # a run that stopped before its first checkpoint has nothing to lose
    if (out / CONFIG_FILE).exists() and checkpoint.steps(out / CHECKPOINTS):
        raise InputError(f"{out}: holds a run already; go on with --resume, or choose another --out")


def _write_config(run: RunConfig, out: Path) -> None:
    check_folder(out)
    write_json(out / CONFIG_FILE, to_dict(run))


def _evaluation(run: RunConfig, threads: int) -> Evaluate:
    """Judges a policy in an environment of its own, from the same starts every time; always on the CPU engine."""
    env = make_env(load_clips(run.clip), run.preset.env, _EVALUATION_EPISODES, False, _EVALUATION_SEED + run.seed, threads)

    def judge(policy: GaussianPolicy) -> Mapping[str, float]:
        return summary(evaluate(env, on_device(policy, env.device).mean))

    return judge


def summary(report: EvaluationReport) -> dict[str, float]:
    """The numbers of an evaluation that a log row holds."""
    names = ("survival", "success_rate", "mpjpe_m", "root_error_m", "mean_steps", "mean_time_s")
    found = report.to_json()
    return {"normalized_return": report.normalized_return.mean} | {name: found[name] for name in names}
