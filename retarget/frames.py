"""Orientations out of directions, and out of a recording's own joint rotations once the two have been compared.

Two directions of a segment define a frame. The same two directions of the character at rest define its rest frame, and
the rotation from the rest frame to the frame is the orientation of the character's body. If the recording has joint
rotations, ``fit_constant_offset`` averages the constant rotation between them and these frames over the clip. This
replaces offsets set by hand, and it works where directions are undetermined, as on a straight limb.
"""

import torch
from torch import Tensor

from mimic.core.rotations import quat_conj, quat_from_matrix, quat_mul

UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def unit(v: Tensor) -> Tensor:
    """Directions (..., 3) of length one; a zero vector stays zero."""
    return v / v.norm(dim=-1, keepdim=True).clamp_min(1e-9)


def orthogonal(v: Tensor, axis: Tensor) -> Tensor:
    """The part of v (..., 3) at right angles to the unit ``axis``."""
    return v - (v * axis).sum(-1, keepdim=True) * axis


def smoothstep(x: Tensor) -> Tensor:
    """Cubic that rises from 0 at x = 0 to 1 at x = 1, and is constant beyond."""
    x = x.clamp(0.0, 1.0)
    return x * x * (3 - 2 * x)


def frame(first: Tensor, second: Tensor) -> Tensor:
    """Matrix (..., 3, 3) of columns: ``first``, ``second`` made orthogonal to it, and their cross product."""
    x = unit(first)
    y = unit(orthogonal(second.expand_as(first), x))
    return torch.stack((x, y, torch.linalg.cross(x, y)), -1)


def rotation_between_frames(at_rest: Tensor, now: Tensor) -> Tensor:
    """Quaternions (..., 4) that turn the frame ``at_rest`` (3, 3) into frames ``now`` (..., 3, 3)."""
    return quat_from_matrix(now @ at_rest.transpose(-1, -2))


def shortest_rotation(a: Tensor, b: Tensor) -> Tensor:
    """The shortest turn (..., 4) of directions a (..., 3) to directions b."""
    a, b = unit(a), unit(b)
    half = unit(a + b)
    return torch.cat(((half * a).sum(-1, keepdim=True), torch.linalg.cross(a, half)), -1)


def average_quat(quats: Tensor, weights: Tensor) -> Tensor:
    """The mean rotation (4,) of quaternions (T, 4) with weights (T,): the largest eigenvector of their outer products."""
    moments = torch.einsum("t,ti,tj->ij", weights, quats, quats)
    return torch.linalg.eigh(moments).eigenvectors[:, -1]


def fit_constant_offset(recorded: Tensor, wanted: Tensor, weights: Tensor | None = None) -> Tensor:
    """The given rotations (T, 4) times the constant rotation that brings them nearest to ``wanted`` (T, 4) on average."""
    weights = torch.ones(len(recorded), dtype=recorded.dtype) if weights is None else weights
    return quat_mul(recorded, average_quat(quat_mul(quat_conj(recorded), wanted), weights).expand_as(recorded))
