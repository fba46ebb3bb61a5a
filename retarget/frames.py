"""Computes orientations from the directions of segments, and from a recording's joint rotations by a fitted offset.

Two directions of a segment define a frame. The same two directions of the character at rest define a rest frame. The
rotation from the rest frame to the frame is the orientation of the character's body. If the recording has joint
rotations, ``fit_constant_offset`` averages the constant rotation between them and these orientations over the clip. No
offset is set by hand, and a straight limb, whose directions leave its twist open, gets an orientation too.
"""

import torch
from torch import Tensor

from mimic.core.rotations import quat_conj, quat_from_matrix, quat_mul

UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def unit(v: Tensor) -> Tensor:
    """Scale vectors (..., 3) to length one; a zero vector stays zero."""
    return v / v.norm(dim=-1, keepdim=True).clamp_min(1e-9)


def orthogonal(v: Tensor, axis: Tensor) -> Tensor:
    """Return the part of ``v`` (..., 3) that is orthogonal to the unit vector ``axis``."""
    return v - (v * axis).sum(-1, keepdim=True) * axis


def smoothstep(x: Tensor) -> Tensor:
    """Return the cubic that rises from 0 at x = 0 to 1 at x = 1; it is constant outside."""
    x = x.clamp(0.0, 1.0)
    return x * x * (3 - 2 * x)


def frame(first: Tensor, second: Tensor) -> Tensor:
    """Return rotation matrices (..., 3, 3) with columns x along ``first``, y along ``second`` made orthogonal to x, and z."""
    x = unit(first)
    y = unit(orthogonal(second.expand_as(first), x))
    return torch.stack((x, y, torch.linalg.cross(x, y)), -1)


def rotation_between_frames(at_rest: Tensor, now: Tensor) -> Tensor:
    """Return the quaternions (..., 4) that turn the frame ``at_rest`` (3, 3) into the frames ``now`` (..., 3, 3)."""
    return quat_from_matrix(now @ at_rest.transpose(-1, -2))


def shortest_rotation(a: Tensor, b: Tensor) -> Tensor:
    """Return the shortest rotations (..., 4) from directions ``a`` (..., 3) to directions ``b``."""
    a, b = unit(a), unit(b)
    half = unit(a + b)
    return torch.cat(((half * a).sum(-1, keepdim=True), torch.linalg.cross(a, half)), -1)


def average_quat(quats: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean rotation (4,) of quaternions (T, 4): the main eigenvector of the
    weighted sum of their outer products."""
    moments = torch.einsum("t,ti,tj->ij", weights, quats, quats)
    return torch.linalg.eigh(moments).eigenvectors[:, -1]


def fit_constant_offset(recorded: Tensor, wanted: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return ``recorded`` (T, 4) times the constant rotation, from the right, that brings it nearest to ``wanted`` (T, 4).

    Nearest is meant on average over the frames, with ``weights`` (T,), by default equal.
    """
    weights = torch.ones(len(recorded), dtype=recorded.dtype) if weights is None else weights
    return quat_mul(recorded, average_quat(quat_mul(quat_conj(recorded), wanted), weights).expand_as(recorded))
