"""The functions of ``import mimic``, which take simple arguments and return the types of mimic's packages."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from characters import load_character
from mimic.core.errors import InputError
from mimic.core.files import write_bytes
from mimic.exporting.bundle import export_bundle
from mimic.rendering import RenderReport, draw, motion_frames
from mimic.rendering.controller_film import render_controller
from mimic.rl.trainer import TrainResult
from mimic.runs.controller import Controller, load_controller
from mimic.runs.evaluate_controller import ControllerEvaluation, EvaluationSetup, evaluate_controller
from mimic.runs.preset import Preset
from mimic.runs.preset import load_preset as _load_preset
from mimic.runs.run_config import read_run, tracking_run
from mimic.runs.training import StopCriteria, check_folder
from mimic.runs.training import train as _train
from mimic.runs.warm_start import initial_controller
from mimic.tracking import TrackingEnv
from mimic.tracking import make_env as _make_env
from mocap.catalogue import load_clips
from mocap.conventions import ReadOptions
from mocap.formats.clip_npz import write_clip_npz
from mocap.motion import Motion
from retarget.pipeline import Options
from retarget.retarget_file import RetargetResult, retarget_file


def load_preset(name: str = "fast", *settings: str) -> Preset:
    """Load a preset by its name or its path; return the settings of a training run.

    Args:
        name: a preset that ships, or a YAML file.
        settings: changes as ``--set`` takes them: ``"awr.update.temperature=1.5"``.

    Raises:
        ConfigError: no such preset, unknown key or wrong value.
    """
    return _load_preset(name, settings)


def retarget(
    file: str | Path,
    character: str,
    out: str | Path,
    options: Options | None = None,
    reading: ReadOptions | None = None,
    joint_map: str | Path | None = None,
) -> RetargetResult:
    """Retarget a motion file onto a character and write the clip; return the clip with its quality report.

    Args:
        file: a motion file of any format, or the name of a clip.
        character: name of a character, or the path of an MJCF.
        out: the clip to write, an ``.npz``.
        options: span, loop, mirror, speed and frame rate.
        reading: unit, axes, take and other declarations about the file.
        joint_map: a YAML file of ``role: joint`` lines.

    Raises:
        InputError: the file, the map or the character cannot be used.
    """
    out = Path(out)
    map_file = Path(joint_map) if joint_map else None
    result = retarget_file(Path(file), character, out, options or Options(), reading or ReadOptions(), map_file)
    write_bytes(out, write_clip_npz(result.motion))
    return result


def make_env(
    clip: str | Motion | Sequence[Motion],
    num_envs: int,
    preset: str | Preset = "fast",
    training: bool = True,
    **where: Any,
) -> TrackingEnv:
    """Make the tracking environment of a clip.

    Args:
        clip: a name, a path, ``a+b`` for several, or motions.
        num_envs: number of environments that are simulated together.
        preset: the preset with the settings of the environment.
        training: whether to use training aids, such as short episodes that end when tracking is lost.
        where: ``seed``, ``threads``, ``engine`` and ``device``, as `mimic.tracking.make_env` takes them.

    Raises:
        InputError: the clip cannot be read, or the engine cannot run on the device.
    """
    motions = load_clips(clip) if isinstance(clip, str) else [clip] if isinstance(clip, Motion) else clip
    return _make_env(motions, _preset(preset).env, num_envs, training, **where)


def train(
    clip: str,
    out: str | Path,
    *,
    samples: int = 0,
    minutes: float = 0.0,
    preset: str | Preset = "fast",
    algorithm: str = "awr",
    seed: int = 0,
    engine: str = "mujoco",
    device: Any = "cpu",
    start_from: str | None = None,
    threads: int = 0,
    resume: bool = False,
) -> TrainResult:
    """Train a controller; return the samples done, the reason to stop, and the folders of checkpoints.

    Args:
        clip: a name, a path, or ``a+b`` for several.
        out: folder of the run.
        samples: number of samples (transitions, over all environments) of the whole run at which to stop; 0 is no limit.
        minutes: number of minutes of this call after which to stop; 0 is no limit.
        preset: the settings of the run. A resumed run ignores ``preset``, ``algorithm``, ``seed``, ``engine``, ``device``
            and ``start_from``.
        algorithm: a name of `mimic.ALGORITHMS`.
        seed: seed of networks, starts and exploration.
        engine: a name of `mimic.ENGINES`.
        device: device of the learner, ``"cpu"`` or ``"cuda"``.
        start_from: name or folder of a controller from whose policy the run starts.
        threads: simulation threads; 0 is one per core.
        resume: continue the run in ``out``.

    Raises:
        InputError: the clip, a name or the folder cannot be used, or neither ``samples`` nor ``minutes`` is given.
        LearnerDiverged: the learner's numbers are no longer finite.
    """
    if not samples and not minutes:
        raise InputError("train() needs samples=N or minutes=M; without a limit it would never end")
    folder = Path(out)
    if resume:
        run = read_run(folder)
    else:
        check_folder(folder)
        init_from = initial_controller(start_from) if start_from else None
        where = {"engine": engine, "device": device, "init_from": init_from}
        run = tracking_run(clip, _preset(preset), algorithm, seed, **where)
    return _train(run, folder, StopCriteria(samples, minutes), threads, resume=resume)


def evaluate(
    controller: str | Path | Controller, episodes: int = 32, seconds: float = 20.0, **setup: Any
) -> ControllerEvaluation:
    """Evaluate a controller without training aids; return its scores.

    Args:
        controller: a controller, a name, or the folder of a run or a controller.
        episodes: number of episodes.
        seconds: length of an episode [s].
        setup: ``threads``, ``engine``, ``device`` and ``seed`` of `EvaluationSetup`.

    Raises:
        InputError, CheckpointError: the controller or its clip cannot be used.
    """
    return evaluate_controller(_controller(controller), EvaluationSetup(episodes, seconds, **setup))


def render(
    what: str | Path | Controller | Motion, out: str | Path, seconds: float | None = None, **options: Any
) -> RenderReport:
    """Film a controller beside its clip, or a motion without physics.

    Args:
        what: a controller, its name or folder, or a motion.
        out: the film, an MP4.
        seconds: length [s]; None means 10 for a controller, whole cycles for a motion.
        options: ``view``, ``size`` and ``renderer`` of `mimic.rendering.draw`.

    Raises:
        InputError: no renderer works on this machine, or the film cannot be written.
    """
    if isinstance(what, Motion):
        character = load_character(what.character)
        return draw(motion_frames(what, character, seconds), character, Path(out), **options)
    return render_controller(_controller(what), Path(out), seconds or 10.0, **options)


def export(controller: str | Path | Controller, out: str | Path, as_zip: bool = False) -> Path:
    """Write a controller as a bundle for game engines, and return the path of the bundle.

    Raises:
        InputError: the controller cannot be exported, or ``out`` holds something else.
    """
    path, _ = export_bundle(_controller(controller), Path(out), as_zip)
    return path


def register_envs() -> None:
    """Register the tracking environments with Gymnasium: ``gymnasium.make("mimic/cartwheel-v0")``."""
    importlib.import_module("mimic.gym.tracking")


def _preset(preset: str | Preset) -> Preset:
    return _load_preset(preset) if isinstance(preset, str) else preset


def _controller(controller: str | Path | Controller) -> Controller:
    return controller if isinstance(controller, Controller) else load_controller(str(controller))
