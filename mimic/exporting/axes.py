"""Convert positions, rotations and velocities to Unity, Unreal, Godot and glTF, and back.

Ours: z up, x forward, y to the left, right-handed, metres, quaternions wxyz. An engine's frame is a matrix M whose rows
are its axes in ours, and a length unit. With s the length unit's share of a metre:

    position, velocity      p' = M p / s          (M is orthogonal: back with its transpose)
    rotation, ang. velocity w' = w, v' = det(M) M v    for the quaternion (w, v) and for angular velocities

The sign det(M) is -1 where handedness changes: a mirrored rotation goes the other way round.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Frame:
    """The axes of an engine.

    Attributes:
        name: the engine.
        axes: (3, 3), row i is the engine's axis i in our frame.
        units_per_metre: length units in a metre.
        up, forward, right: the character's directions in the engine, as it stands there facing its usual way.
        quaternion: order of a quaternion's numbers, wxyz or xyzw.
        note: a hint on a common mistake.
    """

    name: str
    axes: tuple[tuple[float, float, float], ...]
    units_per_metre: float
    up: str
    forward: str
    right: str
    quaternion: str
    note: str

    @property
    def matrix(self) -> Array:
        """(3, 3), rotates our vectors to the engine's axes; without the length unit."""
        return np.array(self.axes)

    @property
    def handedness(self) -> str:
        """right or left."""
        return "right" if np.linalg.det(self.matrix) > 0 else "left"

    def position(self, pos: Array) -> Array:
        """Our positions or velocities (..., 3) [m, m/s] in the engine's axes and length unit."""
        return pos @ self.matrix.T * self.units_per_metre

    def position_back(self, pos: Array) -> Array:
        """Inverse of ``position``."""
        return pos / self.units_per_metre @ self.matrix

    def angular(self, vector: Array) -> Array:
        """Our angular velocities or rotation vectors (..., 3) [rad/s, rad] in the engine's axes."""
        return pos_sign(self.matrix) * vector @ self.matrix.T

    def angular_back(self, vector: Array) -> Array:
        """Inverse of ``angular``."""
        return pos_sign(self.matrix) * vector @ self.matrix

    def rotation(self, quat: Array) -> Array:
        """Our quaternions (..., 4) wxyz in the engine's axes and order."""
        turned = np.concatenate((quat[..., :1], self.angular(quat[..., 1:])), -1)
        return turned if self.quaternion == "wxyz" else np.roll(turned, -1, -1)

    def rotation_back(self, quat: Array) -> Array:
        """Inverse of ``rotation``."""
        ours = quat if self.quaternion == "wxyz" else np.roll(quat, 1, -1)
        return np.concatenate((ours[..., :1], self.angular_back(ours[..., 1:])), -1)

    def direction(self, word: str) -> Array:
        """Unit vector of a direction written as +X, -Z and so on."""
        return (1.0 if word[0] == "+" else -1.0) * np.eye(3)["XYZ".index(word[1])]

    def describe(self) -> dict[str, Any]:
        """The JSON of ``conventions.json``."""
        return {
            "up": self.up,
            "forward": self.forward,
            "right": self.right,
            "handedness": self.handedness,
            "units_per_metre": self.units_per_metre,
            "quaternion": self.quaternion,
            "position_matrix": (self.matrix * self.units_per_metre).tolist(),
            "position_matrix_back": (self.matrix.T / self.units_per_metre).tolist(),
            "angular_matrix": (pos_sign(self.matrix) * self.matrix).tolist(),
            "angular_matrix_back": (pos_sign(self.matrix) * self.matrix.T).tolist(),
            "note": self.note,
        }


def pos_sign(matrix: Array) -> float:
    """+1 where handedness is kept, -1 where it changes."""
    return float(np.sign(np.linalg.det(matrix)))


_Y_UP_FACING_Z = ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))

FRAMES = {
    frame.name: frame
    for frame in (
        Frame(
            "unity",
            ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
            1.0,
            up="+Y",
            forward="+Z",
            right="+X",
            quaternion="xyzw",
            note="Quaternion(x, y, z, w). The official MuJoCo plug-in converts by itself: give it ours unconverted.",
        ),
        Frame(
            "unreal",
            ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
            100.0,
            up="+Z",
            forward="+X",
            right="+Y",
            quaternion="xyzw",
            note="FQuat(X, Y, Z, W), centimetres; physics constraints take degrees and cm, N becomes kg cm/s^2 (x 100).",
        ),
        Frame(
            "godot",
            _Y_UP_FACING_Z,
            1.0,
            up="+Y",
            forward="+Z",
            right="-X",
            quaternion="xyzw",
            note="Quaternion(x, y, z, w). A model faces +Z (Vector3.MODEL_FRONT), as an imported GLB does; -Z is a camera's.",
        ),
        Frame(
            "gltf",
            _Y_UP_FACING_Z,
            1.0,
            up="+Y",
            forward="+Z",
            right="-X",
            quaternion="xyzw",
            note="As glTF 2.0 says: +Y up, +Z is the front of an asset. three.js shows it so.",
        ),
    )
}


def conventions() -> dict[str, Any]:
    """The JSON of ``conventions.json``, schema version left out."""
    return {
        "ours": {
            "up": "+Z",
            "forward": "+X",
            "left": "+Y",
            "handedness": "right",
            "length": "m",
            "angle": "rad",
            "time": "s",
            "mass": "kg",
            "torque": "N m",
            "quaternion": "wxyz, unit; a * b turns by b first; joint rotations are child in parent",
        },
        "how": "p' = position_matrix p; quaternion (w, v): w' = w, v' = angular_matrix v, then the engine's order; "
        "angular velocities and rotation vectors: angular_matrix; the matrices named _back undo them.",
        "engines": {name: frame.describe() for name, frame in FRAMES.items()},
    }
