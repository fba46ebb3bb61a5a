"""Draws by ray casting on the CPU, with trimesh's ray library Embree (``embreex``): no OpenGL, no display, any Python.

:class:`Background` paints ground and sky. A ray through every pixel near a character finds its solids; pixels at edges
get several rays. Light comes from a lamp and from fixed directions of the sky, each tested by a shadow ray, so creases and
the ground below feet are darker (ambient occlusion). Fixed directions make pictures free of noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter, minimum_filter

from mimic.core.rotations import quat_rotate
from mimic.rendering.background import Background, Look
from mimic.rendering.camera import Camera
from mimic.rendering.meshes import Mesh, mesh_of
from mimic.rendering.scene import DrawnCharacter, Pose

_NEAR = 0.3  # [m] a solid nearer to the eye's plane is not drawn
_OFFSET = 2e-3  # [m] shadow rays start this far off the surface
_SKY_REACH = 1.5  # [m] farther solids do not darken the sky's light
_LAMP_RADIUS = 0.045  # tangent of the lamp's angular radius: the softness of shadows
_LAMP, _SKY, _BOUNCE = 0.72, 0.50, 0.24  # brightness of the lamp, of the sky, and of light from the ground
_GROUND_DARK = (0.50, 0.75)  # share of the ground's light that lamp and sky lose in full shadow
_LAMP_CELL, _LAMP_BLUR = 0.02, 0.012  # [m] spacing and blur of the grid of the lamp's shadow on the ground
_SKY_CELL, _SKY_BLUR = 0.05, 0.09  # [m] the same for the light of the sky
_GROUND_REACH = 0.7  # [m] solids farther from the ground do not darken the sky's light there
_WIDEST = 12.0  # [m] a shadow is not drawn beyond
_GLOSS, _GLOSS_POWER = 0.16, 28.0


@dataclass(frozen=True)
class Quality:
    """Numbers of rays: for a pixel's edge (k x k), towards the lamp, and towards the sky."""

    edge: int
    lamp: int
    sky: int


QUALITIES = {"draft": Quality(2, 1, 6), "good": Quality(3, 3, 8), "best": Quality(4, 12, 32)}


