"""Rotations and vectors as ONNX operators.

A rotation is a 3x3 matrix, because one matrix product of a quaternion's outer product gives the matrices of a whole
skeleton. Vectors are rows: ``v @ R`` rotates v by the inverse of R.
"""

import numpy as np

from mimic.exporting.onnx_graph import Graph

_ROT6 = [0, 3, 6, 2, 5, 8]  # first and last column of a matrix that is stored row by row


class RotationGraph(Graph):
    """A graph with operators for rotation matrices; each method returns the name of its result."""

    def scalar(self, value: float) -> str:
        """Add a constant (1, 1)."""
        return self.constant([[value]])

    def transpose(self, matrix: str) -> str:
        """Transpose a matrix (3, 3), which inverts a rotation."""
        return self.op("Transpose", matrix, perm=[1, 0])

    def matrices(self, quats: str, count: int) -> str:
        """Convert unit quaternions (1, count, 4) wxyz to rotation matrices (1, count, 3, 3)."""
        outer = self.op("MatMul", self.reshape(quats, 1, count, 4, 1), self.reshape(quats, 1, count, 1, 4))
        product = self.op("MatMul", self.reshape(outer, 1, count, 16), self.constant(_quadratic()))
        return self.reshape(self.op("Add", product, self.constant(np.eye(3).reshape(9))), 1, count, 3, 3)

    def rot6(self, matrices: str) -> str:
        """Return the first and last columns (1, 6 N) of N rotation matrices, the 6D form of rotations."""
        rows = self.reshape(matrices, -1, 9)
        return self.reshape(self.gather(rows, _ROT6), 1, -1)

    def yaw_matrix(self, yaw: str) -> str:
        """Return the rotation (3, 3) about z by an angle (1, 1) [rad]."""
        return self._rotation_about_z(self.op("Cos", yaw), self.op("Sin", yaw))

    def heading_matrix(self, rotation: str) -> str:
        """Return the rotation (3, 3) about z that turns x to the horizontal direction of a rotation's x axis."""
        rows = self.reshape(rotation, 1, 9)
        x_axis = self.gather(rows, [0, 3])
        length = self.op("Max", self.op("ReduceL2", x_axis, axes=[1], keepdims=1), self.scalar(1e-12))
        unit = self.op("Div", x_axis, length)
        return self._rotation_about_z(self.gather(unit, [0]), self.gather(unit, [1]))

    def rotate(self, vector: str, matrix: str) -> str:
        """Rotate a row vector (1, 3) by a matrix (3, 3)."""
        return self.op("MatMul", vector, self.transpose(matrix))

    def rotate_each(self, matrices: str, vectors: list[tuple[float, ...]]) -> str:
        """Rotate each of N constant vectors by its matrix (1, N, 3, 3); return (1, N, 3)."""
        count = len(vectors)
        column = self.constant(np.array(vectors).reshape(1, count, 3, 1))
        return self.reshape(self.op("MatMul", matrices, column), 1, count, 3)

    def cross(self, a: str, b: str, count: int) -> str:
        """Return the cross products (1, count, 3) of vectors (1, count, 3)."""
        outer = self.op("MatMul", self.reshape(a, 1, count, 3, 1), self.reshape(b, 1, count, 1, 3))
        return self.op("MatMul", self.reshape(outer, 1, count, 9), self.constant(_levi_civita()))

    def _rotation_about_z(self, cos: str, sin: str) -> str:
        """Return the rotation (3, 3) about z with a cosine and a sine, both (1, 1)."""
        parts = [
            self.op("Mul", cos, self.constant([[1, 0, 0], [0, 1, 0], [0, 0, 0]])),
            self.op("Mul", sin, self.constant([[0, -1, 0], [1, 0, 0], [0, 0, 0]])),
            self.constant([[0, 0, 0], [0, 0, 0], [0, 0, 1]]),
        ]
        return self.op("Add", self.op("Add", parts[0], parts[1]), parts[2])


def _quadratic() -> np.ndarray:
    """Return (16, 9): it maps products q_i q_j of a quaternion wxyz to its rotation matrix minus the identity."""
    w, x, y, z = range(4)
    terms = [
        [(y, y, -2), (z, z, -2)],
        [(x, y, 2), (w, z, -2)],
        [(x, z, 2), (w, y, 2)],
        [(x, y, 2), (w, z, 2)],
        [(x, x, -2), (z, z, -2)],
        [(y, z, 2), (w, x, -2)],
        [(x, z, 2), (w, y, -2)],
        [(y, z, 2), (w, x, 2)],
        [(x, x, -2), (y, y, -2)],
    ]
    matrix = np.zeros((16, 9))
    for entry, products in enumerate(terms):
        for i, j, factor in products:
            matrix[4 * i + j, entry] = factor
    return matrix


def _levi_civita() -> np.ndarray:
    """Return (9, 3): it maps the products a_i b_j to the cross product of a and b."""
    matrix = np.zeros((9, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        matrix[3 * i + j, k], matrix[3 * j + i, k] = 1.0, -1.0
    return matrix
