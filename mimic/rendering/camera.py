"""A camera that follows the characters, planned over the whole clip before the first frame is drawn.

The camera keeps its angles and slides along. Its path is a centred average of the characters' path, without lag. Its
distance is large enough for the widest poses around each frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from scipy.ndimage import gaussian_filter1d, maximum_filter1d
from torch import Tensor

from mimic.core.rotations import heading_angle

FOV_Y = math.radians(30.0)
ELEVATION = math.radians(-11.0)
SIDE_ANGLE = math.radians(125.0)  # from the character's heading to the view direction: from ahead, at its right
NEAREST, FARTHEST = 3.6, 16.0  # [m]
_SMOOTHING_S = 0.6
_FLESH, _HEAD, _SOLE = 0.25, 0.33, 0.08  # [m] a character reaches beyond its bodies' origins: aside, above, below
_FIT_X, _FIT_Y = 0.88, 0.76  # share of the picture's half width and height for figures; words are above and below


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll. Angles [rad] follow MuJoCo: azimuth and elevation of the view direction.

    Attributes:
        lookat: (3,) [m] float64, the world point in the middle of the picture.
        distance: distance [m] from the eye to ``lookat``.
        fov_y: full vertical field of view [rad].
    """

    lookat: Tensor
    distance: float
    azimuth: float
    elevation: float = ELEVATION
    fov_y: float = FOV_Y

    def axes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the camera's forward, right and up axes in the world, unit vectors (3,)."""
        return view_axes(self.azimuth, self.elevation)

    def eye(self) -> Tensor:
        """Return the camera's position (3,) [m] in the world."""
        return self.lookat - self.distance * self.axes()[0]

    def project(self, points: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
        """Project world points (N, 3) [m] to pixels (N, 2) from the upper left corner, y down; return depths (N,) [m] too."""
        forward, right, up = self.axes()
        relative = points.to(torch.float64) - self.eye()
        depth = relative @ forward
        scale = 0.5 * height / math.tan(0.5 * self.fov_y)
        x = 0.5 * width + scale * (relative @ right) / depth
        y = 0.5 * height - scale * (relative @ up) / depth
        return torch.stack((x, y), -1), depth


def view_axes(azimuth: float, elevation: float = ELEVATION) -> tuple[Tensor, Tensor, Tensor]:
    """Return forward, right and up axes in the world, unit vectors (3,), of a view direction with these angles [rad]."""
    ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
    forward, right, up = (ca * ce, sa * ce, se), (sa, -ca, 0.0), (-ca * se, -sa * se, ce)
    return tuple(torch.tensor(axis, dtype=torch.float64) for axis in (forward, right, up))  # type: ignore[return-value]


def side_azimuth(root_quat: Tensor) -> float:
    """Return the azimuth [rad] of a view from ahead and to the right of a character with root orientations (T, 4).

    "Ahead" is the mean heading or, if the character turns all the way round, the first heading.
    """
    heading = heading_angle(root_quat.to(torch.float64))
    mean_x, mean_y = float(heading.cos().mean()), float(heading.sin().mean())
    ahead = math.atan2(mean_y, mean_x) if math.hypot(mean_x, mean_y) > 0.5 else float(heading[0])
    return ahead + SIDE_ANGLE


def separation(points: Tensor, azimuth: float) -> float:
    """Return the distance [m] at which two characters side by side do not overlap in the picture, 1.1 to 3.2.

    ``points`` (T, B, 3) [m] are the body positions of one; ``azimuth`` [rad] is the view's.
    """
    right = view_axes(azimuth)[1]
    across = (points.to(torch.float64) - points[:, :1]) @ right
    return min(max(float(across.max() - across.min()) + 2 * _FLESH, 1.1), 3.2)


def plan(points: Tensor, azimuth: float, aspect: float, fps: float, cuts: Sequence[int] = ()) -> list[Camera]:
    """Plan one camera for each frame of drawn body positions (T, P, 3) [m]; ``aspect`` is width / height.

    ``cuts`` are the frames at which a new scene starts and the camera jumps.
    """
    cameras: list[Camera] = []
    for take in _takes(len(points), cuts):
        cameras += _plan_take(points[take].to(torch.float64), azimuth, aspect, fps)
    return cameras


def find_cuts(root: Tensor, fps: float) -> list[int]:
    """Return the frames at which a root path (T, 3) [m] jumps, that is, moves faster than 12 m/s."""
    jumps = root.diff(dim=0).norm(dim=-1) * fps > 12.0
    return (jumps.nonzero().flatten() + 1).tolist()


def smooth_path(points: Tensor, fps: float, cuts: Sequence[int] = ()) -> Tensor:
    """Smooth points (T, 3) in time like the camera's path, so that a label at them moves with the camera."""
    return torch.cat(
        [_smooth(points[take].to(torch.float64), _SMOOTHING_S * fps) for take in _takes(len(points), cuts)]
    )


def _plan_take(points: Tensor, azimuth: float, aspect: float, fps: float) -> list[Camera]:
    forward, right, up = view_axes(azimuth)
    window, sigma = max(1, int(2 * _SMOOTHING_S * fps)), _SMOOTHING_S * fps
    low, high = points.amin(1), points.amax(1)
    # Up and down it does not follow, or a jump would look like the ground falling: it frames the window's extent.
    low[:, 2], high[:, 2] = -_widest(-low[:, 2], window) - _SOLE, _widest(high[:, 2], window) + _HEAD
    middle = _smooth(0.5 * (low + high), sigma)
    relative = points - middle[:, None]
    depth, tan_y = relative @ forward, math.tan(0.5 * FOV_Y)
    need_x = ((relative @ right).abs() + _FLESH) / (_FIT_X * tan_y * aspect) - depth
    over, under = relative @ up + _HEAD, _SOLE - relative @ up
    need_y = torch.maximum(over, under) / (_FIT_Y * tan_y) - depth
    needed = torch.maximum(need_x, need_y).amax(1).clamp(NEAREST, FARTHEST)
    distance = _smooth(_widest(needed, window), sigma)
    return [Camera(at, float(d), azimuth) for at, d in zip(middle, distance, strict=True)]


def _widest(values: Tensor, window: int) -> Tensor:
    return torch.from_numpy(maximum_filter1d(values.numpy(), window, mode="nearest"))


def _takes(frames: int, cuts: Sequence[int]) -> list[slice]:
    edges = [0, *cuts, frames]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _smooth(values: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(gaussian_filter1d(values.numpy(), sigma, axis=0, mode="nearest"))
