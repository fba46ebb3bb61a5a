"""Rotations in torch, batched over every leading dimension.

Quaternions are (..., 4) wxyz and have unit length; a quaternion and its negative are the same rotation.
``quat_mul(a, b)`` turns by ``b`` first. Rotation vectors (..., 3) [rad] are axis times angle. Every function works in
any float type and on any device, and tiny angles lose no precision.

On a CPU, results store each component contiguously (a transposed view), because arithmetic on whole components is
several times faster there. On a GPU every operation costs about the same, so fewer operations on whole vectors are
faster.
"""

from functools import cached_property

import torch
from torch import Tensor


def quat_mul(a: Tensor, b: Tensor) -> Tensor:
    """Return the Hamilton product a * b, (..., 4) wxyz: the rotation b followed by the rotation a."""
    if _few_operations(a):
        aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
        w = aw * bw - (av * bv).sum(-1, keepdim=True)
        return torch.cat((w, torch.addcmul(torch.addcmul(cross(av, bv), aw, bv), bw, av)), -1)
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return _stack(
        _less(_less(_less(aw * bw, ax, bx), ay, by), az, bz),
        _less(_plus(_plus(aw * bx, ax, bw), ay, bz), az, by),
        _plus(_plus(_less(aw * by, ax, bz), ay, bw), az, bx),
        _plus(_less(_plus(aw * bz, ax, by), ay, bx), az, bw),
    )


def quat_conj(q: Tensor) -> Tensor:
    """Return the inverse of unit quaternions, (..., 4) wxyz."""
    return torch.cat((q[..., :1], -q[..., 1:]), -1)


def quat_normalize(q: Tensor) -> Tensor:
    """Return q (..., 4) wxyz scaled to unit length; a zero quaternion gives NaN."""
    return q / _length(q)


def quat_rotate(q: Tensor, v: Tensor) -> Tensor:
    """Return v (..., 3) turned by q (..., 4) wxyz."""
    w, axis = q[..., :1], q[..., 1:]
    t = 2.0 * cross(axis, v)
    return _plus(v, w, t) + cross(axis, t)


def quat_rotate_inverse(q: Tensor, v: Tensor) -> Tensor:
    """Return v (..., 3) turned by the inverse of q (..., 4) wxyz."""
    w, axis = q[..., :1], q[..., 1:]
    t = 2.0 * cross(axis, v)
    return _less(v, w, t) + cross(axis, t)


def quat_from_rotvec(rotvec: Tensor) -> Tensor:
    """Convert rotation vectors (..., 3) [rad] to quaternions (..., 4) wxyz (the exponential map)."""
    half = 0.5 * _length(rotvec)
    # sin(half) / angle = sinc / 2; torch.sinc has the factor pi inside and is exact at zero
    return torch.cat((half.cos(), 0.5 * torch.sinc(half / torch.pi) * rotvec), -1)


def quat_to_rotvec(q: Tensor) -> Tensor:
    """Convert quaternions (..., 4) wxyz to the shortest rotation vectors (..., 3) [rad], of angle at most pi."""
    w, axis = q[..., :1], q[..., 1:]
    sin_half = _length(axis)
    angle = 2.0 * torch.atan2(sin_half, w.abs())
    tiny = torch.finfo(q.dtype).tiny
    scale = torch.where(sin_half > tiny, angle / sin_half.clamp_min(tiny), 2.0)
    return torch.where(w < 0, -scale, scale) * axis


def quat_angle(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle (...,) [rad] in [0, pi] between the rotations a and b, (..., 4) wxyz."""
    difference = quat_mul(quat_conj(a), b)
    return 2.0 * torch.atan2(_length(difference[..., 1:]), difference[..., :1].abs())[..., 0]


def quat_slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Interpolate from a (t = 0) to b (t = 1), (..., 4) wxyz, at constant speed on the shorter arc.

    ``t`` broadcasts against the leading dimensions (...,).
    """
    step = quat_to_rotvec(quat_mul(quat_conj(a), b))
    return quat_mul(a, quat_from_rotvec(t[..., None] * step))


def quat_from_axis_angle(axis: Tensor, angle: Tensor) -> Tensor:
    """Return quaternions (..., 4) wxyz that turn by ``angle`` (...,) [rad] about the unit vectors ``axis`` (..., 3)."""
    half = 0.5 * angle[..., None]
    return torch.cat((half.cos(), half.sin() * axis), -1)


def quat_from_matrix(m: Tensor) -> Tensor:
    """Convert rotation matrices (..., 3, 3) to quaternions (..., 4) wxyz.

    The largest of the four components is computed first, because the others are divided by it.
    """
    d = torch.diagonal(m, dim1=-2, dim2=-1)
    trace = d.sum(-1, keepdim=True)
    squares = torch.cat((1 + trace, 1 + 2 * d - trace), -1).clamp_min(0.0)  # four times each component's square
    w = torch.stack((m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]), -1)
    s = m + m.transpose(-1, -2)
    rows = torch.stack(
        (
            torch.cat((squares[..., :1], w), -1),
            torch.stack((w[..., 0], squares[..., 1], s[..., 0, 1], s[..., 0, 2]), -1),
            torch.stack((w[..., 1], s[..., 0, 1], squares[..., 2], s[..., 1, 2]), -1),
            torch.stack((w[..., 2], s[..., 0, 2], s[..., 1, 2], squares[..., 3]), -1),
        ),
        -2,
    )
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    return quat_normalize(rows.gather(-2, best)[..., 0, :])


