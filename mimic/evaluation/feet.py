"""Feet: the height of each foot above the ground, and its sliding speed.

A foot is a body that may touch the ground in the task: an ankle, a hand in a cartwheel, a paw of a dog.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from characters import BodyState, Character, Geom
from characters.ground_contact import ContactRule
from mimic.core.rotations import cross, quat_mul, quat_rotate
from mimic.tracking.clip_rules import ClipRules, foot_bodies

STANDING = ContactRule(touch=0.01)  # of a foot's lowest point [m]
_PARTS = {"ankle": "foot", "wrist": "hand", "finger": "fingers", "toe": "toes"}
_PAWS = {"finger": "fore paw", "toe": "hind paw"}


@dataclass(frozen=True)
class Contact:
    """State of the lowest point of each foot.

    Attributes:
        height: (N, F) above the ground [m].
        slide: (N, F) horizontal speed of the material point [m/s]: zero for a foot that stands or rolls.
    """

    height: Tensor
    slide: Tensor


class Feet:
    """The feet of a character in a task.

    Attributes:
        names: names of the bodies.
        labels: readable names, such as "left hind paw".
    """

    def __init__(self, character: Character, task: ClipRules, device: torch.device | str = "cpu"):
        self.names = foot_bodies(character, task)
        self.labels = tuple(label(name, character) for name in self.names)
        self._ids = torch.tensor([character.body_index(name) for name in self.names], device=device)
        geoms = [character.bodies[character.body_index(name)].geom for name in self.names]
        self._pos = torch.tensor([g.pos for g in geoms], device=device)
        self._quat = torch.tensor([g.quat for g in geoms], device=device)
        self._radius = torch.tensor([g.size[0] if g.shape != "box" else 0.0 for g in geoms], device=device)
        self._extent = torch.tensor([_half_extents(g) for g in geoms], device=device)

    def contact(self, bodies: BodyState) -> Contact:
        """Compute the height and sliding speed of every foot."""
        pos, quat = bodies.pos_w[:, self._ids], bodies.quat_w[:, self._ids]
        geom_quat = quat_mul(quat, self._quat.expand_as(quat))
        axes = [quat_rotate(geom_quat, axis.expand_as(pos)) for axis in torch.eye(3, device=pos.device)]
        arm = quat_rotate(quat, self._pos.expand_as(pos))
        for k, axis in enumerate(axes):
            arm = arm - axis[..., 2:].sign() * self._extent[:, k, None] * axis
        arm = arm - self._radius[:, None] * arm.new_tensor([0.0, 0.0, 1.0])
        velocity = bodies.linvel_w[:, self._ids] + cross(bodies.angvel_w[:, self._ids], arm)
        return Contact(pos[..., 2] + arm[..., 2], velocity[..., :2].norm(dim=-1))


def _half_extents(geom: Geom) -> tuple[float, ...]:
    """Return half the size of a geom along its own axes [m], without the radius of a sphere or capsule."""
    if geom.shape == "box":
        return geom.size
    return (0.0, 0.0, geom.size[1] if geom.shape == "capsule" else 0.0)


def label(body: str, character: Character) -> str:
    """Return a readable name of a body: ``left_toe`` is "left hind paw" for a dog, "left toes" for a person."""
    side, _, part = body.partition("_")
    parts = _PARTS | _PAWS if _walks_on_paws(character) else _PARTS
    return f"{side} {parts[part]}" if part in parts else body.replace("_", " ")


def _walks_on_paws(character: Character) -> bool:
    """Whether the character may touch the ground with its fingers in every task."""
    return any(name.partition("_")[2] == "finger" for name in character.config.allowed_contacts)
