"""A run that begins with a controller: which one it was, what is behind it, and whether its policy fits the run.

All of it is found out once, when the run is made, and kept in ``config.json``: a run can be resumed when the controller
has gone, or has become another of the same name.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from mimic.core.errors import InputError
from mimic.core import checkpoint
from mimic.runs.preset import Preset
from mimic.rl.policy import GaussianPolicy
from mimic.runs.controller import Controller, total_training_cost, load_controller
from mocap.catalogue import names_in

_FREE, _UNSTATED = "Apache-2.0", "not stated"


@dataclass(frozen=True)
class InitialController:
    """The controller a run begins with.

    Attributes:
        controller: as the user named it.
        path: its folder.
        policy_sha256: of its policy's file.
        samples, hours: of all training behind it.
        clip_license: the terms of the clips it was trained on.
    """

    controller: str
    path: str
    policy_sha256: str
    samples: int
    hours: float
    clip_license: str


def initial_controller(name: str) -> InitialController:
    """What there is to know of a controller. Raises InputError or CheckpointError where it cannot be loaded."""
    controller = load_controller(name)
    digest = hashlib.sha256((controller.path / checkpoint.POLICY_FILE).read_bytes()).hexdigest()
    behind, licence = total_training_cost(controller), str(controller.spec.get("clip_license") or "")
    return InitialController(name, str(controller.path.resolve()), digest, behind["samples"], behind["hours"], licence)


def history(beginning: InitialController | None) -> dict[str, Any]:
    """What the controllers of a run say of its beginning, beside the rest: ``begun_with``."""
    if beginning is None:
        return {}
    said = {
        name: getattr(beginning, name) for name in ("controller", "policy_sha256", "samples", "hours", "clip_license")
    }
    return {"begun_with": said}


def terms(clip_license: str, beginning: InitialController | None) -> str:
    """The terms of what is learned from a clip: those of the controller it begins with hold as well."""
    if beginning is None or beginning.clip_license == clip_license or beginning.clip_license.startswith(_FREE):
        return clip_license
    # begins with no licence's name, so that nobody takes the whole for the first of them
    return f"of the controller it began with: {beginning.clip_license or _UNSTATED}; of the clip: {clip_license or _UNSTATED}"


def initial_policy(beginning: InitialController, clip: str, character: str, preset: Preset) -> GaussianPolicy:
    """The policy to begin with. Raises InputError if it sees or does something else than the run's."""
    controller = load_controller(beginning.path)
    for what, (theirs, ours) in _compared(controller, clip, character, preset).items():
        if theirs != ours:
            raise InputError(
                f"{controller.path}: {what} differs from this run's, so that its policy would be lost here: {theirs}, not {ours}"
            )
    return controller.policy


def _compared(controller: Controller, clip: str, character: str, preset: Preset) -> dict[str, tuple[Any, Any]]:
    env, policy, theirs = preset.env, preset.policy, controller.policy.config
    return {
        "the character": (controller.spec["character"], character),
        "env.observation": (controller.env_config.observation, env.observation),
        "env.action": (controller.env_config.action, env.action),
        "policy.actor_sizes": (theirs.actor_sizes, policy.actor_sizes),
        "policy.obs_clip": (theirs.obs_clip, policy.obs_clip),
        "policy.obs_std_floor": (theirs.obs_std_floor, policy.obs_std_floor),
        "the number of clips": (len(names_in(controller.clip)), len(names_in(clip))),
    }
