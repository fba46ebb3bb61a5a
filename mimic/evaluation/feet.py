"""The feet: how high each one is above the ground, and how fast it slides over it.

A foot is a body that may touch the ground in a task: the hands too in a cartwheel, the paws of a dog.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from characters import BodyState, Character, Geom
from mimic.core.rotations import cross, quat_mul, quat_rotate
from mimic.tracking.clip_rules import TaskConfig, foot_bodies

STANDING_M = 0.01  # a foot whose lowest point is below this stands on the ground
_PARTS = {"ankle": "foot", "wrist": "hand", "finger": "fore paw", "toe": "hind paw"}


@dataclass(frozen=True)
class Contact:
    """The lowest point of each foot.

    Attributes:
        height: (N, F) [m] above the ground.
        slide: (N, F) [m/s], horizontal speed of the matter at that point: zero for a foot that stands or rolls.
    """

    height: Tensor
    slide: Tensor


class Feet:
    """The feet of a character in a task.

    Attributes:
        names: bodies.
        labels: the same in words ("left hind paw").
    """

    def __init__(self, character: Character, task: TaskConfig, device: torch.device | str = "cpu"):
        self.names = foot_bodies(character, task)
        self.labels = tuple(label(name) for name in self.names)
        self._ids = torch.tensor([character.body_index(name) for name in self.names], device=device)
        geoms = [character.bodies[character.body_index(name)].geom for name in self.names]
        self._pos = torch.tensor([g.pos for g in geoms], device=device)
        self._quat = torch.tensor([g.quat for g in geoms], device=device)
        self._radius = torch.tensor([g.size[0] if g.shape != "box" else 0.0 for g in geoms], device=device)
        self._extent = torch.tensor([_half_extents(g) for g in geoms], device=device)

    def contact(self, bodies: BodyState) -> Contact:
        """Heights and sliding speeds now."""
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
    """How far a geom reaches along its own axes beyond its radius [m]."""
    if geom.shape == "box":
        return geom.size
    return (0.0, 0.0, geom.size[1] if geom.shape == "capsule" else 0.0)


def label(body: str) -> str:
    """The name of a body as an animator would say it: ``left_toe`` is the left hind paw."""
    side, _, part = body.partition("_")
    return f"{side} {_PARTS[part]}" if part in _PARTS else body.replace("_", " ")
