"""The observation: a vector of named fields, one after another.

A field is a function of :class:`ObservationInputs`. It is registered with its size, and with whether a running normaliser
scales its values. A new field is one function in one file, either in ``mimic/tracking/observation_fields/`` or in a
plugin (``mimic.core.registry``)::

    @field("first_joint_vel", size=lambda character, targets: 3)
    def first_joint_vel(inputs: ObservationInputs) -> Tensor:
        return inputs.sim.joint_vel[:, :3]

``size`` returns the number of the field's values, given the character and the number of future reference poses.

An exported bundle contains no Python, so ``export`` refuses a field that ``mimic/exporting/observation_schema.py`` does not list.
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
    """A future reference pose of N environments.

    Attributes:
        root_pos_w: (N, 3) [m].
        root_quat_w: (N, 4) wxyz.
        pd_target: (N, A) [rad], the joint pose as servo targets.
    """

    root_pos_w: Tensor
    root_quat_w: Tensor
    pd_target: Tensor


@dataclass
class ObservationInputs:
    """The quantities of N environments that a field can read.

    ``reference_frame`` is the world turned by the reference's yaw. ``frame`` is the frame of the links: usually
    ``reference_frame``, but with the configured frame "heading" the simulated root's heading.
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
        compute: function that returns the field's values (N, ...).
        size: function that returns the number of values for each environment, given the character and the number of
            targets.
        normalized: whether a running normaliser scales the values.
    """

    compute: Callable[[ObservationInputs], Tensor]
    size: Callable[[Character, int], int]
    normalized: bool = True


FIELDS: Registry[ObservationField] = Registry("observation field", room="mimic.tracking.observation_fields")

Compute = Callable[[ObservationInputs], Tensor]


def field(name: str, size: Callable[[Character, int], int], normalized: bool = True) -> Callable[[Compute], Compute]:
    """Return a decorator that registers a function as the field ``name``.

    ``size`` and ``normalized`` are as in :class:`ObservationField`.
    """

    def register(compute: Compute) -> Compute:
        FIELDS.register(name)(ObservationField(compute, size, normalized))
        return compute

    return register


class Observation:
    """Computes the configured fields of one character and joins them to a vector.

    Attributes:
        layout: field name -> slice of the observation vector.
        dim: length of the vector.
        unnormalized: (dim,) bool, entries that a running normaliser leaves unchanged, such as the phase.

    Raises:
        ConfigError: the configuration names no field, an unknown field, or a field twice.
    """

    def __init__(self, config: ObservationConfig, character: Character, device: torch.device | str = "cpu"):
        if not config.fields or len(set(config.fields)) < len(config.fields):
            raise ConfigError(
                f"observation: 'fields' must name at least one field, and no field twice; found {[*config.fields]}"
            )
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
        """Return the frame in which links are observed.

        This is ``reference_frame``, or with the configured frame "heading" the heading of the simulated root.
        """
        return Yaw(heading_angle(sim.root_quat_w)) if self.config.frame == "heading" else reference_frame

    def observe(self, inputs: ObservationInputs) -> Tensor:
        """Return the observation (N, dim) float32.

        Raises ConfigError if a field returns another number of values than its declared size.
        """
        out = inputs.phase.new_empty(len(inputs.sim), self.dim, dtype=torch.float32)
        for name, columns in self.layout.items():
            values = self.fields[name].compute(inputs).flatten(1)
            if values.shape[1] != columns.stop - columns.start:
                size = columns.stop - columns.start
                raise ConfigError(
                    f"observation: field '{name}' returns {values.shape[1]} values for each environment, but its size is {size}; "
                    "make both equal"
                )
            out[:, columns] = values
        return out


def _field(name: str) -> ObservationField:
    try:
        return FIELDS.get(name)
    except InputError as error:
        raise ConfigError(f"observation: {error}") from None
