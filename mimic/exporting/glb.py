"""Write the character as GLB: a skin, a skeleton, and an animation for each motion.

GLB is glTF 2.0 in one file, with y up, z forward and metres, for Blender, Unity, Unreal, Godot and three.js. Skeleton
nodes have the names of the bodies. The root's node carries the movement over the ground.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pygltflib as gltf

from characters import Character
from mimic.core.errors import InputError
from mimic.exporting.skin import Poses, Skin, build_poses, build_skin
from mocap.motion import Motion

ROUGHNESS = 0.75
_TYPES: dict[tuple[int, ...], str] = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_COMPONENTS = {
    "float32": gltf.FLOAT,
    "uint32": gltf.UNSIGNED_INT,
    "uint16": gltf.UNSIGNED_SHORT,
    "uint8": gltf.UNSIGNED_BYTE,
}


def character_glb(character: Character, motions: Sequence[Motion] = ()) -> bytes:
    """Return the bytes of a GLB file.

    Args:
        character: the character whose skin and skeleton are written.
        motions: motions of the character; each becomes an animation of the same name, linear between frames.

    Raises:
        InputError: two motions of the same name. ClipError: a motion of another character.
    """
    names = [motion.name for motion in motions]
    if len(set(names)) < len(names):
        raise InputError(f"animations need different names, got {', '.join(names)}")
    skin = build_skin(character)
    file = _File(character.name, "; ".join(sorted({motion.license for motion in motions if motion.license})))
    skeleton = [_bone(character, skin, index) for index in range(len(character.bodies))]
    mesh_node = len(skeleton)
    file.document.nodes = [*skeleton, gltf.Node(name=character.name, mesh=0, skin=0)]
    file.document.scenes = [gltf.Scene(name=character.name, nodes=[0, mesh_node])]
    _add_skin(file, skin)
    for motion in motions:
        _add_animation(file, motion, build_poses(motion, character))
    return file.to_bytes()


def _bone(character: Character, skin: Skin, index: int) -> gltf.Node:
    body = character.bodies[index]
    parent = skin.joints[body.parent] if body.parent >= 0 else np.zeros(3)
    children = [i for i, other in enumerate(character.bodies) if other.parent == index]
    return gltf.Node(name=body.name, translation=_floats(skin.joints[index] - parent), children=children)


def _add_skin(file: "_File", skin: Skin) -> None:
    count = len(skin.vertices)
    joints = np.zeros((count, 4), np.uint8)
    joints[:, 0] = skin.body
    weights = np.zeros((count, 4), np.uint8)
    weights[:, 0] = 255
    attributes = gltf.Attributes(
        POSITION=file.add(skin.vertices.astype(np.float32), gltf.ARRAY_BUFFER, bounds=True),
        NORMAL=file.add(_unit(skin.normals), gltf.ARRAY_BUFFER),
        JOINTS_0=file.add(joints, gltf.ARRAY_BUFFER),
        WEIGHTS_0=file.add(weights, gltf.ARRAY_BUFFER, normalized=True),
    )
    index_type: Any = np.uint16 if count < 65535 else np.uint32
    document, mesh = file.document, gltf.Mesh(name="skin")
    for number, part in enumerate(skin.parts):
        colour = gltf.PbrMetallicRoughness(
            baseColorFactor=[*part.linear_rgb, 1.0], metallicFactor=0.0, roughnessFactor=ROUGHNESS
        )
        document.materials.append(gltf.Material(name=part.name, pbrMetallicRoughness=colour))
        indices = file.add(part.triangles.astype(index_type).ravel(), gltf.ELEMENT_ARRAY_BUFFER)
        mesh.primitives.append(gltf.Primitive(attributes=attributes, indices=indices, material=number))
    document.meshes = [mesh]
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(skin.joints), 1, 1))
    inverse_bind[:, 3, :3] = -skin.joints  # glTF writes matrices column by column
    matrices = file.add(inverse_bind)
    document.skins = [gltf.Skin(inverseBindMatrices=matrices, skeleton=0, joints=list(range(len(skin.joints))))]


def _add_animation(file: "_File", motion: Motion, poses: Poses) -> None:
    animation = gltf.Animation(
        name=motion.name, extras={"fps": motion.fps, "frames": motion.num_frames, "loop": motion.loop}
    )
    times = file.add(poses.times.astype(np.float32), bounds=True)

    def add(node: int, path: str, values: np.ndarray) -> None:
        animation.samplers.append(gltf.AnimationSampler(input=times, output=file.add(values), interpolation="LINEAR"))
        target = gltf.AnimationChannelTarget(node=node, path=path)
        animation.channels.append(gltf.AnimationChannel(sampler=len(animation.samplers) - 1, target=target))

    add(0, "translation", poses.root.astype(np.float32))
    for body in range(poses.rotations.shape[1]):
        turns = poses.rotations[:, body]
        if body == 0 or np.abs(turns - [0.0, 0.0, 0.0, 1.0]).max() > 1e-9:
            add(body, "rotation", _unit(turns))
    file.document.animations.append(animation)


class _File:
    """A GLB file under construction; arrays are appended one after another to its binary part."""

    def __init__(self, name: str, licence: str) -> None:
        asset = gltf.Asset(version="2.0", generator="mimic", copyright=licence or None)
        self.document = gltf.GLTF2(asset=asset, scene=0)
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, array: np.ndarray, target: int | None = None, bounds: bool = False, normalized: bool = False) -> int:
        """Append ``array`` and return the index of its accessor.

        ``target`` and ``normalized`` are glTF's fields of the buffer view and of the accessor. ``bounds`` adds the least
        and greatest values.
        """
        data = np.ascontiguousarray(array)
        raw = data.tobytes()
        view = gltf.BufferView(buffer=0, byteOffset=self._size, byteLength=len(raw), target=target)
        self.document.bufferViews.append(view)
        accessor = gltf.Accessor(
            bufferView=len(self.document.bufferViews) - 1,
            componentType=_COMPONENTS[data.dtype.name],
            normalized=normalized,
            count=len(data),
            type=_TYPES[data.shape[1:]],
        )
        if bounds:
            flat = data.reshape(len(data), -1)
            accessor.min, accessor.max = _floats(flat.min(0)), _floats(flat.max(0))
        self.document.accessors.append(accessor)
        padding = -len(raw) % 4
        self._parts.append(raw + b"\0" * padding)
        self._size += len(raw) + padding
        return len(self.document.accessors) - 1

    def to_bytes(self) -> bytes:
        """Return the bytes of the GLB file."""
        self.document.buffers = [gltf.Buffer(byteLength=self._size)]
        self.document.set_binary_blob(b"".join(self._parts))
        return b"".join(self.document.save_to_bytes())


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _floats(values: np.ndarray) -> list[float]:
    return [float(value) for value in values]
