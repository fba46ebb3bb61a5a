"""Draws without OpenGL or a display: pybullet's TinyRenderer draws the characters over a painted background.

TinyRenderer is a software rasteriser. It draws one character at a time, from the smooth meshes of ``meshes.py``, at twice
the resolution of the picture. :class:`Background` paints ground and sky. A character's shadow is TinyRenderer's view of
the character along the light, projected onto the ground. Depths decide which character hides the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from mimic.rendering.background import Background, Look
from mimic.rendering.camera import Camera
from mimic.rendering.meshes import mesh_of
from mimic.rendering.scene import DrawnCharacter, Pose
from mimic.sim.import_pybullet import load_pybullet

_OVERSAMPLING = 2
_NEAR, _FAR = 0.5, 80.0  # [m]
_SHADOW_PIXELS = 192
_SHADOW_EYE = 200.0  # [m]
_SHADOWS = ((0.012, 0.36), (0.10, 0.16))  # blur [m] and the share of the light each takes away
_LIGHTING = {"lightAmbientCoeff": 0.66, "lightDiffuseCoeff": 0.46, "lightSpecularCoeff": 0.12}


@dataclass(frozen=True)
class Sprite:
    """A character's part of the picture, the pixels [top:bottom, left:right], at twice the picture's resolution.

    For h x w pixels: rgb (2h, 2w, 3) uint8; depth (2h, 2w) float32, larger is farther; mask (2h, 2w) bool, True on the
    character.
    """

    left: int
    top: int
    right: int
    bottom: int
    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray


class TinyRenderer:
    """Draws characters with TinyRenderer, one :class:`Pose` each per frame. Call :meth:`close` at the end.

    Args:
        model: the model of ground, sky and light.
        figures: the characters to draw.
        size: (width, height) [px].

    Raises:
        InputError: pybullet is not installed (it has no wheel for this Python).
    """

    name = "tiny"

    def __init__(self, model: mujoco.MjModel, figures: Sequence[DrawnCharacter], size: tuple[int, int]) -> None:
        self.size = size
        self._look = Look.of(model)
        self._actors = [_Actor(figure, self._look) for figure in figures]
        self._background: Background | None = None

    def draw(self, poses: Sequence[Pose], camera: Camera) -> np.ndarray:
        """Draw one frame; return the picture (height, width, 3) uint8."""
        if self._background is None or not self._background.fits(camera):
            self._background = Background(self._look, self.size, camera)
        image = self._background.paint(camera)
        for actor, pose in zip(self._actors, poses, strict=True):
            actor.pose(pose)
            _lay_shadow(image, actor, self._background, camera)
        nearest = np.full((self.size[1] * _OVERSAMPLING, self.size[0] * _OVERSAMPLING), np.inf, np.float32)
        # translucent figures last, solid ones from far to near
        for actor in sorted(self._actors, key=lambda actor: (actor.figure.opacity < 1, -actor.distance(camera))):
            sprite = actor.sprite(camera, self.size)
            if sprite is not None:
                _blend(image, nearest, sprite, actor.figure.opacity)
        return np.clip(image, 0, 255).astype(np.uint8)

    def close(self) -> None:
        """Free pybullet's memory."""
        for actor in self._actors:
            actor.close()
        self._actors = []