def quat_to_rot6d(q: Tensor) -> Tensor:
    """Return the turned x and z axes, (..., 6): a continuous description of a rotation (Zhou et al. 2019)."""
    w, x, y, z = q.unbind(-1)
    return _stack(
        1 - 2 * (y * y + z * z),
        2 * (x * y + w * z),
        2 * (x * z - w * y),
        2 * (x * z + w * y),
        2 * (y * z - w * x),
        1 - 2 * (x * x + y * y),
    )


def heading_angle(q: Tensor) -> Tensor:
    """Return the direction (...,) [rad] of the turned x axis in the horizontal plane, as an angle about z."""
    w, x, y, z = q.unbind(-1)
    return torch.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def quat_from_yaw(yaw: Tensor) -> Tensor:
    """Return quaternions (..., 4) wxyz that turn by ``yaw`` (...,) [rad] about z."""
    zero = torch.zeros_like(yaw)
    return torch.stack(((0.5 * yaw).cos(), zero, zero, (0.5 * yaw).sin()), -1)


class Yaw:
    """Rotations about z by ``yaw`` (N,) [rad], which cost less than general quaternions.

    Vectors are (N, 3) or (N, K, 3), quaternions (N, 4) or (N, K, 4) wxyz.
    """

    def __init__(self, yaw: Tensor) -> None:
        self._yaw = yaw

    @cached_property
    def _whole(self) -> tuple[Tensor, Tensor]:
        return self._yaw.cos(), self._yaw.sin()

    @cached_property
    def _half(self) -> tuple[Tensor, Tensor]:
        half = 0.5 * self._yaw
        return half.cos(), half.sin()

    def rotate(self, v: Tensor) -> Tensor:
        """Return the vectors v turned by yaw."""
        cos, sin = _beside(v, *self._whole)
        x, y, z = v.unbind(-1)
        return _stack(_less(cos * x, sin, y), _plus(sin * x, cos, y), z)

    def rotate_inverse(self, v: Tensor) -> Tensor:
        """Return the vectors v turned by minus yaw: their components in the turned frame."""
        cos, sin = _beside(v, *self._whole)
        x, y, z = v.unbind(-1)
        return _stack(_plus(cos * x, sin, y), _less(cos * y, sin, x), z)

    def mul(self, q: Tensor) -> Tensor:
        """Return the rotation q followed by the turn by yaw about z."""
        cos, sin = _beside(q, *self._half)
        w, x, y, z = q.unbind(-1)
        return _stack(_less(cos * w, sin, z), _less(cos * x, sin, y), _plus(sin * x, cos, y), _plus(sin * w, cos, z))

    def inverse_mul(self, q: Tensor) -> Tensor:
        """Return the rotation q followed by the turn by minus yaw about z."""
        cos, sin = _beside(q, *self._half)
        w, x, y, z = q.unbind(-1)
        return _stack(_plus(cos * w, sin, z), _plus(cos * x, sin, y), _less(cos * y, sin, x), _less(cos * z, sin, w))


def _beside(v: Tensor, *parts: Tensor) -> list[Tensor]:
    """Reshape each tensor (N,) of ``parts`` so that it broadcasts against one component of v, (N,) or (N, K)."""
    return [part.view(-1, *(1,) * (v.dim() - 2)) for part in parts]


def quat_hemisphere(q: Tensor) -> Tensor:
    """Return the same rotations (T, ..., 4) with signs such that neighbours in the first dimension are close."""
    if len(q) < 2:
        return q.clone()
    flips = torch.where((q[1:] * q[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0).to(q.dtype)
    signs = torch.cat((torch.ones_like(flips[:1]), flips.cumprod(0)))
    return q * signs


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Return the cross product of vectors (..., 3).

    On a CPU this is faster than torch.linalg.cross, which is slow for a last dimension of 3.
    """
    if _few_operations(a):
        shape = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
        return torch.linalg.cross(a.expand(shape), b.expand(shape))
    ax, ay, az = a.unbind(-1)
    bx, by, bz = b.unbind(-1)
    return _stack(_less(ay * bz, az, by), _less(az * bx, ax, bz), _less(ax * by, ay, bx))


def _plus(sum_: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.addcmul(sum_, a, b)


def _less(sum_: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.addcmul(sum_, a, b, value=-1)


def _few_operations(v: Tensor) -> bool:
    return v.is_cuda


def _stack(*components: Tensor) -> Tensor:
    return torch.stack(components).movedim(0, -1)


def _length(v: Tensor) -> Tensor:
    # torch.norm is several times slower on components that lie apart in memory
    return v.square().sum(-1, keepdim=True).sqrt()
