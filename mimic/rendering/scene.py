"""The scene that a renderer draws: characters made of simple solids, with a pose for every frame.

A :class:`DrawnCharacter` is one character in one look (plain, tinted or translucent). A renderer receives the characters
once and then, for every frame, one pose of each. This module imports no renderer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import mujoco
import torch
from torch import Tensor

from mimic.core.errors import InputError, nearest
from mimic.core.rotations import quat_mul, quat_rotate

Shape = Literal["sphere", "capsule", "ellipsoid", "cylinder", "box"]
VIEWS = ("side", "ghost")

VISUAL_GROUP, COLLISION_GROUP = 1, 3
REFERENCE_TINT = (
    0.72,
    0.62,
    0.88,
)  # the reference's colours are blended towards this rgb: violet, because left limbs are blue
GHOST_TINT = (0.56, 0.36, 0.86)
GHOST_OPACITY = 0.45

_SHAPES: dict[int, Shape] = {
    int(mujoco.mjtGeom.mjGEOM_SPHERE): "sphere",
    int(mujoco.mjtGeom.mjGEOM_CAPSULE): "capsule",
    int(mujoco.mjtGeom.mjGEOM_ELLIPSOID): "ellipsoid",
    int(mujoco.mjtGeom.mjGEOM_CYLINDER): "cylinder",
    int(mujoco.mjtGeom.mjGEOM_BOX): "box",
}


@dataclass(frozen=True)
class Pose:
    """World pose of every body of a character, in the character's order: pos (B, 3) [m] and quat (B, 4) wxyz."""

    pos: Tensor
    quat: Tensor

    @staticmethod
    def of(bodies: Any, index: int = 0) -> Pose:
        """Copy row ``index`` of a ``characters.BodyState`` to the CPU as float64."""
        return Pose(
            bodies.pos_w[index].detach().to("cpu", torch.float64, copy=True),
            bodies.quat_w[index].detach().to("cpu", torch.float64, copy=True),
        )


@dataclass(frozen=True)
class Frame:
    """One frame to draw.

    Attributes:
        time: seconds since the start.
        sim: the simulated character, or the clip itself if nothing is simulated.
        reference: the clip at the same moment, or None to leave it out.
        clip: name in the caption.
        reward: reward of this step in [0, 1], or None to leave the bar out.
    """

    time: float
    sim: Pose
    reference: Pose | None = None
    clip: str = ""
    reward: float | None = None


def last_finite(pose: Pose, before: Pose | None) -> Pose:
    """Return ``pose`` if it is finite, else ``before``, the last finite pose. Raises InputError if that is None."""
    if bool(torch.isfinite(pose.pos).all()) and bool(torch.isfinite(pose.quat).all()):
        return pose
    if before is None:
        raise InputError("the first frame's pose is not finite, so there is nothing to draw")
    return before


@dataclass(frozen=True)
class VisualGeom:
    """A solid fixed to a body: size as in MuJoCo [m], pos (3,) [m] and quat (4,) wxyz in the body's frame."""

    shape: Shape
    size: tuple[float, float, float]
    rgba: tuple[float, float, float, float]
    body: int
    pos: tuple[float, float, float]
    quat: tuple[float, float, float, float]


def visual_geoms(model: mujoco.MjModel, body_names: Sequence[str]) -> tuple[VisualGeom, ...]:
    """Return a model's visual geoms or, if there are none, its collision geoms.

    ``VisualGeom.body`` is the body's index in ``body_names``; geoms of other bodies are left out.

    Raises:
        InputError: none of these bodies has a geom that can be drawn.
    """
    number = {model.body(name).id: index for index, name in enumerate(body_names)}
    for group in (VISUAL_GROUP, COLLISION_GROUP, 0):
        geoms = [
            _visual_geom(model, geom, number[model.geom_bodyid[geom]])
            for geom in range(model.ngeom)
            if model.geom_group[geom] == group
            and model.geom_bodyid[geom] in number
            and model.geom_type[geom] in _SHAPES
        ]
        if geoms:
            return tuple(geoms)
    raise InputError(f"the model has nothing to draw: its bodies need a geom of type {', '.join(_SHAPES.values())}")


