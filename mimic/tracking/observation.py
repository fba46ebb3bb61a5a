"""The observation: named fields, one after another in a vector.

A field is a function of :class:`ObservationInputs` that says how many numbers it gives and whether a running normaliser
may scale them. A new field is one function in one file, either in ``mimic/tracking/observation_fields/`` or in a plugin
(``mimic.core.registry``)::

    @field("first_joint_vel", size=lambda character, targets: 3)
    def first_joint_vel(inputs: ObservationInputs) -> Tensor:
        return inputs.sim.joint_vel[:, :3]

A bundle contains no Python, so ``export`` refuses a field that ``mimic/exporting/observation_schema.py`` does not list.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState
from mimic.core.errors import ConfigError, InputError
from mimic.core.registry import Registry
from mimic.core.rotations import Yaw, heading_angle
from mimic.tracking.config import ObservationConfig


@dataclass
class Target:
    """A future reference pose: root (N, 3), (N, 4) in the world, joints (N, A) as servo targets [rad]."""

    root_pos_w: Tensor
    root_quat_w: Tensor
    pd_target: Tensor


@dataclass
class ObservationInputs:
    """Everything that a field can read, of N environments.

    ``reference_frame`` is the world turned by the reference's yaw. ``frame`` is the one in which links are observed:
    ``reference_frame``, or the simulated root's heading if the configuration says so.
    """

    sim: CharacterState
    bodies: BodyState
    com_pos_w: Callable[[], Tensor]  # (N, B, 3) [m]; computed only for fields that call it
    phase: Tensor  # (N,) in [0, 1)
    targets: list[Target]  # one for each of the configuration's target_steps
    frame: Yaw
    reference_frame: Yaw


@dataclass(frozen=True)
class ObservationField:
    """One named part of the observation.

    Attributes:
        compute: values (N, ...) of the inputs.
        size: how many values an environment has, for a character and a number of targets.
        normalized: whether a running normaliser scales the values.
    """

    compute: Callable[[ObservationInputs], Tensor]
    size: Callable[[Character, int], int]
    normalized: bool = True


FIELDS: Registry[ObservationField] = Registry("observation field", room="mimic.tracking.observation_fields")

Compute = Callable[[ObservationInputs], Tensor]


def field(name: str, size: Callable[[Character, int], int], normalized: bool = True) -> Callable[[Compute], Compute]:
    """Decorator: register a function as the field ``name``; arguments as of :class:`ObservationField`."""

    def register(compute: Compute) -> Compute:
        FIELDS.register(name)(ObservationField(compute, size, normalized))
        return compute

    return register


class Observation:
    """The configured fields of one character, one after another.

    Attributes:
        layout: field name -> slice of the observation vector.
        dim: length of the vector.
        unnormalized: (dim,) bool, entries that a running normaliser leaves as they are (the phase).

    Raises:
        ConfigError: no field, an unknown one, or one twice.
    """

    def __init__(self, config: ObservationConfig, character: Character, device: torch.device | str = "cpu"):
        if not config.fields or len(set(config.fields)) < len(config.fields):
            raise ConfigError("observation: name at least one field, and each once")
        self.config = config
        self.fields = {name: _field(name) for name in config.fields}
        self.layout: dict[str, slice] = {}
        self.dim = 0
        for name, one in self.fields.items():
            start, self.dim = self.dim, self.dim + one.size(character, len(config.target_steps))
            self.layout[name] = slice(start, self.dim)
        self.unnormalized = torch.zeros(self.dim, dtype=torch.bool, device=device)
        for name, one in self.fields.items():
            self.unnormalized[self.layout[name]] = not one.normalized

    def frame(self, sim: CharacterState, reference_frame: Yaw) -> Yaw:
        """The yaw frame of the links."""
        return Yaw(heading_angle(sim.root_quat_w)) if self.config.frame == "heading" else reference_frame

    def observe(self, inputs: ObservationInputs) -> Tensor:
        """The observation, (N, dim) float32. Raises ConfigError if a field returns another number of values than it declares."""
        out = inputs.phase.new_empty(len(inputs.sim), self.dim, dtype=torch.float32)
        for name, columns in self.layout.items():
            values = self.fields[name].compute(inputs).flatten(1)
            if values.shape[1] != columns.stop - columns.start:
                said = columns.stop - columns.start
                raise ConfigError(f"observation: field '{name}' says {said} numbers and gives {values.shape[1]}")
            out[:, columns] = values
        return out


def _field(name: str) -> ObservationField:
    try:
        return FIELDS.get(name)
    except InputError as error:
        raise ConfigError(f"observation: {error}") from None
