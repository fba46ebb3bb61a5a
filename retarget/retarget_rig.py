"""A character as retargeting sees it: key bodies at rest, bending axes, and the spheres that touch the ground."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from characters.character import Character, Geom
from characters.roles import LIMBS, NEEDED
from mimic.core.errors import InputError
from mimic.core.rotations import quat_rotate

_BENT = 0.2  # sine of the angle from which a limb is bent at rest
_HIGH_ANKLE = 0.15  # of the height of the hips


@dataclass(frozen=True, eq=False)
class CollisionSpheres:
    """P spheres fixed to bodies, which stand for their collision geoms; a box is eight spheres of radius 0.

    Attributes:
        body: (P,) indices of the bodies.
        at: (P, 3) centres in the bodies' frames [m].
        radius: (P,) [m].
    """

    body: Tensor
    at: Tensor
    radius: Tensor

    def pick(self, point: int) -> CollisionSpheres:
        """Return one sphere alone."""
        return CollisionSpheres(
            self.body[point : point + 1], self.at[point : point + 1], self.radius[point : point + 1]
        )

    def of_body(self, body: int) -> CollisionSpheres:
        """Return the spheres of one body."""
        chosen = self.body == body
        return CollisionSpheres(self.body[chosen], self.at[chosen], self.radius[chosen])


class RetargetRig:
    """A character with key bodies, at its zero pose. Raises InputError if a needed role is missing."""

    def __init__(self, character: Character):
        self.character = character
        keys = character.config.key_bodies
        missing = [role for role in NEEDED if role not in keys]
        if missing:
            raise InputError(
                f"{character.name}: key_bodies lacks {', '.join(missing)}; add them to the character's YAML"
            )
        self.roles = tuple(keys)
        self.body = torch.tensor([character.body_index(key.body) for key in keys.values()])
        self.at = torch.tensor([key.at for key in keys.values()], dtype=torch.float64)
        self._rest = _rest_positions(character)

    def __contains__(self, role: str) -> bool:
        return role in self.roles

    def body_of(self, role: str) -> int:
        """Return the index of the body that plays a role."""
        return int(self.body[self.roles.index(role)])

    def rest(self, role: str) -> Tensor:
        """Return the position (3,) [m] of a role at the zero pose, with the root at the origin."""
        k = self.roles.index(role)
        return self._rest[int(self.body[k])] + self.at[k]

    def middle(self, part: str) -> Tensor:
        """Return the midpoint (3,) [m] at the zero pose between the left and the right joint of a part such as "hip"."""
        return (self.rest(f"left_{part}") + self.rest(f"right_{part}")) / 2

    def limb(self, base: str) -> tuple[str, ...]:
        """Return the roles of the limb that starts at ``base``, from the trunk to the foot or hand, or to a paw's tip."""
        limb = next(limb for limb in LIMBS if limb[0] == base)
        return tuple(role for role in limb[: 4 if self.digitigrade else 3] if role in self)

    @cached_property
    def digitigrade(self) -> bool:
        """Whether the character walks on its toes, like a dog: its ankles are high above the ground."""
        ankle = float(self.rest("left_ankle")[2] - self._lowest())
        return ankle > _HIGH_ANKLE * float(self.middle("hip")[2] - self._lowest())

    def length(self, a: str, b: str) -> float:
        """Distance between two roles at the zero pose [m]."""
        return float((self.rest(b) - self.rest(a)).norm())

    def bend_axis(self, role: str) -> Tensor | None:
        """Return the world axis (3,) about which the hinge at ``role`` bends, at zero pose; None if it is no hinge."""
        joint_index = self.character.bodies[self.body_of(role)].joint
        joint = None if joint_index is None else self.character.joints[joint_index]
        if joint is None or joint.kind != "hinge":
            return None
        axis = torch.tensor(joint.axis, dtype=torch.float64)
        limb = next((limb for limb in LIMBS if role in limb), (role,))
        around = limb.index(role)
        if 0 < around < len(limb) - 1 and limb[around - 1] in self and limb[around + 1] in self:
            above, below = (self.rest(limb[around + step]) - self.rest(role) for step in (-1, 1))
            bent = torch.linalg.cross(-above, below) / (above.norm() * below.norm())
            if bent.norm() > _BENT:
                return axis * torch.sign(axis @ bent)
        low, high = joint.range or (0.0, 1.0)
        return axis * (1.0 if low + high >= 0 else -1.0)

    def _lowest(self) -> float:
        points = self.surface
        return float((self._rest[points.body, 2] + points.at[:, 2] - points.radius).min())

    def sole_height(self, role: str) -> float:
        """Return the height [m] of the underside of a role's body at zero pose, with the root at the origin."""
        body = self.body_of(role)
        points = self.surface.of_body(body)
        return float((self._rest[body, 2] + points.at[:, 2] - points.radius).min())

    def clearance(self, role: str) -> float:
        """Return the height [m] of a role's joint above the underside of its body, at zero pose."""
        return float(self._rest[self.body_of(role), 2]) - self.sole_height(role)

    @cached_property
    def surface(self) -> CollisionSpheres:
        """The spheres of all bodies."""
        rows = [(b, *point) for b, body in enumerate(self.character.bodies) for point in _geom_points(body.geom)]
        return CollisionSpheres(
            torch.tensor([row[0] for row in rows]),
            torch.stack([row[1] for row in rows]),
            torch.tensor([row[2] for row in rows], dtype=torch.float64),
        )

    def sole(self, role: str) -> CollisionSpheres:
        """Return the spheres that a role's body stands on: the rear and front edge of a box, or the lowest spheres."""
        body = self.body_of(role)
        points = self.surface.of_body(body)
        height = points.at[:, 2] - points.radius
        low = height <= height.min() + 0.01
        at, radius = points.at[low], points.radius[low]
        if len(at) == 4 and not radius.any():
            front = at[:, 0] > at[:, 0].mean()
            at = torch.stack((at[~front].mean(0), at[front].mean(0)))
            radius = radius[:2]
        return CollisionSpheres(torch.full((len(at),), body), at, radius)


def has_needed_roles(character: Character) -> bool:
    """Whether the character has the key bodies that retargeting needs."""
    return all(role in character.config.key_bodies for role in NEEDED)


def _rest_positions(character: Character) -> Tensor:
    places: list[Tensor] = []
    for body in character.bodies:
        offset = torch.tensor(body.offset, dtype=torch.float64)
        places.append(offset if body.parent < 0 else places[body.parent] + offset)
    return torch.stack(places)


def _geom_points(geom: Geom) -> list[tuple[Tensor, float]]:
    """Return centres (3,) [m] in the body's frame and radii [m] of the spheres that span a geom."""
    centre = torch.tensor(geom.pos, dtype=torch.float64)
    quat = torch.tensor(geom.quat, dtype=torch.float64)
    if geom.shape == "sphere":
        return [(centre, geom.size[0])]
    if geom.shape == "capsule":
        extent, radius = (0.0, 0.0, geom.size[1]), geom.size[0]
    else:
        extent, radius = (geom.size[0], geom.size[1], geom.size[2]), 0.0
    corners = {tuple(s * e for s, e in zip(signs, extent, strict=True)) for signs in product((-1, 1), repeat=3)}
    ends = sorted(tuple(x + 0.0 for x in corner) for corner in corners)  # -0.0 is 0.0
    return [(centre + quat_rotate(quat, torch.tensor(end, dtype=torch.float64)), radius) for end in sorted(set(ends))]
