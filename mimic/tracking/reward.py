"""The reward: a table of named terms, summed by their weights.

A term is a frozen dataclass that derives from :class:`RewardTerm` and is registered by name. Its fields are its
parameters, and the table of a preset fills them in. Two kinds of terms exist:

* a :class:`TrackingTerm` is exp(-scale * error), in [0, 1], and 1 if the simulation is the reference. DeepMimic's five
  terms are of this kind (Peng et al. 2018, and its code);
* any other term has a value of its own unit and a weight of either sign, such as ``{kind: energy, weight: -0.001}``.

A new term is one file with one class, either in ``mimic/tracking/reward_terms/`` or in a plugin
(``mimic.core.registry``)::

    @TERMS.register("upright")
    @dataclass(frozen=True, kw_only=True)
    class Upright(TrackingTerm):
        def error(self, inputs: RewardInputs) -> Tensor:
            return 1.0 - inputs.sim.root_quat_w[:, 0].square()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.errors import ConfigError, InputError
from mimic.core.registry import Registry
from mimic.core.rotations import quat_angle
from mimic.core.strict_config import build, to_dict

TERMS: Registry[type[RewardTerm]] = Registry("reward term", room="mimic.tracking.reward_terms")

_DEEPMIMIC_BODIES = 15  # DeepMimic's scales are for a humanoid of 15 bodies, root and fixed ones included


@dataclass(frozen=True)
class JointWeights:
    """How much each joint counts in the pose and velocity errors; root and joints sum to 1.

    Attributes:
        root: weight of the root.
        joint: (J,).
        dof: (A,), each joint's weight repeated for its degrees of freedom.
        body_count_factor: number of bodies / 15.
    """

    root: float
    joint: Tensor
    dof: Tensor
    body_count_factor: float

    @classmethod
    def of(cls, character: Character, device: torch.device | str = "cpu") -> JointWeights:
        """The weights in the character's YAML."""
        joints = character.joints
        total = character.config.root_weight + sum(joint.weight for joint in joints)
        dof = torch.cat([torch.full((j.dof.stop - j.dof.start,), j.weight / total) for j in joints])
        return cls(
            root=character.config.root_weight / total,
            joint=torch.tensor([joint.weight / total for joint in joints], device=device),
            dof=dof.to(device),
            body_count_factor=len(character.bodies) / _DEEPMIMIC_BODIES,
        )


@dataclass
class RewardInputs:
    """Everything that a term can read: simulated and reference state of N environments after a control step.

    The callables are computed only for terms that call them.
    """

    sim: CharacterState
    reference: CharacterState
    sim_end_effector_h: Tensor  # (N, E, 3) [m]
    reference_end_effector_h: Tensor
    sim_com_vel_w: Tensor  # (N, 3) [m/s]
    reference_com_vel_w: Tensor
    foot_height: Callable[
        [], tuple[Tensor, Tensor]
    ]  # lowest points of the feet, simulated and reference, (N, F) [m] each
    action: Tensor  # (N, A) [policy units], of this control step
    previous_action: Callable[[], Tensor]  # (N, A); in an episode's first step equal to ``action``
    joint_torque: Callable[[], Tensor]  # (N, A) [N·m], the servo's at the end of the control step
    weights: JointWeights

    @cached_property
    def root_angle(self) -> Tensor:
        """Angle between the roots' orientations, (N,) [rad]."""
        return quat_angle(self.sim.root_quat_w, self.reference.root_quat_w)


@dataclass(frozen=True, kw_only=True)
class RewardTerm:
    """One line of a reward's table; a subclass adds its parameters as fields.

    Attributes:
        weight: factor of the value in the reward.
        label: how tables and texts call the term; the name in the registry if it is "".
        bounded: whether the value lies in [0, 1]. Such terms define the largest possible reward.
    """

    weight: float
    label: ClassVar[str] = ""
    bounded: ClassVar[bool] = False

    def value(self, inputs: RewardInputs) -> Tensor:
        """The term of each environment, without its weight, (N,)."""
        raise NotImplementedError(f"{type(self).__name__} has no value()")


