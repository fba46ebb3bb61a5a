"""Paints ground and sky with NumPy, without OpenGL: the MJCF's chequered floor, its gradient sky, and haze.

The camera's angles stay the same, so the view ray of every pixel is computed once, and each frame only moves the eye. The
pattern is filtered analytically (box filter of a square wave over the pixel's footprint), so it never shimmers.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from mimic.rendering.camera import Camera

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """The look of a scene: colours (rgb in 0..1), widths [m] of floor cell and line, direction to the light (3,)."""

    cell_a: Rgb = (0.80, 0.83, 0.85)
    cell_b: Rgb = (0.74, 0.77, 0.80)
    line: Rgb = (0.92, 0.93, 0.94)
    cell: float = 1.0
    line_width: float = 0.008
    sky_top: Rgb = (0.56, 0.71, 0.88)
    sky_horizon: Rgb = (0.93, 0.95, 0.96)
    to_light: tuple[float, float, float] = (0.34, -0.44, 0.83)
    brightness: float = 1.05

    @staticmethod
    def of(model: mujoco.MjModel) -> Look:
        """Return the look of a model's floor material, sky texture and first light; a missing part keeps its default."""
        found: dict[str, object] = {}
        planes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
        material = model.geom_matid[planes[0]] if len(planes) else -1
        texture = model.mat_texid[material][mujoco.mjtTextureRole.mjTEXROLE_RGB] if material >= 0 else -1
        if texture >= 0:
            image, size = _texture(model, texture), model.tex_width[texture]
            quarter = size // 4
            found |= {
                "cell_a": image[quarter, 3 * quarter],
                "cell_b": image[quarter, quarter],
                "line": image[0, size // 2],
            }
            if model.mat_texuniform[material]:  # then a texture, two cells wide, covers 2 m / texrepeat
                found["cell"] = 1.0 / float(model.mat_texrepeat[material][0])
                found["line_width"] = 4.0 * float(found["cell"]) / size  # type: ignore[arg-type]
        sky = np.flatnonzero(model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX)
        if len(sky):
            side = _texture(model, sky[0])[: model.tex_width[sky[0]]]  # its first face is a side of the cube
            found |= {"sky_top": side[0, 0], "sky_horizon": side[len(side) // 2, 0]}
        if model.nlight:
            found["to_light"] = tuple((-model.light_dir[0] / np.linalg.norm(model.light_dir[0])).tolist())
            found["brightness"] = _ground_light(model)
        return Look(**found)  # type: ignore[arg-type]


class Background:
    """Paints the empty scene for one picture size and view direction."""

    def __init__(self, look: Look, size: tuple[int, int], camera: Camera) -> None:
        self.look, self.size = look, size
        self._angles = (camera.azimuth, camera.elevation, camera.fov_y)
        width, height = size
        forward, right, up = (axis.numpy() for axis in camera.axes())
        tan_y = np.tan(0.5 * camera.fov_y)
        x = (np.arange(width) + 0.5 - 0.5 * width) * (2 * tan_y / height)
        y = (0.5 * height - np.arange(height) - 0.5) * (2 * tan_y / height)
        rays = forward + x[None, :, None] * right + y[:, None, None] * up
        # No roll: a row has one slope, and the ground starts at one row.
        slope = rays[:, width // 2, 2]
        self.first_ground_row = int(np.searchsorted(-slope, 1e-3))
        ground = rays[self.first_ground_row :]
        # All of these are for an eye one metre above the ground, and grow with its height.
        self._offsets = (ground[..., :2] / -ground[..., 2:]).astype(np.float32)  # floor point - eye
        self._distances = np.sqrt((self._offsets**2).sum(-1))
        pixels = 2 * tan_y / height / -ground[..., 2]
        self._footprints = (pixels * np.maximum(1.0, self._distances)).astype(np.float32)  # long where seen at a slant
        self._sky = self._paint_sky(slope[: self.first_ground_row])

    def fits(self, camera: Camera) -> bool:
        """Whether the camera still has the direction that this background was made for."""
        return self._angles == (camera.azimuth, camera.elevation, camera.fov_y)

    def floor_points(self, camera: Camera, rows: slice, columns: slice) -> np.ndarray:
        """Return the world positions (x, y) [m] of the ground in these pixels, (rows, columns, 2) float32."""
        eye = camera.eye().numpy()
        first = self.first_ground_row
        part = self._offsets[rows.start - first : rows.stop - first, columns]
        return part * np.float32(eye[2]) + eye[:2].astype(np.float32)

    def paint(self, camera: Camera) -> np.ndarray:
        """Paint the empty scene; return (height, width, 3) float32 in 0..255."""
        width, height = self.size
        image = np.empty((height, width, 3), np.float32)
        image[: self.first_ground_row] = self._sky[:, None]
        points = self.floor_points(camera, slice(self.first_ground_row, height), slice(0, width))
        self._paint_floor(points, float(camera.eye()[2]), image[self.first_ground_row :])
        return image

    def _paint_sky(self, slope: np.ndarray) -> np.ndarray:
        rise = np.clip(slope / 0.35, 0, 1)[:, None] ** 0.8
        top, horizon = np.array(self.look.sky_top), np.array(self.look.sky_horizon)
        return ((1 - rise) * horizon + rise * top).astype(np.float32) * np.float32(255)

    def _paint_floor(self, points: np.ndarray, eye_height: float, out: np.ndarray) -> None:
        look, footprint = self.look, self._footprints * np.float32(eye_height)
        (wave_x, line_x), (wave_y, line_y) = (_pattern(points[..., axis], look, footprint) for axis in (0, 1))
        plain = 1 - _haze(self._distances * np.float32(eye_height))
        free = (1 - line_x) * (1 - line_y)
        chequer, line = np.float32(0.5) * plain * free * wave_x * wave_y, plain * (1 - free)
        a, b, ink, far = (255 * np.array(rgb) for rgb in (look.cell_a, look.cell_b, look.line, look.sky_horizon))
        a, b, ink = (np.minimum(rgb * look.brightness, 255) for rgb in (a, b, ink))
        middle = 0.5 * (a + b)
        for channel in range(3):  # by channel: far faster than on (rows, width, 3)
            out[..., channel] = (
                np.float32(far[channel])
                + plain * np.float32(middle[channel] - far[channel])
                + chequer * np.float32(a[channel] - b[channel])
                + line * np.float32(ink[channel] - middle[channel])
            )


def _haze(distance: np.ndarray) -> np.ndarray:
    """Return the share of the horizon's colour, 0 to 1, in a point ``distance`` [m] away."""
    return np.clip((distance - np.float32(6.0)) * np.float32(1 / 24.0), 0, 1)


def _pattern(x: np.ndarray, look: Look, footprint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of two waves over [x - footprint/2, x + footprint/2].

    The first wave is the chequer: +1 in one cell and -1 in the next. The second wave is 1 on the line along every second
    cell border, and 0 elsewhere.
    """
    period, half = np.float32(2 * look.cell), np.float32(0.5) * footprint
    to_line, below, above = (_triangle(at, period) for at in (x, x - half, x + half))  # its slope is the wave
    half_line = np.float32(0.5 * look.line_width)
    overlap = np.minimum(to_line + half, half_line) - np.maximum(to_line - half, -half_line)
    return (below - above) / footprint, np.clip(overlap, 0, None) / footprint


def _triangle(x: np.ndarray, period: np.float32) -> np.ndarray:
    """Return the distance of ``x`` to the nearest odd multiple of half the period."""
    share = x / period
    share -= np.floor(share)
    share -= np.float32(0.5)
    return np.abs(share * period)


def _ground_light(model: mujoco.MjModel) -> float:
    """Return the brightness of level ground under all lights of the model; 1 leaves a colour unchanged."""
    facing = np.clip(-model.light_dir[:, 2] / np.linalg.norm(model.light_dir, axis=1), 0, 1)
    lights = float(model.light_ambient.mean(1).sum() + (facing * model.light_diffuse.mean(1)).sum())
    head = model.vis.headlight
    return lights + (float(np.mean(head.ambient)) + 0.2 * float(np.mean(head.diffuse)) if head.active else 0.0)


def _texture(model: mujoco.MjModel, texture: int) -> np.ndarray:
    """Return the pixels (height, width, 3) of a texture, in 0..1."""
    height, width, channels = model.tex_height[texture], model.tex_width[texture], model.tex_nchannel[texture]
    start = model.tex_adr[texture]
    return model.tex_data[start : start + height * width * channels].reshape(height, width, channels)[..., :3] / 255.0
