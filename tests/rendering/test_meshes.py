"""Meshes are closed, face outwards, and enclose nearly the solid's volume."""

import math

import numpy as np
import pytest

from mimic.rendering.meshes import Mesh, mesh_of
from mimic.rendering.scene import Shape, VisualGeom

SOLIDS: dict[Shape, tuple[tuple[float, float, float], float]] = {
    "sphere": ((0.3, 0.0, 0.0), 4 / 3 * math.pi * 0.3**3),
    "ellipsoid": ((0.3, 0.2, 0.1), 4 / 3 * math.pi * 0.3 * 0.2 * 0.1),
    "capsule": ((0.1, 0.4, 0.0), math.pi * 0.1**2 * 0.8 + 4 / 3 * math.pi * 0.1**3),
    "cylinder": ((0.2, 0.3, 0.0), math.pi * 0.2**2 * 0.6),
    "box": ((0.1, 0.2, 0.3), 8 * 0.1 * 0.2 * 0.3),
}


def _mesh(shape: Shape) -> Mesh:
    return mesh_of(VisualGeom(shape, SOLIDS[shape][0], (1, 1, 1, 1), 0, (0, 0, 0), (1, 0, 0, 0)))


@pytest.mark.parametrize("shape", SOLIDS)
def test_a_mesh_has_the_volume_of_its_solid(shape: Shape) -> None:
    mesh, expected = _mesh(shape), SOLIDS[shape][1]
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6  # divergence theorem: negative if inside out
    assert 0.94 * expected < volume < 1.0001 * expected


@pytest.mark.parametrize("shape", SOLIDS)
def test_normals_are_unit_and_agree_with_the_triangles(shape: Shape) -> None:
    mesh = _mesh(shape)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    real = np.linalg.norm(face, axis=1) > 1e-12  # the poles of a ball have triangles without area
    vertex = mesh.normals[mesh.triangles].sum(1)
    assert (np.einsum("ij,ij->i", face, vertex)[real] > 0).all()


def test_a_capsule_is_as_long_as_it_says() -> None:
    low, high = _mesh("capsule").vertices.min(0), _mesh("capsule").vertices.max(0)
    assert np.allclose((low[2], high[2]), (-0.5, 0.5))
    assert _mesh("capsule").radius() == pytest.approx(0.5)
