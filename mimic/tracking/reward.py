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
    """Weights of the root and of each joint in the pose and velocity errors; all together sum to 1.

    Attributes:
        root: weight of the root.
        joint: (J,), weight of each joint.
        dof: (A,), each joint's weight repeated for its degrees of freedom.
        body_count_factor: number of bodies divided by the 15 of DeepMimic's humanoid.
    """

    root: float
    joint: Tensor
    dof: Tensor
    body_count_factor: float

    @classmethod
    def of(cls, character: Character, device: torch.device | str = "cpu") -> JointWeights:
        """Read the weights of a character from its YAML, and normalise them."""
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
    """The quantities that a term can read: simulated and reference state of N environments after a control step.

    Some are functions, so that a quantity is computed only if a term needs it. In shapes, A is the number of actuated
    degrees of freedom, E of end effectors and F of feet. "_h" marks positions in the root's heading frame.
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
    """One term of the reward; a subclass adds its parameters as fields.

    Attributes:
        weight: factor of the term's value in the reward.
        label: name of the term in tables and texts; "" means the name in the registry.
        bounded: whether the value is in [0, 1]. The bounded terms define the largest possible reward.
    """

    weight: float
    label: ClassVar[str] = ""
    bounded: ClassVar[bool] = False

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return the term's value (N,) for each environment, without the weight."""
        raise NotImplementedError(f"reward term {type(self).__name__} must define value()")


@dataclass(frozen=True, kw_only=True)
class TrackingTerm(RewardTerm):
    """A term exp(-scale * error), whose error is 0 where the simulation equals the reference."""

    scale: float
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.weight < 0.0 or self.scale <= 0.0:
            raise ValueError(
                "a weight must not be negative, a scale must be above 0; "
                f"found weight {self.weight} and scale {self.scale}"
            )

    def value(self, inputs: RewardInputs) -> Tensor:
        """Return exp(-scale * error), (N,) in [0, 1]."""
        return torch.exp(-self.scale * self.error(inputs))

    def error(self, inputs: RewardInputs) -> Tensor:
        """Return the error (N,) of each environment, 0 or above."""
        raise NotImplementedError(f"reward term {type(self).__name__} must define error()")


@dataclass(frozen=True)
class RewardConfig:
    """The terms of a reward by name.

    In YAML the name is also the kind of the term, unless ``kind`` names another:
    ``terms: {pose: {weight: 0.5, scale: 2.0}, effort: {kind: energy, weight: -0.001}}``.
    """

    terms: dict[str, RewardTerm]

    @classmethod
    def from_config(cls, value: Any, where: str) -> RewardConfig:
        """Read the terms from a preset. Raises ConfigError for an unknown kind or parameter of a term."""
        table = build(_Table, value, where).terms
        return cls({name: _read_term(name, entry, f"{where}.terms.{name}") for name, entry in table.items()})

    def to_config(self) -> dict[str, Any]:
        """Convert the terms to plain dictionaries, which :meth:`from_config` reads back."""
        return {"terms": {name: _kind_entry(name, term) | to_dict(term) for name, term in self.terms.items()}}


@dataclass(frozen=True)
class _Table:
    terms: dict[str, Any]


def _read_term(name: str, entry: Any, where: str) -> RewardTerm:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: expected 'key: value' lines such as 'weight: 0.5', found {entry!r}")
    kind = entry.get("kind", name)
    try:
        cls = TERMS.get(str(kind))
    except InputError as error:
        raise ConfigError(f"{where}: {error}") from None
    return build(cls, {key: value for key, value in entry.items() if key != "kind"}, where)


def _kind_entry(name: str, term: RewardTerm) -> dict[str, str]:
    """Return {"kind": ...} if the term's kind differs from its name, else {}."""
    if name in TERMS and TERMS.get(name) is type(term):
        return {}
    return {"kind": next(kind for kind in TERMS if TERMS.get(kind) is type(term))}


def term_label(name: str) -> str:
    """Return the label of the term ``name`` in tables and texts; the name itself if no such kind of term exists."""
    return (TERMS.get(name).label or name) if name in TERMS else name


class Reward:
    """The weighted sum of the configured terms.

    Attributes:
        maximum: largest possible sum of the bounded terms, which is the sum of their positive weights. Normalised
            returns are divided by this number. It is 1 if every term is bounded.

    Raises:
        ConfigError: every term is bounded and the weights do not sum to 1, or no bounded term has a positive weight.
    """

    def __init__(self, config: RewardConfig) -> None:
        terms = config.terms.values()
        weights = sum(term.weight for term in terms if term.bounded and term.weight > 0.0)
        if all(term.bounded and term.weight >= 0.0 for term in terms):
            if abs(weights - 1.0) > 1e-6:
                raise ConfigError(f"reward: the weights of the terms must sum to 1; they sum to {weights:g}")
            weights = 1.0
        elif weights <= 0.0:
            raise ConfigError(
                "reward: no term in [0, 1] has a positive weight, so there is no largest possible reward; "
                "add a tracking term such as pose, with a weight above 0"
            )
        self.config, self.maximum = config, weights

    def terms(self, inputs: RewardInputs) -> dict[str, Tensor]:
        """Return the value (N,) of each term without its weight, by name."""
        return {name: term.value(inputs) for name, term in self.config.terms.items()}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the reward (N,), given the values of ``terms``.

        Without unbounded terms of positive weight, the reward is at most ``maximum``.
        """
        weighted = [term.weight * terms[name] for name, term in self.config.terms.items()]
        return torch.stack(weighted).sum(0)
