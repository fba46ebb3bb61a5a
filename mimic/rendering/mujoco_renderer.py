"""Draws with MuJoCo's OpenGL renderer, off screen: through EGL on Linux, through the system's OpenGL elsewhere.

This module makes the context itself, so neither ``MUJOCO_GL`` nor a display matters. Importing it loads no OpenGL. The
character's model provides ground, sky and light only. Characters are solids that are added one by one, so a scene can
have any number of tinted characters. A translucent character is a blend of two pictures, with and without it, because
its overlapping solids would otherwise show each other's outlines.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from mimic.rendering.camera import Camera
from mimic.rendering.scene import DrawnCharacter, Pose

_GEOM_TYPES = {
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "box": mujoco.mjtGeom.mjGEOM_BOX,
}
_GLOSS = {"specular": 0.15, "shininess": 0.3}


class MujocoRenderer:
    """Draws characters with OpenGL, one :class:`Pose` each per frame. Call :meth:`close` at the end.

    Args:
        model: the model of ground, sky and light; its bodies are not drawn.
        figures: the characters to draw.
        size: (width, height) [px].

    Raises:
        Exception: any error of the OpenGL library; call ``probe_egl`` first.
    """

    name = "egl"

    def __init__(self, model: mujoco.MjModel, figures: Sequence[DrawnCharacter], size: tuple[int, int]) -> None:
        self.size, self._figures, self._model = size, tuple(figures), model
        model.vis.global_.offwidth, model.vis.global_.offheight = size
        # without a GPU these two are what a frame costs, and more is hardly seen
        model.vis.quality.offsamples = min(model.vis.quality.offsamples, 4)
        model.vis.quality.shadowsize = min(model.vis.quality.shadowsize, 2048)
        self._context = _make_context(*size)
        self._context.make_current()
        self._gpu = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._gpu)
        self._scene = mujoco.MjvScene(model, maxgeom=64 + sum(len(figure.geoms) for figure in figures))
        self._data = mujoco.MjData(model)
        self._rect = mujoco.MjrRect(0, 0, *size)

    def draw(self, poses: Sequence[Pose], camera: Camera) -> np.ndarray:
        """Draw one frame; return the picture (height, width, 3) uint8."""
        self._context.make_current()
        self._set_stage(camera)
        image: np.ndarray | None = None
        # solid figures first: each translucent one then blends over the picture so far
        for figure, pose in sorted(zip(self._figures, poses, strict=True), key=lambda pair: pair[0].opacity < 1):
            if figure.opacity < 1 and image is None:
                image = self._read()
            self._add(figure, pose)
            if image is not None:
                image = (1 - figure.opacity) * image + figure.opacity * self._read()
        return np.ascontiguousarray((self._read() if image is None else image).astype(np.uint8))

    def close(self) -> None:
        """Free the OpenGL memory."""
        self._context.make_current()
        self._gpu.free()
        self._context.free()

    def _set_stage(self, camera: Camera) -> None:
        """Set ground, lights and camera. Lights that track the character follow the camera's ``lookat``."""
        if self._model.nq >= 2:
            self._data.qpos[:2] = camera.lookat[:2].tolist()
        mujoco.mj_forward(self._model, self._data)
        self._model.vis.global_.fovy = math.degrees(camera.fov_y)
        view = mujoco.MjvCamera()
        view.lookat[:] = camera.lookat.tolist()
        view.distance = camera.distance
        view.azimuth, view.elevation = math.degrees(camera.azimuth), math.degrees(camera.elevation)
        mujoco.mjv_updateCamera(self._model, self._data, view, self._scene)  # first: the endless ground centres on it
        static = mujoco.mjtCatBit.mjCAT_STATIC.value
        mujoco.mjv_updateScene(self._model, self._data, mujoco.MjvOption(), None, view, static, self._scene)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = 1

    def _add(self, figure: DrawnCharacter, pose: Pose) -> None:
        pos, quat = figure.place(pose)
        rotation = np.zeros(9)
        for solid, at, turn in zip(figure.geoms, pos.numpy(), quat.numpy(), strict=True):
            geom = self._scene.geoms[self._scene.ngeom]
            mujoco.mju_quat2Mat(rotation, turn)
            rgba = np.array([*solid.rgba[:3], 1.0], np.float32)
            mujoco.mjv_initGeom(geom, _GEOM_TYPES[solid.shape].value, np.array(solid.size), at, rotation, rgba)
            geom.category = mujoco.mjtCatBit.mjCAT_DYNAMIC.value
            geom.specular, geom.shininess = _GLOSS["specular"], _GLOSS["shininess"]
            self._scene.ngeom += 1

    def _read(self) -> np.ndarray:
        image = np.empty((self.size[1], self.size[0], 3), np.uint8)
        mujoco.mjr_render(self._rect, self._scene, self._gpu)
        mujoco.mjr_readPixels(image, None, self._rect, self._gpu)
        return image[::-1]  # OpenGL counts rows from below


def _make_context(width: int, height: int) -> Any:
    if platform.system() == "Linux":
        from mujoco.egl import GLContext  # loads libEGL: not at import time
    else:
        from mujoco.gl_context import GLContext
    return GLContext(width, height)
