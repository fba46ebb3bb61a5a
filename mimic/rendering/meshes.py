"""Triangle meshes, with smooth normals, of the solids that make up a character.

TinyRenderer draws them, because its own capsules and spheres are coarse and flat-shaded, and it has no ellipsoids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mimic.rendering.scene import VisualGeom


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: vertices (V, 3) [m], unit normals (V, 3), triangles (F, 3) counter-clockwise from outside."""

    vertices: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray

    def radius(self) -> float:
        """Return the distance [m] of the farthest vertex from the origin."""
        return float(np.linalg.norm(self.vertices, axis=1).max())


def mesh_of(geom: VisualGeom) -> Mesh:
    """Return the geom's surface in the geom's frame, in which MuJoCo's capsules and cylinders are along z."""
    a, b, c = geom.size
    if geom.shape == "sphere":
        return _ellipsoid(a, a, a)
    if geom.shape == "ellipsoid":
        return _ellipsoid(a, b, c)
    if geom.shape == "capsule":
        return _capsule(a, b)
    if geom.shape == "cylinder":
        return _cylinder(a, b)
    return _box(a, b, c)


def _ellipsoid(a: float, b: float, c: float) -> Mesh:
    unit, triangles = _ball(*_resolution(max(a, b, c)))
    normals = unit / np.array([a, b, c])
    return Mesh(unit * [a, b, c], normals / np.linalg.norm(normals, axis=1, keepdims=True), triangles)


def _capsule(radius: float, half_length: float) -> Mesh:
    rings, sectors = _resolution(radius)
    unit, triangles = _ball(rings, sectors, double_equator=True)
    row = np.arange(len(unit)) // (sectors + 1)
    shift = np.where(row <= rings // 2, half_length, -half_length)  # the equator is there twice: once for each end
    return Mesh(unit * radius + shift[:, None] * [0, 0, 1], unit, triangles)


def _cylinder(radius: float, half_length: float) -> Mesh:
    sectors = _resolution(radius)[1]
    angle = np.linspace(0, 2 * np.pi, sectors + 1)
    circle = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], 1)
    up, n = np.array([0.0, 0.0, 1.0]), sectors + 1
    rim_top, rim_low = circle * radius + up * half_length, circle * radius - up * half_length
    vertices = np.concatenate([rim_top, rim_low, rim_top, rim_low, [up * half_length, -up * half_length]])
    ups = np.tile(up, (n, 1))
    normals = np.concatenate([circle, circle, ups, -ups, [up, -up]])
    i = np.arange(sectors)
    wall = np.concatenate([np.stack([i, i + n, i + 1], 1), np.stack([i + 1, i + n, i + n + 1], 1)])
    top = np.stack([np.full_like(i, 4 * n), 2 * n + i, 2 * n + i + 1], 1)
    low = np.stack([np.full_like(i, 4 * n + 1), 3 * n + i + 1, 3 * n + i], 1)
    return Mesh(vertices, normals, np.concatenate([wall, top, low]))


def _box(a: float, b: float, c: float) -> Mesh:
    vertices: list[np.ndarray] = []
    normals: list[np.ndarray] = []
    triangles: list[tuple[int, int, int]] = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            normal, u, v = np.zeros(3), np.zeros(3), np.zeros(3)
            normal[axis], u[(axis + 1) % 3], v[(axis + 2) % 3] = sign, sign, 1.0  # u x v = normal
            first = len(vertices)
            vertices += [normal - u - v, normal + u - v, normal + u + v, normal - u + v]
            normals += [normal] * 4
            triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    return Mesh(np.array(vertices) * [a, b, c], np.array(normals), np.array(triangles))


def _resolution(radius: float) -> tuple[int, int]:
    """Return the numbers of rings (even) and sectors for a radius [m]; small parts, such as an eye, need few."""
    return (6, 8) if radius < 0.03 else (8, 14) if radius < 0.06 else (12, 20)


def _ball(rings: int, sectors: int, double_equator: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices (V, 3) of a unit sphere from the north pole down, and its triangles (F, 3).

    ``double_equator`` repeats the ring at the equator, so that a capsule's two halves can be moved apart.
    """
    polar = np.linspace(0, np.pi, rings + 1)
    if double_equator:
        polar = np.insert(polar, rings // 2, np.pi / 2)
    around = np.linspace(0, 2 * np.pi, sectors + 1)
    p, q = np.meshgrid(polar, around, indexing="ij")
    vertices = np.stack([np.sin(p) * np.cos(q), np.sin(p) * np.sin(q), np.cos(p)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(len(polar) - 1), np.arange(sectors), indexing="ij")
    a = (i * (sectors + 1) + j).ravel()
    b = a + sectors + 1
    triangles = np.concatenate([np.stack([a, b, a + 1], 1), np.stack([a + 1, b, b + 1], 1)])
    return vertices, triangles
