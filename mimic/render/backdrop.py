"""Ground and sky without OpenGL: the MJCF's chequered floor, its gradient sky and haze, painted with NumPy.

The camera has no roll, so every pixel's view ray is known once the angles are; each frame only slides the eye. The
pattern is filtered analytically (box filter of a square wave over the pixel's footprint), so it never shimmers.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from mimic.render.camera import Camera

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """Colours (rgb in 0..1), floor cell and line width [m], and the direction to the light (3,), of a scene."""

    cell_a: Rgb = (0.80, 0.83, 0.85)
    cell_b: Rgb = (0.74, 0.77, 0.80)
    line: Rgb = (0.92, 0.93, 0.94)
    cell: float = 1.0
    line_width: float = 0.008
    sky_top: Rgb = (0.56, 0.71, 0.88)
    sky_horizon: Rgb = (0.93, 0.95, 0.96)
    to_light: tuple[float, float, float] = (0.34, -0.44, 0.83)

    @staticmethod
    def of(model: mujoco.MjModel) -> Look:
        """Read from a model's floor material, sky texture and first light; what it lacks stays as it is above."""
        found: dict[str, object] = {}
        planes = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE)
        material = model.geom_matid[planes[0]] if len(planes) else -1
        texture = model.mat_texid[material][mujoco.mjtTextureRole.mjTEXROLE_RGB] if material >= 0 else -1
        if texture >= 0:
            image, size = _texture(model, texture), model.tex_width[texture]
            quarter = size // 4
            found |= {"cell_a": image[quarter, quarter], "cell_b": image[quarter, 3 * quarter], "line": image[0, size // 2]}
            if model.mat_texuniform[material]:  # then a texture, two cells wide, covers 2 m / texrepeat
                found["cell"] = 1.0 / float(model.mat_texrepeat[material][0])
                found["line_width"] = 4.0 * float(found["cell"]) / size  # type: ignore[arg-type]
        sky = np.flatnonzero(model.tex_type == mujoco.mjtTexture.mjTEXTURE_SKYBOX)
        if len(sky):
            side = _texture(model, sky[0])[: model.tex_width[sky[0]]]  # its first face is a side of the cube
            found |= {"sky_top": side[0, 0], "sky_horizon": side[len(side) // 2, 0]}
        if model.nlight:
            found["to_light"] = tuple((-model.light_dir[0] / np.linalg.norm(model.light_dir[0])).tolist())
        return Look(**found)  # type: ignore[arg-type]


class Backdrop:
    """Paints the empty scene for one picture size and view direction."""

    def __init__(self, look: Look, size: tuple[int, int], camera: Camera) -> None:
        self.look, (self.width, self.height) = look, size
        forward, right, up = (axis.numpy() for axis in camera.axes())
        tan_y = np.tan(0.5 * camera.fov_y)
        x = (np.arange(self.width) + 0.5 - 0.5 * self.width) * (2 * tan_y / self.height)
        y = (0.5 * self.height - np.arange(self.height) - 0.5) * (2 * tan_y / self.height)
        rays = forward + x[None, :, None] * right + y[:, None, None] * up
        # No roll: a row has one slope, and the ground starts at one row.
        slope = rays[:, self.width // 2, 2]
        self.first_ground_row = int(np.searchsorted(-slope, 1e-3))
        ground = rays[self.first_ground_row :]
        self._per_eye_height = (ground[..., :2] / -ground[..., 2:]).astype(np.float32)  # floor point - eye, per metre
        self._pixel_m = (2 * tan_y / self.height / -ground[..., 2]).astype(np.float32)  # footprint, per metre
        self._sky = self._paint_sky(slope[: self.first_ground_row])

    def floor_points(self, camera: Camera) -> np.ndarray:
        """World (x, y) [m] seen by each pixel from ``first_ground_row`` down, (rows, width, 2) float32."""
        eye = camera.eye().numpy()
        return self._per_eye_height * np.float32(eye[2]) + eye[:2].astype(np.float32)

    def paint(self, camera: Camera) -> np.ndarray:
        """The empty scene, (height, width, 3) float32 in 0..255."""
        image = np.empty((self.height, self.width, 3), np.float32)
        image[: self.first_ground_row] = self._sky[:, None]
        image[self.first_ground_row :] = self._paint_floor(self.floor_points(camera), float(camera.eye()[2]))
        return image

    def _paint_sky(self, slope: np.ndarray) -> np.ndarray:
        rise = np.clip(slope / 0.35, 0, 1)[:, None] ** 0.8
        top, horizon = np.array(self.look.sky_top), np.array(self.look.sky_horizon)
        return ((1 - rise) * horizon + rise * top).astype(np.float32) * np.float32(255)

    def _paint_floor(self, points: np.ndarray, eye_height: float) -> np.ndarray:
        look, pixel = self.look, self._pixel_m * np.float32(eye_height)
        distance = np.sqrt((self._per_eye_height**2).sum(-1)) * np.float32(eye_height)
        along = pixel * np.maximum(1.0, distance / np.float32(eye_height))  # a pixel is long where seen at a slant
        wave_x = _square_wave(points[..., 0], look.cell, along)
        wave_y = _square_wave(points[..., 1], look.cell, along)
        share = (0.5 + 0.5 * wave_x * wave_y)[..., None]
        colour = share * np.float32(look.cell_a) + (1 - share) * np.float32(look.cell_b)
        lines = 1 - (1 - _lines(points[..., 0], look, along)) * (1 - _lines(points[..., 1], look, along))
        colour += lines[..., None] * (np.float32(look.line) - colour)
        haze = np.clip((distance - 6.0) / 24.0, 0, 1)[..., None]
        colour += haze * (np.float32(look.sky_horizon) - colour)
        return colour * np.float32(255)


def _square_wave(x: np.ndarray, cell: float, footprint: np.ndarray) -> np.ndarray:
    """Mean over [x - footprint/2, x + footprint/2] of the wave that is +1 and -1 in turn, ``cell`` long each."""
    half = np.float32(0.5) * np.maximum(footprint, np.float32(1e-4))

    def integral(at: np.ndarray) -> np.ndarray:  # a triangle wave
        return np.abs(np.mod(at, np.float32(2 * cell)) - np.float32(cell))

    return (integral(x - half) - integral(x + half)) / (2 * half)


def _lines(x: np.ndarray, look: Look, footprint: np.ndarray) -> np.ndarray:
    """Share of the footprint that a line on every second cell border covers, 0..1."""
    to_line = np.abs(np.mod(x, np.float32(2 * look.cell)) - np.float32(look.cell))
    width = np.float32(look.line_width)
    overlap = np.minimum(to_line + footprint / 2, width / 2) - np.maximum(to_line - footprint / 2, -width / 2)
    return np.clip(overlap, 0, None) / footprint


def _texture(model: mujoco.MjModel, texture: int) -> np.ndarray:
    """Pixels (height, width, 3) in 0..1."""
    height, width, channels = model.tex_height[texture], model.tex_width[texture], model.tex_nchannel[texture]
    start = model.tex_adr[texture]
    return model.tex_data[start : start + height * width * channels].reshape(height, width, channels)[..., :3] / 255.0