class RayRenderer:
    """Draws characters by ray casting, one :class:`Pose` each per frame.

    Args:
        model: the model of ground, sky and light; its bodies are not drawn.
        figures: the characters to draw.
        size: (width, height) [px].
        quality: a name in ``QUALITIES``.
    """

    name = "ray"

    def __init__(
        self, model: mujoco.MjModel, figures: Sequence[DrawnCharacter], size: tuple[int, int], quality: str = "good"
    ) -> None:
        self.size, self._look, self._quality = size, Look.of(model), QUALITIES[quality]
        self._figures = [_Figure(figure) for figure in figures]
        self._background: Background | None = None
        self._lamp = _cone(np.array(self._look.to_light), self._quality.lamp)
        self._sky = _hemisphere(self._quality.sky)

    def draw(self, poses: Sequence[Pose], camera: Camera) -> np.ndarray:
        """Draw one frame; return the picture (height, width, 3) uint8."""
        if self._background is None or not self._background.fits(camera):
            self._background = Background(self._look, self.size, camera)
        image = self._background.paint(camera)
        traced = [figure.trace(pose) for figure, pose in zip(self._figures, poses, strict=True)]
        for figure, body in zip(self._figures, traced, strict=True):
            self._lay_shadow(image, body, figure.opacity, camera)
        nearest = np.full(self.size[::-1], np.inf, np.float32)
        # translucent figures last: each blends over the picture so far
        order = sorted(range(len(traced)), key=lambda i: (self._figures[i].opacity < 1, -traced[i].depth(camera)))
        for index in order:
            self._draw_figure(image, nearest, traced[index], self._figures[index].opacity, camera)
        return np.clip(image + 0.5, 0, 255).astype(np.uint8)

    def close(self) -> None:
        """Free the meshes."""
        self._figures = []

    def _draw_figure(
        self, image: np.ndarray, nearest: np.ndarray, body: _Traced, opacity: float, camera: Camera
    ) -> None:
        """Blend a figure into ``image`` in place, except behind nearer ones; ``nearest`` (height, width) [m] is updated."""
        box = body.box(camera, self.size)
        if box is None:
            return
        rows, columns = box
        y, x = np.mgrid[rows, columns]
        y, x = y.ravel(), x.ravel()
        eye, rays = self._rays(camera, x + 0.5, y + 0.5)
        solid, _, distance = body.hits(eye, rays)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        labels = solid.reshape(shape)
        edge = (maximum_filter(labels, 3) != minimum_filter(labels, 3)).ravel()
        inside = (solid >= 0) & ~edge
        k = self._quality.edge
        sub = (np.arange(k) + 0.5) / k
        sub_y, sub_x = (part.ravel() for part in np.meshgrid(sub, sub, indexing="ij"))
        pixel = np.concatenate([np.flatnonzero(inside), np.repeat(np.flatnonzero(edge), k * k)])
        count = int(inside.sum())
        at_x, at_y = np.full(len(pixel), 0.5), np.full(len(pixel), 0.5)
        at_x[count:], at_y[count:] = np.tile(sub_x, int(edge.sum())), np.tile(sub_y, int(edge.sum()))
        weight = np.where(np.arange(len(pixel)) < count, 1.0, 1.0 / (k * k)).astype(np.float32)
        eye, rays = self._rays(camera, x[pixel] + at_x, y[pixel] + at_y)
        solid, normal, distance = body.hits(eye, rays)
        flat = nearest[rows, columns].ravel()  # a copy
        seen = (solid >= 0) & (distance < flat[pixel])
        pixel, weight = pixel[seen], weight[seen]
        colour = body.figure.rgb[solid[seen]] * self._light(body, eye, rays[seen], distance[seen], normal[seen])
        colour += self._gloss(rays[seen], normal[seen])[:, None]
        target = image[rows, columns]
        target *= 1 - opacity * np.bincount(pixel, weight, minlength=flat.size).reshape(*shape, 1).astype(np.float32)
        for channel in range(3):
            sums = np.bincount(pixel, weight * colour[:, channel], minlength=flat.size)
            target[..., channel] += 255 * opacity * sums.reshape(shape)
        np.minimum.at(flat, pixel, distance[seen])
        nearest[rows, columns] = flat.reshape(shape)

    def _light(
        self, body: _Traced, eye: np.ndarray, rays: np.ndarray, distance: np.ndarray, normal: np.ndarray
    ) -> np.ndarray:
        """Return the light (N, 1) that arrives at the hit points."""
        points = eye + rays * distance[:, None] + normal * np.float32(_OFFSET)
        lamp = sum(_visible(body.scene, points, normal, way) for way in self._lamp) / len(self._lamp)
        sky = sum(_visible(body.scene, points, normal, way, _SKY_REACH) for way in self._sky) * 2.0 / len(self._sky)
        bounce = np.clip(0.5 - 0.5 * normal[:, 2], 0, 1) * np.clip(points[:, 2] + 0.35, 0.35, 1)
        return (0.12 + _LAMP * lamp + _SKY * sky + _BOUNCE * bounce)[:, None]

    def _gloss(self, rays: np.ndarray, normal: np.ndarray) -> np.ndarray:
        half = np.array(self._look.to_light, np.float32) - rays
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        return _GLOSS * np.clip((half * normal).sum(1), 0, 1) ** _GLOSS_POWER

    def _rays(self, camera: Camera, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the eye (3,) and unit directions (N, 3) float32 through the pixel positions."""
        width, height = self.size
        forward, right, up = (axis.numpy() for axis in camera.axes())
        scale = 2 * np.tan(0.5 * camera.fov_y) / height
        rays = forward + ((x - 0.5 * width) * scale)[:, None] * right + ((0.5 * height - y) * scale)[:, None] * up
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        return camera.eye().numpy().astype(np.float32), rays.astype(np.float32)

    def _lay_shadow(self, image: np.ndarray, body: _Traced, opacity: float, camera: Camera) -> None:
        """Darken the ground where the character hides the lamp or the sky."""
        slant = np.array(self._look.to_light[:2]) / self._look.to_light[2]
        fallen = body.centres[:, :2] - body.centres[:, 2:] * slant
        near = body.radii[:, None] + 0.2
        lamp = _Shade(fallen - near, fallen + near, _LAMP_CELL, _LAMP_BLUR)
        low = body.centres[:, 2] < _GROUND_REACH + body.radii
        around = body.centres[low, :2]
        shades = [(lamp, self._lamp, 50.0, _GROUND_DARK[0])]
        if len(around):
            sky = _Shade(around - _GROUND_REACH - 0.1, around + _GROUND_REACH + 0.1, _SKY_CELL, _SKY_BLUR)
            shades.append((sky, self._sky, _GROUND_REACH, _GROUND_DARK[1]))
        for shade, ways, reach, share in shades:
            self._darken(image, shade, shade.cast(body, ways, reach) * np.float32(share * opacity), camera)

    def _darken(self, image: np.ndarray, shade: _Shade, lost: np.ndarray, camera: Camera) -> None:
        background = self._background
        corners = [[x, y, 0.0] for x in (shade.low[0], shade.high[0]) for y in (shade.low[1], shade.high[1])]
        pixels, depth = camera.project(torch.tensor(corners), *self.size)
        if background is None or float(depth.min()) < _NEAR or not lost.size:
            return
        (left, top), (right, bottom) = pixels.amin(0).int().tolist(), (pixels.amax(0).int() + 2).tolist()
        rows = slice(*np.clip([top, bottom], background.first_ground_row, self.size[1]).tolist())
        columns = slice(*np.clip([left, right], 0, self.size[0]).tolist())
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return
        at = (background.floor_points(camera, rows, columns) - shade.low.astype(np.float32)) / np.float32(shade.cell)
        dark = map_coordinates(lost, (at[..., 1], at[..., 0]), order=1, mode="constant")
        image[rows, columns] *= 1 - dark[..., None] * np.array((1.0, 0.95, 0.86), np.float32)


class _Shade:
    """A grid on the ground over the boxes ``low`` to ``high`` (N, 2) [m], with points ``cell`` [m] apart."""

    def __init__(self, low: np.ndarray, high: np.ndarray, cell: float, blur: float) -> None:
        self.low, self.cell, self._blur = low.min(0), cell, blur / cell
        self.high = np.minimum(high.max(0), self.low + _WIDEST)
        steps = [np.arange(self.low[axis], self.high[axis], cell) for axis in (0, 1)]
        self._x, self._y = np.meshgrid(*steps)

    def cast(self, body: _Traced, ways: Sequence[np.ndarray], reach: float) -> np.ndarray:
        """Return the share of the light from ``ways`` that each point loses to the body, rows along y, columns along x."""
        points = np.stack([self._x.ravel(), self._y.ravel(), np.full(self._x.size, _OFFSET)], 1).astype(np.float32)
        up = np.broadcast_to(np.array([0, 0, 1], np.float32), points.shape)
        full = float(sum(way[2] for way in ways))
        lost = 1 - sum(_visible(body.scene, points, up, way, reach) for way in ways) / np.float32(full)
        return gaussian_filter(lost.reshape(self._x.shape), self._blur, mode="constant")


class _Figure:
    """A character's solids as one mesh, whose parts move with the pose."""

    def __init__(self, figure: DrawnCharacter) -> None:
        self._figure, self.opacity = figure, figure.opacity
        meshes: list[Mesh] = [mesh_of(geom) for geom in figure.geoms]
        self.radii = np.array([mesh.radius() for mesh in meshes])
        self.rgb = np.array([geom.rgba[:3] for geom in figure.geoms], np.float32)
        starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])[:-1]
        self.triangles = np.concatenate([m.triangles + s for m, s in zip(meshes, starts, strict=True)]).astype(np.int32)
        self.solid = np.repeat(np.arange(len(meshes)), [len(mesh.triangles) for mesh in meshes])
        self._owner = np.repeat(np.arange(len(meshes)), [len(mesh.vertices) for mesh in meshes])
        self._vertices = np.concatenate([mesh.vertices for mesh in meshes])
        self._normals = np.concatenate([mesh.normals for mesh in meshes])

    def trace(self, pose: Pose) -> _Traced:
        """Return the figure in this pose, ready for rays."""
        pos, quat = self._figure.place(pose)
        axes = [quat_rotate(quat, axis.expand(len(quat), 3)) for axis in torch.eye(3, dtype=quat.dtype)]
        turn = torch.stack(axes, -1).numpy()[self._owner]
        centres = pos.numpy()
        vertices = np.einsum("vij,vj->vi", turn, self._vertices) + centres[self._owner]
        return _Traced(self, vertices.astype(np.float32), np.einsum("vij,vj->vi", turn, self._normals), centres)


