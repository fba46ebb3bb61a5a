"""Controllers: find a controller by name, and load from its folder a policy and the task of its training.

Controllers that ship are in ``mimic/controllers/NAME``, training runs in ``runs/CLIP-ALGORITHM``. Both are checked folders
(mimic/core/checked_folder.py): they hold no code, and every byte is verified before it is read.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mimic.core import checkpoint, program
from mimic.core.checked_folder import MANIFEST, read_checked_folder
from mimic.core.errors import CheckpointError, InputError, nearest
from mimic.core.files import read_file
from mimic.core.printing import show
from mimic.rl.policy import Policy, load_policy
from mimic.runs.controller_spec import ControllerSpec, TrainingCost
from mimic.sim import DeviceName
from mimic.tracking import EnvConfig, TrackingEnv, make_env
from mocap.catalogue import available_name, clip_names, load_clip, load_clips, names_in
from mocap.clip_library import short_name as short_name

SHIPPED_FOLDER = Path(__file__).parents[1] / "controllers"
RUNS_FOLDER = Path("runs")
CONFIG_FILE = "config.json"  # of a run
MAX_CONFIG = 10_000_000  # bytes


@dataclass(frozen=True)
class Controller:
    """A policy and its description, read from the folder ``path``."""

    path: Path
    policy: Policy
    spec: ControllerSpec

    @property
    def clip(self) -> str:
        """Name or path of the clip; those of several clips are joined by ``+``."""
        return self.spec.clip

    @property
    def env_config(self) -> EnvConfig:
        """Settings of the task that the policy was trained for."""
        return self.spec.env

    @property
    def clips(self) -> tuple[str, ...]:
        """Names or paths of the clips."""
        return tuple(names_in(self.clip))

    @property
    def has_library(self) -> bool:
        """Whether the controller has a library of clips: it can do each clip by itself, given the clip's reference."""
        observed = self.env_config.observation
        return len(self.clips) > 1 and not self.env_config.change_clips and not observed.clip_id

    def of_clip(self, clip: str) -> "Controller":
        """Return the controller for the clip ``clip``. A library does any clip of its character, any other controller its own.

        Raises InputError, which names the nearest.
        """
        if len(self.clips) > 1 and not self.has_library:
            raise InputError(
                f"{self.path}: this controller does its clips one after another; leave the clip out, or use `steer`"
            )
        if clip not in self.clips:
            self._check_new(clip)
        return replace(self, spec=replace(self.spec, clip=clip))

    def of_clips(self, clips: Sequence[str]) -> "Controller":
        """Return the controller for one or several clips, as ``of_clip`` does for one. Raises InputError."""
        for clip in clips:
            self.of_clip(clip)
        return replace(self, spec=replace(self.spec, clip="+".join(clips)))

    def _check_new(self, clip: str) -> None:
        """Raise InputError unless the controller can do ``clip``, on which it was not trained."""
        if not self.has_library:
            raise InputError(f"{self.path}: does not have the clip '{clip}'; {nearest(clip, self.clips)}")
        character = load_clip(clip).character
        if character != self.spec.character:
            raise InputError(
                f"{self.path}: is for character '{self.spec.character}'; clip '{clip}' is of '{character}'"
            )

    def check_clips_are_here(self) -> None:
        """Raise InputError if a recording that it was trained on is not on this machine."""
        if (fallback := available_name(self.clip)) != self.clip:
            raise InputError(
                f"{self.path}: trained on the recording '{self.clip}', which is not installed; "
                f"{program.command(f'fetch {self.clip}')} downloads it. '{fallback}' can replace the clip, but this controller "
                "was not trained on it"
            )

    def with_episodes_of(self, seconds: float) -> "Controller":
        """Return a copy of the controller with evaluation episodes of ``seconds``."""
        env = replace(self.spec.env, evaluation_s=seconds)
        return replace(self, spec=replace(self.spec, env=env))

    def make_env(
        self,
        num_envs: int,
        seed: int = 0,
        threads: int = 0,
        engine: str = "mujoco",
        device: DeviceName = "cpu",
    ) -> TrackingEnv:
        """Make the task without training aids, in any of the engines.

        Raises:
            InputError: the clip is not on this machine.
            CheckpointError: the policy does not fit the task.
        """
        self.check_clips_are_here()
        env = make_env(
            load_clips(self.clip), self.env_config, num_envs, False, seed, threads, engine=engine, device=device
        )
        if (env.obs_dim, env.act_dim) != (self.policy.obs_dim, self.policy.act_dim):
            raise CheckpointError(
                f"{self.path}: made for {self.policy.obs_dim} observations and {self.policy.act_dim} actions, "
                f"clip '{self.clip}' has {env.obs_dim} and {env.act_dim}"
            )
        return env


def load_controller(where: str | Path) -> Controller:
    """Load a controller from its folder, given as a Path, or by a name, which :func:`find_controller` looks up.

    Raises InputError or CheckpointError.
    """
    folder = where if isinstance(where, Path) else find_controller(where)
    files = checkpoint.read_controller(folder)
    spec = ControllerSpec.from_json(files.spec, str(folder))
    return Controller(folder, load_policy(files.policy, spec.policy), spec)


