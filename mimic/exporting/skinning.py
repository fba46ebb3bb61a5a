"""Somebody else's skinned meshes in a pose: linear blend skinning, as glTF defines it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mimic.exporting.their_file import TheirFile
from mocap.formats.gltf import Node
from retarget.onto_rig import TheirRig

Array = np.ndarray


@dataclass(frozen=True)
class SkinnedPart:
    """One primitive of a skinned mesh: V vertices bound to joints.

    Attributes:
        vertices: (V, 3) in the mesh's frame.
        triangles: (F, 3).
        joints, weights: (V, 4) nodes and their weights.
        inverse_bind: (V, 4, 4, 4) the inverse bind matrix of each vertex' joints.
        rgb: colour in 0..1 (sRGB), of the material's base colour.
        uv: (V, 2) or None.
    """

    vertices: Array
    triangles: Array
    joints: Array
    weights: Array
    matrices: Array
    rgb: tuple[float, float, float]


def skinned_parts(file: TheirFile) -> list[SkinnedPart]:
    """Return the skinned primitives of the file. Raises ClipError for a broken one."""
    gltf, parts = file.gltf, []
    for node in gltf.list("nodes"):
        if "mesh" not in node or "skin" not in node:
            continue
        skin = gltf.item("skins", node["skin"])
        joints = np.array([int(j) for j in skin["joints"]])
        inverse = np.tile(np.eye(4), (len(joints), 1, 1))
        if "inverseBindMatrices" in skin:
            flat = gltf.accessor(skin["inverseBindMatrices"], "MAT4")
            inverse = flat.reshape(-1, 4, 4).transpose(0, 2, 1)
        for primitive in gltf.item("meshes", node["mesh"]).get("primitives", []):
            attributes = primitive.get("attributes", {})
            if "JOINTS_0" not in attributes or primitive.get("mode", 4.0) != 4.0:
                continue
            vertices = gltf.accessor(attributes["POSITION"], "VEC3")
            bound = gltf.accessor(attributes["JOINTS_0"], "VEC4").astype(int)
            weights = gltf.accessor(attributes["WEIGHTS_0"], "VEC4")
            order = np.arange(len(vertices))
            if "indices" in primitive:
                order = gltf.accessor(primitive["indices"], "SCALAR").astype(int).ravel()
            triangles = order[: len(order) // 3 * 3].reshape(-1, 3)
            weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
            rgb = _colour(file, primitive)
            parts.append(SkinnedPart(vertices, triangles, joints[bound], weights, inverse[bound], rgb))
    return parts


def pose_vertices(part: SkinnedPart, pos: Array, quat: Array, scale: Array) -> Array:
    """Return the vertices (V, 3) in the world for nodes at ``pos`` (N, 3), ``quat`` (N, 4) wxyz and ``scale`` (N, 3)."""
    world = np.tile(np.eye(4), (len(pos), 1, 1))
    world[:, :3, :3] = _matrices(quat) * scale[:, None, :]
    world[:, :3, 3] = pos
    blended = np.einsum("vj,vjab,vjbc->vac", part.weights, world[part.joints], part.matrices)
    return np.einsum("vab,vb->va", blended[:, :3, :3], part.vertices) + blended[:, :3, 3]


def lowest_vertex(file: TheirFile, nodes: Sequence[Node]) -> float:
    """Return the height of the lowest skinned vertex at rest; without skinned meshes, of the lowest bone."""
    rig = TheirRig.of(nodes)
    parts = skinned_parts(file)
    if not parts:
        return float(rig.pos[file.skin_joints, 1].min())
    return min(
        float(pose_vertices(part, rig.pos.numpy(), rig.quat.numpy(), rig.scale.numpy())[:, 1].min()) for part in parts
    )


def _colour(file: TheirFile, primitive: dict[str, object]) -> tuple[float, float, float]:
    if "material" not in primitive:
        return (0.7, 0.7, 0.7)
    pbr = file.gltf.item("materials", primitive["material"]).get("pbrMetallicRoughness", {})
    linear = np.array(pbr.get("baseColorFactor", [1.0, 1.0, 1.0, 1.0])[:3], float)
    r, g, b = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return float(r), float(g), float(b)


def _matrices(quat: Array) -> Array:
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))
