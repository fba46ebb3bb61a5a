"""Convert positions, rotations and velocities to Unity, Unreal, Godot and glTF, and back.

Our frame has z up, x forward, y to the left, metres, and quaternions wxyz. An engine's frame is a matrix M, whose rows
are the engine's axes in our frame, and a unit of length. With s the unit's length in metres:

    position, velocity      p' = M p / s          (M is orthogonal: back with its transpose)
    rotation, ang. velocity w' = w, v' = det(M) M v    for the quaternion (w, v) and for angular velocities

The sign det(M) is -1 if the engine's frame is left-handed, because a mirrored rotation turns the other way.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Frame:
    """The axes of an engine.

    Attributes:
        name: name of the engine.
        axes: (3, 3); row i is the engine's axis i in our frame.
        units_per_metre: number of the engine's length units in a metre.
        up, forward, right: the character's directions in the engine's axes, as "+Y".
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
        """The matrix (3, 3) that rotates our vectors to the engine's axes, without the unit of length."""
        return np.array(self.axes)

    @property
    def handedness(self) -> str:
        """The handedness of the frame: "right" or "left"."""
        return "right" if np.linalg.det(self.matrix) > 0 else "left"

    def position(self, pos: Array) -> Array:
        """Convert our positions or velocities (..., 3) [m, m/s] to the engine's axes and length unit."""
        return pos @ self.matrix.T * self.units_per_metre

    def position_back(self, pos: Array) -> Array:
        """Convert the engine's positions or velocities to ours: the inverse of ``position``."""
        return pos / self.units_per_metre @ self.matrix

    def angular(self, vector: Array) -> Array:
        """Convert our angular velocities or rotation vectors (..., 3) [rad/s, rad] to the engine's axes."""
        return pos_sign(self.matrix) * vector @ self.matrix.T

    def angular_back(self, vector: Array) -> Array:
        """Convert the engine's angular velocities or rotation vectors to ours: the inverse of ``angular``."""
        return pos_sign(self.matrix) * vector @ self.matrix

    def rotation(self, quat: Array) -> Array:
        """Convert our quaternions (..., 4) wxyz to the engine's axes and order."""
        turned = np.concatenate((quat[..., :1], self.angular(quat[..., 1:])), -1)
        return turned if self.quaternion == "wxyz" else np.roll(turned, -1, -1)

    def rotation_back(self, quat: Array) -> Array:
        """Convert the engine's quaternions to ours: the inverse of ``rotation``."""
        ours = quat if self.quaternion == "wxyz" else np.roll(quat, 1, -1)
        return np.concatenate((ours[..., :1], self.angular_back(ours[..., 1:])), -1)

    def direction(self, word: str) -> Array:
        """Return the unit vector (3,) of a direction such as "+X" or "-Z"."""
        return (1.0 if word[0] == "+" else -1.0) * np.eye(3)["XYZ".index(word[1])]

    def describe(self) -> dict[str, Any]:
        """Return the engine's entry in ``conventions.json``."""
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
    """Return the sign of the determinant: +1 if a change of axes keeps handedness, -1 if it changes it."""
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
    """Return the content of ``conventions.json`` without its schema version."""
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
