"""Controllers as teachers: each computes its action for states of its clips, from its own kind of observation.

A controller of a library teaches all its clips. The student begins as its copy, so a library grows by new clips.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mimic.core.errors import InputError
from mimic.runs.controller import Controller, load_controller, shipped_controllers
from mimic.tracking import TrackingEnv
from mimic.tracking.observation import Observation
from mocap.catalogue import available_name, names_in


class Teachers:
    """The controllers of a library's clips; each teaches as many clips as it has, in the order of the library."""

    def __init__(self, controllers: Sequence[Controller], env: TrackingEnv):
        self._policies = [controller.policy.eval() for controller in controllers]
        counts = torch.tensor([len(controller.clips) for controller in controllers])
        self._teacher = torch.arange(len(controllers)).repeat_interleave(counts)  # of each clip
        kinds = list(dict.fromkeys(controller.env_config.observation for controller in controllers))
        self._observations = [Observation(kind, env.character, env.device) for kind in kinds]
        self._kind = [kinds.index(controller.env_config.observation) for controller in controllers]
        self._env = env

    @torch.no_grad()
    def actions(self) -> Tensor:
        """Return the mean action (N, A) that each environment's teacher takes in the current state."""
        seen = [self._env.observe_as(observation) for observation in self._observations]
        teacher = self._teacher[self._env.tracker.current.clip]
        actions = torch.empty(self._env.num_envs, self._env.act_dim)
        for k, policy in enumerate(self._policies):
            rows = (teacher == k).nonzero().squeeze(1)
            if len(rows):
                actions[rows] = policy.mean(seen[self._kind[k]][rows])
        return actions


def load_teachers(names: str, character: str | None = None) -> list[Controller]:
    """Load the controllers ``a,b,c``, or for ``all`` those that ship for ``character``, one clip each, if the clip is installed.

    Raises:
        InputError: there are none, two have one clip, two are libraries, or they differ in character, action or reward.
    """
    if names == "all":
        shipped = [load_controller(name) for name in shipped_controllers()]
        of_it = [one for one in shipped if one.spec.character == (character or "humanoid")]
        found = [one for one in of_it if len(names_in(one.clip)) == 1 and available_name(one.clip) == one.clip]
        if not found:
            raise InputError(f"--from all: no controller that ships is for character '{character or 'humanoid'}'")
    else:
        found = [load_controller(name) for name in names.split(",")]
    _check(found, character)
    return found


def _check(teachers: Sequence[Controller], character: str | None) -> None:
    """Raise InputError unless the teachers can teach one student."""
    first, clips = teachers[0], [clip for one in teachers for clip in one.clips]
    libraries = [one for one in teachers if len(one.clips) > 1]
    if len(libraries) > 1:
        raise InputError(
            f"--from: {libraries[0].path} and {libraries[1].path} have several clips each; a student grows from one library"
        )
    for one in teachers:
        one.check_clips_are_here()
        if one in libraries and not one.has_library:
            raise InputError(f"{one.path}: was trained on '{one.clip}'; choose a teacher with one clip, or a library")
        if twice := [clip for clip in one.clips if clips.count(clip) > 1]:
            raise InputError(f"--from: two teachers have the clip '{twice[0]}'; name one of them")
        if one.spec.character != (character or first.spec.character):
            raise InputError(
                f"{one.path}: is for character '{one.spec.character}', not '{character or first.spec.character}'"
            )
        if one.env_config.action != first.env_config.action or one.env_config.reward != first.env_config.reward:
            raise InputError(
                f"{one.path}: its settings env.action or env.reward differ from those of {first.path}; choose teachers with equal settings"
            )
        if one.env_config.repair != first.env_config.repair:
            raise InputError(
                f"{one.path}: its settings env.repair differ from those of {first.path}; choose teachers with equal settings"
            )


def grown_from(teachers: Sequence[Controller]) -> Controller | None:
    """Return the teacher that is a library, as whose copy the student begins; None if there is none."""
    return next((one for one in teachers if len(one.clips) > 1), None)