def _visual_geom(model: mujoco.MjModel, geom: int, body: int) -> VisualGeom:
    rgba = model.geom_rgba[geom]
    material = model.geom_matid[geom]
    if material >= 0 and tuple(rgba.round(6)) == (0.5, 0.5, 0.5, 1.0):  # MuJoCo's own rule: default means unset
        rgba = model.mat_rgba[material]
    return VisualGeom(
        shape=_SHAPES[model.geom_type[geom]],
        size=tuple(model.geom_size[geom].tolist()),  # type: ignore[arg-type]
        rgba=tuple(rgba.tolist()),
        body=body,
        pos=tuple(model.geom_pos[geom].tolist()),  # type: ignore[arg-type]
        quat=tuple(model.geom_quat[geom].tolist()),  # type: ignore[arg-type]
    )


class DrawnCharacter:
    """One character in one look, as a renderer draws it.

    Args:
        geoms: the solids that make up the character.
        opacity: 1 is solid, below 1 translucent.
        offset: (3,) [m] added to every pose, to place two characters beside each other.
    """

    def __init__(
        self, geoms: Sequence[VisualGeom], opacity: float = 1.0, offset: Tensor | None = None, label: str = ""
    ) -> None:
        self.geoms = tuple(geoms)
        self.opacity = opacity
        self.label = label
        self.offset = torch.zeros(3, dtype=torch.float64) if offset is None else offset.to(torch.float64)
        self._body = torch.tensor([geom.body for geom in self.geoms])
        self._pos = torch.tensor([geom.pos for geom in self.geoms], dtype=torch.float64)
        self._quat = torch.tensor([geom.quat for geom in self.geoms], dtype=torch.float64)

    def place(self, pose: Pose) -> tuple[Tensor, Tensor]:
        """Return the world pose of every solid: positions (G, 3) [m] and quaternions (G, 4) wxyz, float64."""
        body_pos, body_quat = pose.pos.to(torch.float64)[self._body], pose.quat.to(torch.float64)[self._body]
        return body_pos + quat_rotate(body_quat, self._pos) + self.offset, quat_mul(body_quat, self._quat)


def tinted(geoms: Sequence[VisualGeom], rgb: tuple[float, float, float], share: float) -> tuple[VisualGeom, ...]:
    """Return the geoms with their colours moved by ``share`` (0..1) towards ``rgb``."""

    def blend(rgba: tuple[float, ...]) -> Any:
        return (*(float(c + share * (t - c)) for c, t in zip(rgba[:3], rgb, strict=True)), rgba[3])

    return tuple(replace(geom, rgba=blend(geom.rgba)) for geom in geoms)


def drawn_characters(
    geoms: Sequence[VisualGeom], view: str, with_reference: bool, reference_offset: Tensor
) -> tuple[DrawnCharacter, ...]:
    """Return the simulated character and then the reference, beside it (``side``) or as a ghost over it (``ghost``).

    Raises:
        InputError: an unknown view.
    """
    if view not in VIEWS:
        raise InputError(f"unknown view '{view}': {nearest(view, VIEWS)}")
    if not with_reference:
        return (DrawnCharacter(geoms),)
    if view == "ghost":
        ghost = DrawnCharacter(tinted(geoms, GHOST_TINT, 0.85), GHOST_OPACITY, label="reference")
        return (DrawnCharacter(geoms, label="simulation"), ghost)
    reference = DrawnCharacter(tinted(geoms, REFERENCE_TINT, 0.6), offset=reference_offset, label="reference")
    return (DrawnCharacter(geoms, label="simulation"), reference)