def find_controller(name: str | Path) -> Path:
    """Find a controller by a path (of a controller, checkpoint or run), by the name of a run, or by that of a clip.

    A run gives its best checkpoint. A name without a folder in it is looked up in this order: controllers that ship, the
    working folder, ``runs/``, and the latest run of the clip of that name. If a controller that ships is used although a
    folder of that name holds one as well, a line on stderr says so. A ``Path`` is always a path.

    Raises:
        InputError: there is none; the message lists the nearest names and how to train one.
    """
    path = Path(name)
    is_name = isinstance(name, str) and path.name == name
    # unlike pathlib's, os.path.isdir is false if the name is too long for a path
    folders = [folder for folder in (path, RUNS_FOLDER / name) if os.path.isdir(folder)]
    held = [folder for folder in folders if (folder / "ckpt").is_dir() or (folder / MANIFEST).exists()]
    if is_name and name in shipped_controllers():
        if held:
            other = os.path.join(".", held[0])
            show(f"'{name}' is the controller that ships; for the one in {held[0]}, write {other}", sys.stderr)
        return SHIPPED_FOLDER / name
    run = latest_run_of_clip(str(name)) if is_name else None
    if held or (folders and run is None):
        folder = (held or folders)[0]
        return _best_checkpoint(folder) if (folder / "ckpt").is_dir() else _checked(folder)
    if run is not None:
        return _best_checkpoint(run)
    known = [*shipped_controllers(), *(p.name for p in RUNS_FOLDER.glob("*") if (p / "ckpt").is_dir())]
    hint = nearest(str(name), known) if known else "none has been trained yet"
    train = f". Train one: {program.command(f'train --clip {name}')}" if name in clip_names() else ""
    raise InputError(f"no controller '{name}'; {hint}{train}")


def shipped_controllers() -> list[str]:
    """Return the names of the controllers that are part of the package, sorted."""
    return sorted(path.name for path in SHIPPED_FOLDER.glob("*") if (path / MANIFEST).is_file())


def latest_run_of_clip(clip: str, runs: Path = RUNS_FOLDER) -> Path | None:
    """Return the folder of the newest run of ``clip`` that has a checkpoint; None if there is no such run.

    If no run has exactly this clip, ``clip`` is compared with the short name of each run's clip.
    """
    found = {path: _clip_of(path) for path in runs.glob("*") if checkpoint.steps(path / "ckpt")}
    exact = [path for path, its in found.items() if its == clip]
    folders = exact or [path for path, its in found.items() if short_name(its) == clip]
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)


def training_cost(controller: Controller) -> TrainingCost:
    """Return samples and hours of the controller's own run. Raises CheckpointError if its folder does not state them."""
    if (record := controller.spec.training) is not None:
        return TrainingCost(record.samples, record.hours)
    return read_cost(controller.path)


def read_cost(path: Path) -> TrainingCost:
    """Read samples and hours of a run up to the checkpoint ``path``. Raises CheckpointError if they are not stated."""
    try:
        meta = read_checked_folder(path, [checkpoint.META_FILE])[checkpoint.META_FILE]
        counters = json.loads(meta)["counters"]
        return TrainingCost(int(counters["samples"]), round(float(counters["seconds"]) / 3600.0, 2))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: the samples and seconds of training are not stated ({error})") from None


def total_training_cost(controller: Controller) -> TrainingCost:
    """Return the sum of samples and hours over a controller's run, its teachers, and the controller it started from."""
    own, begun_with = training_cost(controller), controller.spec.begun_with
    before = [*(controller.spec.teachers or ()), *([begun_with] if begun_with else [])]
    samples = own.samples + sum(one.samples for one in before)
    return TrainingCost(samples, round(own.hours + sum(one.hours for one in before), 2))


def _clip_of(run: Path) -> str:
    """Return the clip in the configuration of a run; "" if the configuration cannot be read."""
    try:
        data = json.loads(read_file(run / CONFIG_FILE, MAX_CONFIG))
        return str(data["clip"]) if "clip" in data else "+".join(data["task"]["clips"])  # "clip": of an earlier version
    except (InputError, ValueError, KeyError, TypeError):
        return ""


def _checked(folder: Path) -> Path:
    """Return ``folder`` if it holds a controller. Otherwise raise InputError, which says what to give instead."""
    if (folder / MANIFEST).exists():
        return folder
    hint = "a controller is a run of `train`, a checkpoint of one, or a folder that `pack` made"
    if (folder / "manifest.json").exists():
        hint = f"it is a bundle for game engines, which `{program.command('verify')}` checks"
    if folder.name == "ckpt":
        hint = f"it holds the checkpoints of a run; name the run, {folder.parent}, or one of them"
    raise InputError(f"{folder}: not a controller; {hint}")


def _best_checkpoint(run: Path) -> Path:
    return checkpoint.best(run / "ckpt") or checkpoint.latest(run / "ckpt").path
