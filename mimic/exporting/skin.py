"""The character's skin and poses, for GLB and USD.

The character is one skinned mesh, though every vertex follows exactly one rigid body. Engines import a skinned mesh as
a character, and loose parts as separate objects. All values are in glTF's axes: y up, z forward, x to the left, metres.
"""

from dataclasses import dataclass

import numpy as np
import torch

from characters import Character, CharacterState, Kinematics
from mimic.rendering.meshes import mesh_of
from mimic.rendering.scene import DrawnCharacter, Pose, visual_geoms
from mocap.motion import Motion, check_character

Array = np.ndarray


@dataclass(frozen=True)
class Part:
    """The triangles (F, 3) of one colour, rgb in 0..1 as a screen shows it (sRGB)."""

    rgb: tuple[float, float, float]
    triangles: Array

    @property
    def name(self) -> str:
        """The colour in hexadecimal, as ``ff8800``."""
        return "".join(f"{round(255 * share):02x}" for share in self.rgb)

    @property
    def linear_rgb(self) -> tuple[float, ...]:
        """The colour in linear RGB, which glTF and USD use for base colours."""
        return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in self.rgb)


@dataclass(frozen=True)
class Skin:
    """The surface at zero pose, on the ground.

    Attributes:
        vertices, normals: (V, 3) positions [m] and unit normals.
        body: (V,) index of the body that each vertex is fixed to.
        parts: the triangles, one part for each colour.
        joints: (B, 3) [m] origins of the bodies' frames, which are parallel to the world's.
    """

    vertices: Array
    normals: Array
    body: Array
    parts: tuple[Part, ...]
    joints: Array


@dataclass(frozen=True)
class Poses:
    """A motion in glTF's axes: times (T,) [s]; root (T, 3) [m]; rotations (T, B, 4) xyzw, child in parent."""

    times: Array
    root: Array
    rotations: Array


def build_skin(character: Character) -> Skin:
    """Build the skin of a character, with the colours of the videos."""
    model = character.mj_model()
    figure = DrawnCharacter(visual_geoms(model, [body.name for body in character.bodies]))
    rest = _rest_pose(character, float(model.qpos0[2]))
    vertices: list[Array] = []
    normals: list[Array] = []
    body: list[Array] = []
    triangles: dict[tuple[float, float, float], list[Array]] = {}
    count = 0
    for geom, at, turn in zip(figure.geoms, *(x.numpy() for x in figure.place(rest)), strict=True):
        mesh = mesh_of(geom)
        rotation = _matrix(turn)
        vertices.append(mesh.vertices @ rotation.T + at)
        normals.append(mesh.normals @ rotation.T)
        body.append(np.full(len(mesh.vertices), geom.body))
        colour = (geom.rgba[0], geom.rgba[1], geom.rgba[2])
        triangles.setdefault(colour, []).append(_not_flat(mesh.triangles, mesh.vertices) + count)
        count += len(mesh.vertices)
    return Skin(
        vertices=axes(np.concatenate(vertices)),
        normals=axes(np.concatenate(normals)),
        body=np.concatenate(body),
        parts=tuple(Part(colour, np.concatenate(parts)) for colour, parts in triangles.items()),
        joints=axes(rest.pos.numpy()),
    )


def build_poses(motion: Motion, character: Character) -> Poses:
    """Convert a motion to each body's rotation in its parent, frame by frame. Raises ClipError for another character."""
    check_character(motion, character)
    quat = np.zeros((motion.num_frames, len(character.bodies), 4))
    quat[..., 0] = 1.0
    quat[:, 0] = motion.root_quat_w.numpy()
    for index, body in enumerate(character.bodies):
        if body.joint is not None and body.parent >= 0:
            quat[:, index] = motion.joint_quat[:, body.joint].numpy()
    quat[1:] *= np.cumprod(np.where((quat[1:] * quat[:-1]).sum(-1, keepdims=True) < 0, -1.0, 1.0), axis=0)
    return Poses(motion.times.numpy(), axes(motion.root_pos_w.numpy()), xyzw(quat))


def axes(vectors: Array) -> Array:
    """Convert our vectors (..., 3) (z up, x forward, y left) to glTF's axes."""
    return vectors[..., [1, 2, 0]]


def xyzw(quat: Array) -> Array:
    """Convert our quaternions (..., 4) wxyz to glTF's axes and order xyzw."""
    return quat[..., [2, 3, 1, 0]]


def _rest_pose(character: Character, height: float) -> Pose:
    zeros = torch.zeros(1, 3, dtype=torch.float64)
    one = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    joints = one.expand(1, len(character.joints), 4)
    velocity = torch.zeros(1, character.num_actuated, dtype=torch.float64)
    root = zeros + torch.tensor([0.0, 0.0, height], dtype=torch.float64)
    state = CharacterState(root, one, zeros, zeros, joints, velocity)
    return Pose.of(Kinematics(character, "cpu", torch.float64).forward(state))


def _matrix(quat: Array) -> Array:
    w, x, y, z = quat
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _not_flat(triangles: Array, vertices: Array) -> Array:
    """Return the triangles (F, 3) whose area is not zero; at a sphere's poles half of the triangles have none."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    return triangles[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12]