class _Traced:
    """A figure in one pose as an Embree scene."""

    def __init__(self, figure: _Figure, vertices: np.ndarray, normals: np.ndarray, centres: np.ndarray) -> None:
        self.figure, self.centres, self.radii = figure, centres, figure.radii
        self._normals = normals.astype(np.float32)
        self.scene = EmbreeScene()
        TriangleMesh(self.scene, vertices, figure.triangles)

    def depth(self, camera: Camera) -> float:
        """Return the mean depth [m] of the solids."""
        return float(((self.centres - camera.eye().numpy()) @ camera.axes()[0].numpy()).mean())

    def box(self, camera: Camera, size: tuple[int, int]) -> tuple[slice, slice] | None:
        """Return the rows and columns of the picture that the figure can touch; None if it is outside the picture."""
        pixels, depth = camera.project(torch.from_numpy(self.centres), *size)
        if float(depth.min()) < _NEAR:
            return None
        reach = self.radii * (0.5 * size[1] / np.tan(0.5 * camera.fov_y)) / depth.numpy() * 1.15 + 2
        low, high = pixels.numpy() - reach[:, None], pixels.numpy() + reach[:, None]
        left, top = np.clip(low.min(0), 0, size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(high.max(0)), 0, size).astype(int).tolist()
        return (slice(top, bottom), slice(left, right)) if right - left > 1 and bottom - top > 1 else None

    def hits(self, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what rays (N, 3) from the eye meet: solid (N,), -1 for none; smooth normal (N, 3); distance (N,) [m]."""
        found = self.scene.run(np.tile(eye, (len(rays), 1)), rays, output=1)
        triangle, hit = found["primID"], found["primID"] >= 0
        solid = np.where(hit, self.figure.solid[np.where(hit, triangle, 0)], -1)
        normal = np.zeros_like(rays)
        corners = self._normals[self.figure.triangles[triangle[hit]]]
        u, v = found["u"][hit][:, None], found["v"][hit][:, None]
        smooth = (1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2]
        normal[hit] = smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-9)
        return solid, normal, np.where(hit, found["tfar"], np.inf).astype(np.float32)


def _visible(
    scene: EmbreeScene, points: np.ndarray, normal: np.ndarray, way: np.ndarray, reach: float = 50.0
) -> np.ndarray:
    """Return the light (N,) that arrives from the direction ``way``: the cosine to the normal, 0 where a solid is between."""
    cosine = np.clip(normal @ way.astype(np.float32), 0, None)
    lit = np.flatnonzero(cosine > 0)
    if len(lit):
        ways = np.tile(way.astype(np.float32), (len(lit), 1))
        blocked = scene.run(points[lit], ways, np.full(len(lit), reach, np.float32), query="OCCLUDED") >= 0
        cosine[lit[blocked]] = 0
    return cosine


def _cone(axis: np.ndarray, count: int) -> list[np.ndarray]:
    """Return ``count`` unit directions spread over the lamp's disc around ``axis``."""
    axis = axis / np.linalg.norm(axis)
    side = np.cross(axis, [0.0, 1.0, 0.3])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    index = np.arange(count)
    radius = _LAMP_RADIUS * np.sqrt((index + 0.5) / count) * (count > 1)
    angle = index * np.pi * (3 - np.sqrt(5))  # Vogel's spiral
    ways = axis + radius[:, None] * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other)
    return list(ways / np.linalg.norm(ways, axis=1, keepdims=True))


def _hemisphere(count: int) -> list[np.ndarray]:
    """Return ``count`` unit directions spread evenly over the upper half sphere (Fibonacci lattice)."""
    index = np.arange(count)
    z = (index + 0.5) / count
    angle = index * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z**2)
    return list(np.stack([flat * np.cos(angle), flat * np.sin(angle), z], 1))
