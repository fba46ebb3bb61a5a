"""Warm start: begin a run from the policy of a controller.

The controller is looked up once, when the run is made, and described in ``config.json``. The run can therefore resume
after the controller has been deleted, or another controller has been given its name.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.rl.policy import Policy, PolicyConfig
from mimic.runs.controller import Controller, load_controller, total_training_cost
from mimic.runs.controller_spec import Ancestor

Comparison = Callable[[Controller], dict[str, tuple[Any, Any]]]

_FREE, _UNSTATED = "Apache-2.0", "not stated"
_NETWORK_KEYS = ("actor_sizes", "obs_clip", "obs_std_floor", "activation", "squash")


@dataclass(frozen=True)
class InitialController:
    """The controller that a run starts from.

    Attributes:
        controller: name or path of the controller, as the user gave it.
        path: folder of the controller.
        policy_sha256: hash of the policy's file.
        samples, hours: cost of all training of the policy, earlier runs included.
        clip_license: licence of the clips on which the policy was trained.
    """

    controller: str
    path: str
    policy_sha256: str
    samples: int
    hours: float
    clip_license: str

    def ancestor(self) -> Ancestor:
        """Return the description that the run's controllers store: all but the path, which is valid here only."""
        return Ancestor(self.controller, self.policy_sha256, self.samples, self.hours, self.clip_license)


def initial_controller(name: str) -> InitialController:
    """Describe the controller ``name``. Raises InputError or CheckpointError if it cannot be loaded."""
    controller = load_controller(name)
    one = as_ancestor(name, controller)
    path = str(controller.path.resolve())
    return InitialController(name, path, one.policy_sha256, one.samples, one.hours, one.clip_license)


def as_ancestor(name: str, controller: Controller) -> Ancestor:
    """Describe ``controller`` under the name ``name``, for the description of a controller that is trained from it."""
    digest = hashlib.sha256((controller.path / checkpoint.POLICY_FILE).read_bytes()).hexdigest()
    cost, licence = total_training_cost(controller), controller.spec.clip_license or ""
    return Ancestor(name, digest, cost.samples, cost.hours, licence)


def combined_licence(clip_licence: str, initial: InitialController | None) -> str:
    """Return the licence of a policy: the clip's, and that of the controller from which the run started."""
    if initial is None or initial.clip_license == clip_licence or initial.clip_license.startswith(_FREE):
        return clip_licence
    # does not begin with the name of a licence, so that no reader takes the whole for the first of the two
    return f"of the controller it began with: {initial.clip_license or _UNSTATED}; of the clip: {clip_licence or _UNSTATED}"


def initial_policy(initial: InitialController, compared_with: Comparison, policy: PolicyConfig) -> Policy:
    """Load the policy to start from.

    Args:
        initial: the controller.
        compared_with: function that returns the settings to compare: name -> (the controller's value, the run's value).
        policy: settings of the run's networks.

    Raises InputError if the policy's observations, actions or networks differ from the run's.
    """
    controller = load_controller(Path(initial.path))
    networks = controller.policy.config, policy
    shapes = {f"policy.{key}": tuple(getattr(config, key) for config in networks) for key in _NETWORK_KEYS}
    for name, (theirs, ours) in (compared_with(controller) | shapes).items():
        if theirs != ours:
            raise InputError(
                f"cannot start from {initial.controller} ({controller.path}): {name} is {theirs} there and {ours} in this run"
            )
    return controller.policy
