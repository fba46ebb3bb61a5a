"""A ball on the ground, and where it should be in a picture: the smallest thing to draw."""

import math

import mujoco
import numpy as np
import pytest
import torch

from mimic.rendering.backend import probe_egl
from mimic.rendering.camera import Camera
from mimic.rendering.mujoco_renderer import MujocoRenderer
from mimic.rendering.ray_renderer import RayRenderer
from mimic.rendering.scene import DrawnCharacter, Pose, VisualGeom
from mimic.rendering.tiny_renderer import TinyRenderer

SIZE = (320, 180)
RED, GREEN = (0.9, 0.05, 0.05, 1.0), (0.05, 0.8, 0.05, 1.0)
CAMERA = Camera(torch.tensor([1.0, 2.0, 0.6], dtype=torch.float64), 4.0, math.radians(110), math.radians(-14))

_WORLD = """
<mujoco>
  <statistic extent="4" center="0 0 0.5"/>
  <asset>
    <texture name="grid" type="2d" builtin="checker" rgb1="0.8 0.8 0.8" rgb2="0.7 0.7 0.7" width="64" height="64"/>
    <material name="grid" texture="grid" texrepeat="2 2" texuniform="true"/>
  </asset>
  <worldbody>
    <light type="directional" mode="trackcom" pos="0 0 4" dir="0 0 -1" diffuse="0.5 0.5 0.5"/>
    <geom name="floor" type="plane" size="0 0 1" material="grid"/>
    <body name="ball"><freejoint/><geom size="0.1" mass="1"/></body>
  </worldbody>
</mujoco>
"""


def world() -> mujoco.MjModel:
    """A chequered ground, a light from above, and one free body."""
    return mujoco.MjModel.from_xml_string(_WORLD)


def ball(rgba: tuple[float, float, float, float] = RED, radius: float = 0.1, opacity: float = 1.0) -> DrawnCharacter:
    """A figure that is one ball."""
    geom = VisualGeom("sphere", (radius, 0.0, 0.0), rgba, 0, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
    return DrawnCharacter([geom], opacity)


def at(x: float, y: float, z: float) -> Pose:
    """One body, there."""
    return Pose(torch.tensor([[x, y, z]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]]))


def make_renderer(kind: str, *figures: DrawnCharacter) -> MujocoRenderer | RayRenderer | TinyRenderer:
    """'egl', 'ray' or 'tiny'; the test is skipped where OpenGL does not work."""
    if kind == "egl":
        if not probe_egl().works:
            pytest.skip(f"OpenGL does not work here: {probe_egl().detail}")
        return MujocoRenderer(world(), figures, SIZE)
    if kind == "ray":
        return RayRenderer(world(), figures, SIZE)
    pytest.importorskip("pybullet")
    return TinyRenderer(world(), figures, SIZE)


def centre_of(image: np.ndarray, channel: int) -> np.ndarray:
    """Mean pixel (x, y) of what is clearly of one colour: 0 red, 1 green."""
    others = np.delete(image.astype(int), channel, axis=2).max(2)
    rows, columns = np.nonzero(image[..., channel].astype(int) - others > 60)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])
