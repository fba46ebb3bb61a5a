"""Controllers as teachers: each computes its action for states of its clips, from its own kind of observation.

A controller of a library teaches all its clips, or those that are named. The student begins as a copy of the first one that
teaches all its clips. So a library grows by new clips, and experts replace what it does badly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.core.errors import InputError, nearest
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.runs.controller import Controller, load_controller, shipped_controllers
from mimic.tracking import TrackingEnv
from mimic.tracking.observation import Observation
from mocap.catalogue import available_name, names_in


@dataclass(frozen=True)
class Teacher:
    """A controller and the clips that it teaches. ``chosen``: these were named, and it teaches them instead of others."""

    controller: Controller
    clips: tuple[str, ...]
    chosen: bool = False

    @property
    def name(self) -> str:
        """The teacher as ``--from`` names it, with the whole path of its controller."""
        path = str(self.controller.path)
        return f"{path}={'+'.join(self.clips)}" if self.chosen else path


class Teachers:
    """The teachers of a library's ``clips``. On a motion graph the clip that the reference is heading for decides."""

    def __init__(self, teachers: Sequence[Teacher], env: TrackingEnv):
        clips = clips_of(teachers)
        self._teacher = torch.tensor([max(k for k, one in enumerate(teachers) if clip in one.clips) for clip in clips])
        self._policies = [one.controller.policy.eval() for one in teachers]
        seen = [one.controller.env_config.observation for one in teachers]
        kinds = list(dict.fromkeys(seen))
        self._observations = [Observation(kind, env.character, env.device) for kind in kinds]
        self._kind = [kinds.index(kind) for kind in seen]
        self._env = env

    @torch.no_grad()
    def actions(self) -> Tensor:
        """Return the mean action (N, A) that each environment's teacher takes in the current state."""
        env = self._env
        seen = [env.observe_as(observation) for observation in self._observations]
        clip = env.conductor.heading_for() if isinstance(env, ConductedEnv) else env.tracker.current.clip
        teacher = self._teacher[clip]
        actions = torch.empty(env.num_envs, env.act_dim)
        for k, policy in enumerate(self._policies):
            rows = (teacher == k).nonzero().squeeze(1)
            if len(rows):
                actions[rows] = policy.mean(seen[self._kind[k]][rows])
        return actions


def clips_of(teachers: Sequence[Teacher]) -> tuple[str, ...]:
    """Return the clips that are taught, in order, each once."""
    return tuple(dict.fromkeys(clip for one in teachers for clip in one.clips))


def load_teachers(names: str, character: str | None = None) -> list[Teacher]:
    """Load the controllers ``a,b,c``, or for ``all`` those that ship for ``character``, one clip each, if the clip is installed.

    ``b=walk+run`` teaches these clips only, and instead of any teacher before it.

    Raises:
        InputError: there are none, two have one clip, two are whole libraries, or they differ in character, action or reward.
    """
    if names == "all":
        shipped = [load_controller(name) for name in shipped_controllers()]
        of_it = [one for one in shipped if one.spec.character == (character or "humanoid")]
        single = [one for one in of_it if len(names_in(one.clip)) == 1 and available_name(one.clip) == one.clip]
        if not single:
            raise InputError(f"--from all: no controller that ships is for character '{character or 'humanoid'}'")
        found = [Teacher(one, one.clips) for one in single]
    else:
        found = [load_teacher(name) for name in names.split(",")]
    _check(found, character)
    return found


def load_teacher(name: str) -> Teacher:
    """Load one teacher, ``CONTROLLER`` or ``CONTROLLER=a+b``. Raises InputError if there is none, or it has not the clips."""
    path, chosen, clips = name.partition("=")
    controller = load_controller(path)
    if not chosen:
        return Teacher(controller, controller.clips)
    for clip in names_in(clips):
        if clip not in controller.clips:
            raise InputError(
                f"--from {name}: {path} does not have the clip '{clip}'; {nearest(clip, controller.clips)}"
            )
    return Teacher(controller, tuple(names_in(clips)), chosen=True)


def _check(teachers: Sequence[Teacher], character: str | None) -> None:
    """Raise InputError unless the teachers can teach one student."""
    first = teachers[0].controller
    whole = [clip for one in teachers if not one.chosen for clip in one.clips]
    libraries = [one.controller for one in teachers if not one.chosen and len(one.clips) > 1]
    if len(libraries) > 1:
        raise InputError(
            f"--from: {libraries[0].path} and {libraries[1].path} have several clips each; a student grows from one library, "
            "so choose what the others teach, as in runs/gaits=walk+run"
        )
    for one in teachers:
        if not one.chosen and (twice := [clip for clip in one.clips if whole.count(clip) > 1]):
            raise InputError(f"--from: two teachers have the clip '{twice[0]}'; name one of them")
        _check_one(one.controller, first, character or first.spec.character)


def _check_one(one: Controller, first: Controller, character: str) -> None:
    """Raise InputError unless the teacher ``one`` can teach a student of ``character`` beside the teacher ``first``."""
    one.check_clips_are_here()
    if len(one.clips) > 1 and not one.has_library:
        raise InputError(f"{one.path}: was trained on '{one.clip}'; choose a teacher with one clip, or a library")
    if one.spec.character != character:
        raise InputError(f"{one.path}: is for character '{one.spec.character}', not '{character}'")
    if one.env_config.action != first.env_config.action or one.env_config.reward != first.env_config.reward:
        raise InputError(
            f"{one.path}: its settings env.action or env.reward differ from those of {first.path}; choose teachers with equal settings"
        )
    if one.env_config.repair != first.env_config.repair:
        raise InputError(
            f"{one.path}: its settings env.repair differ from those of {first.path}; choose teachers with equal settings"
        )


def grown_from(teachers: Sequence[Teacher]) -> Controller | None:
    """Return the teacher that is a whole library, as whose copy the student begins; None if there is none."""
    return next((one.controller for one in teachers if not one.chosen and len(one.clips) > 1), None)