@dataclass(frozen=True, kw_only=True)
class TrackingTerm(RewardTerm):
    """exp(-scale * error), for an error that is 0 if the simulation is the reference."""

    scale: float
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.weight < 0.0 or self.scale <= 0.0:
            raise ValueError("a weight must not be negative, a scale must be above 0")

    def value(self, inputs: RewardInputs) -> Tensor:
        """exp(-scale * error), (N,) in [0, 1]."""
        return torch.exp(-self.scale * self.error(inputs))

    def error(self, inputs: RewardInputs) -> Tensor:
        """The error of each environment, (N,), 0 or above."""
        raise NotImplementedError(f"{type(self).__name__} has no error()")


@dataclass(frozen=True)
class RewardConfig:
    """The table of a reward, name -> term.

    In YAML the name is also the kind of the term, unless ``kind`` says otherwise:
    ``terms: {pose: {weight: 0.5, scale: 2.0}, effort: {kind: energy, weight: -0.001}}``.
    """

    terms: dict[str, RewardTerm]

    @classmethod
    def from_config(cls, value: Any, where: str) -> RewardConfig:
        """Read the table. Raises ConfigError for an unknown kind and for a parameter that the kind does not have."""
        table = build(_Table, value, where).terms
        return cls({name: _read_term(name, entry, f"{where}.terms.{name}") for name, entry in table.items()})

    def to_config(self) -> dict[str, Any]:
        """The table as plain dictionaries, which :meth:`from_config` reads back."""
        return {"terms": {name: _kind_entry(name, term) | to_dict(term) for name, term in self.terms.items()}}


@dataclass(frozen=True)
class _Table:
    terms: dict[str, Any]


def _read_term(name: str, entry: Any, where: str) -> RewardTerm:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: expected 'key: value' lines (weight, ...), found {entry!r}")
    kind = entry.get("kind", name)
    try:
        cls = TERMS.get(str(kind))
    except InputError as error:
        raise ConfigError(f"{where}: {error}") from None
    return build(cls, {key: value for key, value in entry.items() if key != "kind"}, where)


def _kind_entry(name: str, term: RewardTerm) -> dict[str, str]:
    """{"kind": ...} if the kind differs from the name in the table."""
    if name in TERMS and TERMS.get(name) is type(term):
        return {}
    return {"kind": next(kind for kind in TERMS if TERMS.get(kind) is type(term))}


def term_label(name: str) -> str:
    """How tables and texts call the term of that name; the name itself if it is no kind of term."""
    return (TERMS.get(name).label or name) if name in TERMS else name


class Reward:
    """Weighted sum of the configured terms.

    Attributes:
        maximum: the largest possible sum of the bounded terms: the sum of their positive weights. A normalised return
            is measured against it. It is 1 for a table without signed terms.

    Raises:
        ConfigError: every term is bounded and the weights do not sum to 1, or no bounded term has a positive weight.
    """

    def __init__(self, config: RewardConfig) -> None:
        terms = config.terms.values()
        weights = sum(term.weight for term in terms if term.bounded and term.weight > 0.0)
        if all(term.bounded and term.weight >= 0.0 for term in terms):
            if abs(weights - 1.0) > 1e-6:
                raise ConfigError(f"reward: the weights of the terms sum to {weights:g}, they must sum to 1")
            weights = 1.0
        elif weights <= 0.0:
            raise ConfigError("reward: no term in [0, 1] has a positive weight, so there is no largest possible reward")
        self.config, self.maximum = config, weights

    def terms(self, inputs: RewardInputs) -> dict[str, Tensor]:
        """Each term's value without its weight, name -> (N,)."""
        return {name: term.value(inputs) for name, term in self.config.terms.items()}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The reward, (N,): at most ``maximum`` plus the positively weighted terms that have no bound."""
        weighted = [term.weight * terms[name] for name, term in self.config.terms.items()]
        return torch.stack(weighted).sum(0)