class _Actor:
    """One character in a pybullet world of its own."""

    def __init__(self, figure: DrawnCharacter, look: Look) -> None:
        self.figure, self._look = figure, look
        self._bullet: Any = load_pybullet()
        self._world = self._bullet.connect(self._bullet.DIRECT)
        self._solids, radii = [], []
        for geom in figure.geoms:
            mesh = mesh_of(geom)
            shape = self._bullet.createVisualShape(
                self._bullet.GEOM_MESH,
                vertices=mesh.vertices.tolist(),
                indices=mesh.triangles.ravel().tolist(),
                normals=mesh.normals.tolist(),
                rgbaColor=[*geom.rgba[:3], 1.0],
                specularColor=[0.3, 0.3, 0.3],
                physicsClientId=self._world,
            )
            self._solids.append(self._bullet.createMultiBody(0, -1, shape, physicsClientId=self._world))
            radii.append(mesh.radius())
        self._radii = np.array(radii)
        self._centres = np.zeros((len(radii), 3))

    def pose(self, pose: Pose) -> None:
        """Move every solid to its position in this frame."""
        pos, quat = self.figure.place(pose)
        self._centres = pos.numpy()
        xyzw = quat.roll(-1, -1)
        for solid, at, turn in zip(self._solids, pos.tolist(), xyzw.tolist(), strict=True):
            self._bullet.resetBasePositionAndOrientation(solid, at, turn, physicsClientId=self._world)

    def distance(self, camera: Camera) -> float:
        """Return the mean depth [m] of the character's solids."""
        return float(((self._centres - camera.eye().numpy()) @ camera.axes()[0].numpy()).mean())

    def sprite(self, camera: Camera, size: tuple[int, int]) -> Sprite | None:
        """Draw the character as the camera sees it; return None if it is outside the picture."""
        pixels, depth = camera.project(torch.from_numpy(self._centres), *size)
        if float(depth.min()) < _NEAR:
            return None
        reach = self._radii * (0.5 * size[1] / math.tan(0.5 * camera.fov_y)) / depth.numpy() * 1.15 + 2
        low, high = pixels.numpy() - reach[:, None], pixels.numpy() + reach[:, None]
        left, top = np.clip(low.min(0), 0, size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(high.max(0)), 0, size).astype(int).tolist()
        if right - left < 2 or bottom - top < 2:
            return None
        edges = (left / size[0], right / size[0], top / size[1], bottom / size[1])
        projection = _frustum(camera.fov_y, size[0] / size[1], edges)
        rgb, depth_image, mask = self._render(
            (right - left) * _OVERSAMPLING, (bottom - top) * _OVERSAMPLING, _view(camera), projection
        )
        return Sprite(left, top, right, bottom, rgb, depth_image, mask)

    def shadow(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the shadow on the ground: a mask (P, P) float32, its lower corner (2,) [m] and its extent (2,) [m].

        The mask's rows are along y, its columns along x.
        """
        to_light = np.array(self._look.to_light)
        slant = to_light[:2] / to_light[2]
        fallen = self._centres[:, :2] - self._centres[:, 2:] * slant
        reach = self._radii[:, None] * (1 + np.abs(slant)) + 0.25
        low, high = (fallen - reach).min(0), (fallen + reach).max(0)
        # Seen from high above after a shear along the light. TinyRenderer clips away what an orthographic matrix shows.
        view = np.eye(4)
        view[:2, 2], view[:2, 3], view[2, 3] = -slant, -0.5 * (low + high), -_SHADOW_EYE
        half = 0.5 * (high - low) / _SHADOW_EYE
        projection = _perspective((-half[0], half[0]), (-half[1], half[1]), 0.5 * _SHADOW_EYE, 1.5 * _SHADOW_EYE)
        mask = self._render(_SHADOW_PIXELS, _SHADOW_PIXELS, view, projection)[2]
        return mask[::-1].astype(np.float32), low, high - low

    def _render(
        self, width: int, height: int, view: np.ndarray, projection: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Render the character through 4 x 4 matrices; return rgb (height, width, 3), depth and mask (height, width)."""
        _, _, rgba, depth, owner = self._bullet.getCameraImage(
            width,
            height,
            view.T.ravel().tolist(),
            projection.T.ravel().tolist(),
            lightDirection=list(self._look.to_light),
            lightColor=[1, 1, 1],
            shadow=0,
            renderer=self._bullet.ER_TINY_RENDERER,
            physicsClientId=self._world,
            **_LIGHTING,
        )
        shape = (height, width)
        rgb = np.asarray(rgba, np.uint8).reshape(*shape, 4)[..., :3]
        return rgb, np.asarray(depth, np.float32).reshape(shape), np.asarray(owner).reshape(shape) >= 0

    def close(self) -> None:
        self._bullet.disconnect(self._world)


def _view(camera: Camera) -> np.ndarray:
    """Return OpenGL's view matrix (4, 4) from the world to the eye, which has x right, y up and looks along -z."""
    forward, right, up = (axis.numpy() for axis in camera.axes())
    rotation = np.stack([right, up, -forward])
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = rotation, -rotation @ camera.eye().numpy()
    return view


def _frustum(fov_y: float, aspect: float, edges: tuple[float, float, float, float]) -> np.ndarray:
    """Return the perspective matrix of the part of the picture between ``edges`` (left, right, top, bottom; 0..1)."""
    tan_y = math.tan(0.5 * fov_y)
    left, right = ((2 * e - 1) * tan_y * aspect for e in edges[:2])
    top, bottom = ((1 - 2 * e) * tan_y for e in edges[2:])
    return _perspective((left, right), (bottom, top), _NEAR, _FAR)


def _perspective(x: tuple[float, float], y: tuple[float, float], near: float, far: float) -> np.ndarray:
    """Return OpenGL's perspective matrix (4, 4) of a view between slopes ``x`` (left, right) and ``y`` (bottom, top)."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 2] = 2 / (x[1] - x[0]), (x[1] + x[0]) / (x[1] - x[0])
    matrix[1, 1], matrix[1, 2] = 2 / (y[1] - y[0]), (y[1] + y[0]) / (y[1] - y[0])
    matrix[2, 2], matrix[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    matrix[3, 2] = -1.0
    return matrix


def _lay_shadow(image: np.ndarray, actor: _Actor, background: Background, camera: Camera) -> None:
    """Darken the ground in the character's shadow."""
    mask, corner, extent = actor.shadow()
    metres = float(extent.mean()) / _SHADOW_PIXELS
    dark = sum(share * gaussian_filter(mask, blur / metres, mode="constant") for blur, share in _SHADOWS)
    corners = torch.tensor([[corner[0] + i * extent[0], corner[1] + j * extent[1], 0] for i in (0, 1) for j in (0, 1)])
    pixels, depth = camera.project(corners, *background.size)
    if float(depth.min()) < _NEAR:
        return
    (left, top), (right, bottom) = pixels.amin(0).int().tolist(), (pixels.amax(0).int() + 2).tolist()
    rows = slice(max(top, background.first_ground_row), max(bottom, background.first_ground_row))
    columns = slice(max(left, 0), max(right, 0))
    ground = background.floor_points(camera, rows, columns)
    at = (ground - corner.astype(np.float32)) / extent.astype(np.float32) * _SHADOW_PIXELS - 0.5
    shade = map_coordinates(dark, (at[..., 1], at[..., 0]), order=1, mode="constant")
    image[rows, columns] *= 1 - (actor.figure.opacity * shade)[..., None] * np.array((1.0, 0.96, 0.88), np.float32)


def _blend(image: np.ndarray, nearest: np.ndarray, sprite: Sprite, opacity: float) -> None:
    """Draw the sprite into ``image`` in place, except behind nearer sprites.

    ``nearest`` is the least depth drawn so far, at twice the picture's resolution; it is updated.
    """
    fine = np.s_[
        sprite.top * _OVERSAMPLING : sprite.bottom * _OVERSAMPLING,
        sprite.left * _OVERSAMPLING : sprite.right * _OVERSAMPLING,
    ]
    visible = sprite.mask & (sprite.depth < nearest[fine])
    np.copyto(nearest[fine], sprite.depth, where=visible)
    cover = _quadruple(visible) * np.float32(0.25 * opacity)
    target = image[sprite.top : sprite.bottom, sprite.left : sprite.right]
    target *= 1 - cover[..., None]
    sprite.rgb[~visible] = 0
    target += _quadruple(sprite.rgb) * np.float32(0.25 * opacity)


def _quadruple(image: np.ndarray) -> np.ndarray:
    """Return the sum of every 2 x 2 pixels, uint16."""
    rows = np.add(image[0::2], image[1::2], dtype=np.uint16)
    return rows[:, 0::2] + rows[:, 1::2]
