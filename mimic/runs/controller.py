"""A trained skill: a policy with the clip and task it was trained for, found by name, run or path.

Controllers that ship lie in ``mimic/controllers/<name>``; training runs in ``runs/<clip>-<algorithm>``. Both are sealed
folders (mimic/core/checkpoint.py): nothing in them is code, and every byte is verified.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core.errors import CheckpointError, InputError, nearest
from mimic.core.strict_config import build, to_dict
from mimic.core import checkpoint
from mimic.tracking import EnvConfig, TrackingEnv, make_env
from mimic.rl.policy import GaussianPolicy, load_policy
from mimic.core.checked_folder import MANIFEST, read_sealed
from mocap.catalogue import clip_names, available_name
from mimic.sim import DeviceName

SHIPPED_FOLDER = Path(__file__).parents[1] / "controllers"
RUNS_FOLDER = Path("runs")
CONFIG_FILE = "config.json"  # of a run
SPEC_VERSION = 1


@dataclass(frozen=True)
class Controller:
    """A policy and what it is for; ``spec`` is everything its folder says of it."""

    path: Path
    clip: str
    policy: GaussianPolicy
    env_config: EnvConfig
    spec: dict[str, Any]

    def make_env(
        self,
        num_envs: int,
        seed: int = 0,
        threads: int = 0,
        engine: str = "mujoco",
        device: DeviceName = "cpu",
    ) -> TrackingEnv:
        """The task it was trained for, without training aids, in any of the simulators.

        Raises InputError if its clip is not on this machine.
        """
        if (fallback := available_name(self.clip)) != self.clip:
            raise InputError(
                f"{self.path}: trained on the recording '{self.clip}', which is not here; run_mimic.py fetch {self.clip} "
                f"gets it. '{fallback}' stands in for the clip, but not for what was learned from it"
            )
        env = make_env(self.clip, self.env_config, num_envs, False, seed, threads, engine=engine, device=device)
        if (env.obs_dim, env.act_dim) != (self.policy.obs_dim, self.policy.act_dim):
            raise CheckpointError(
                f"{self.path}: made for {self.policy.obs_dim} observations and {self.policy.act_dim} actions, "
                f"clip '{self.clip}' has {env.obs_dim} and {env.act_dim}"
            )
        return env


def make_spec(clip: str, character: str, env: EnvConfig, **notes: Any) -> dict[str, Any]:
    """What a controller's folder says of it: clip, character, task, and ``notes`` on how it was made."""
    return {"format": SPEC_VERSION, "clip": clip, "character": character, "env": to_dict(env), **notes}


def shipped_controllers() -> list[str]:
    """Names of the controllers that ship."""
    return sorted(path.name for path in SHIPPED_FOLDER.glob("*") if (path / MANIFEST).is_file())


def short_name(clip: str) -> str:
    """What is made from a clip is called by its name; from a clip file, by the file's without the suffix."""
    return Path(clip).stem


def latest_run_of_clip(clip: str, runs: Path = RUNS_FOLDER) -> Path | None:
    """The user's newest run of a clip, given as the run was or by its short name, that holds a checkpoint; or None."""
    found = {path: _clip_of(path) for path in runs.glob("*") if checkpoint.steps(path / "ckpt")}
    exact = [path for path, its in found.items() if its == clip]
    folders = exact or [path for path, its in found.items() if short_name(its) == clip]
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)


def _clip_of(run: Path) -> str:
    """What a run says it is of; "" where it does not say."""
    try:
        return str(json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))["clip"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def find_controller(name: str) -> Path:
    """The controller folder meant by a path (controller, checkpoint or run), a run's name or a clip's name.

    A run means its best checkpoint; a name means the controller that ships, else the last run in ``runs/``.

    Raises:
        InputError: there is none; the message says what there is and how to train one.
    """
    path = Path(name)
    for folder in (path, RUNS_FOLDER / name):
        if os.path.isdir(folder):  # unlike pathlib's, false for a name too long to be one
            return _in_run(folder) if (folder / "ckpt").is_dir() else _controller_in(folder)
    if name in shipped_controllers():
        return SHIPPED_FOLDER / name
    run = latest_run_of_clip(name) if path.name == name else None
    if run is not None:
        return _in_run(run)
    known = [*shipped_controllers(), *(p.name for p in RUNS_FOLDER.glob("*") if (p / "ckpt").is_dir())]
    hint = nearest(name, known) if known else "none has been trained yet"
    train = f". Train one: run_mimic.py train --clip {name}" if name in clip_names() else ""
    raise InputError(f"no controller '{name}'; {hint}{train}")


def _controller_in(folder: Path) -> Path:
    if (folder / MANIFEST).exists():
        return folder
    hint = "a controller is a run of `train`, a checkpoint of one, or a folder that `pack` made"
    if (folder / "manifest.json").exists():
        hint = "a bundle for game engines: `run_mimic.py verify` checks it"
    if folder.name == "ckpt":
        hint = f"the checkpoints of a run; name the run, {folder.parent}, or one of them"
    raise InputError(f"{folder}: is no controller; {hint}")


def load_controller(name: str) -> Controller:
    """Load a controller by path or name. Raises InputError or CheckpointError."""
    controller = checkpoint.read_controller(find_controller(name))
    spec = controller.spec
    missing = {"format", "clip", "character", "env", "policy"} - set(spec)
    if missing:
        raise CheckpointError(f"{controller.path}: says nothing of {', '.join(sorted(missing))}")
    if spec["format"] != SPEC_VERSION:
        raise CheckpointError(f"{controller.path}: format {spec['format']}, this program reads {SPEC_VERSION}")
    env_config = build(EnvConfig, spec["env"], f"{controller.path}: env")
    policy = load_policy(controller.policy, spec["policy"])
    return Controller(controller.path, str(spec["clip"]), policy, env_config, spec)


def total_training_cost(skill: Controller) -> dict[str, Any]:
    """``samples`` and ``hours`` of all training behind a skill, that of the controller it began with included."""
    own, before = training_cost(skill), skill.spec.get("begun_with") or {"samples": 0, "hours": 0.0}
    return {"samples": own["samples"] + before["samples"], "hours": round(own["hours"] + before["hours"], 2)}


def training_cost(skill: Controller) -> dict[str, Any]:
    """``samples`` and ``hours`` of the run that a skill is from. Raises CheckpointError if its folder does not say."""
    try:
        if "training" in skill.spec:
            return {name: skill.spec["training"][name] for name in ("samples", "hours")}
        counters = json.loads(read_sealed(skill.path, [checkpoint.META_FILE])[checkpoint.META_FILE])["counters"]
        return {"samples": int(counters["samples"]), "hours": round(float(counters["seconds"]) / 3600.0, 2)}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{skill.path}: does not say how far training got ({error})") from None


def _in_run(run: Path) -> Path:
    return checkpoint.best(run / "ckpt") or checkpoint.latest(run / "ckpt").path
