"""Shared by the tests of the characters' models: DeepMimic's tables (y up), posing, shapes as tensors."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from characters.character import load_character

Array = NDArray[np.float64]

CHARACTERS = ("humanoid", "dog")
Z_UP_FROM_Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # (x, y, z) -> (x, -z, y)
BALL, HINGE = mujoco.mjtJoint.mjJNT_BALL, mujoco.mjtJoint.mjJNT_HINGE


@dataclass(frozen=True)
class Row:
    """One line of a table: a joint and the body that it moves, y up."""

    name: str
    joint: str
    parent: str
    attach: Array
    limits: tuple[float, ...] | None
    servo: tuple[float, ...] | None  # kp, kd, torque limit
    weight: float
    shape: str
    size: tuple[float, ...]
    mass: float
    centre: Array
    turn: float


@functools.cache
def table(name: str) -> tuple[Row, ...]:
    lines = (Path(__file__).parent / f"{name}_table.txt").read_text(encoding="utf-8").splitlines()
    return tuple(_row(line.split()) for line in lines[3:])


def _row(cells: list[str]) -> Row:
    name, joint, parent, attach, limits, kp, kd, torque, weight, shape, size, mass, centre, turn = cells
    return Row(
        name,
        joint,
        parent,
        np.array(_numbers(attach)),
        None if limits == "-" else _numbers(limits),
        None if kp == "-" else (float(kp), float(kd), float(torque)),
        float(weight),
        shape,
        _numbers(size),
        float(mass),
        np.array(_numbers(centre)),
        float(turn),
    )


def _numbers(cell: str) -> tuple[float, ...]:
    return tuple(float(value) for value in cell.split(","))


@functools.cache
def model(name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(load_character(name).model_path))


def posed(name: str, qpos: Array) -> mujoco.MjData:
    data = mujoco.MjData(model(name))
    data.qpos[:] = qpos
    mujoco.mj_fwdPosition(model(name), data)
    return data


def zero_pose(name: str) -> Array:
    qpos: Array = model(name).qpos0.copy()
    qpos[:3] = 0.0
    return qpos


def random_rotation(rng: np.random.Generator) -> Rotation:
    return Rotation.from_quat(rng.normal(size=4))


def wxyz(rotation: Rotation) -> Array:
    quat: Array = rotation.as_quat(scalar_first=True)
    return quat


def random_qpos(name: str, rng: np.random.Generator) -> Array:
    """Any root pose and any joint rotation, hinges beyond their limits too."""
    qpos: Array = rng.uniform(-2, 2, size=model(name).nq)
    m = model(name)
    for j in range(m.njnt):
        if m.jnt_type[j] != HINGE:
            start = m.jnt_qposadr[j] + (0 if m.jnt_type[j] == BALL else 3)
            qpos[start : start + 4] = wxyz(random_rotation(rng))
    return qpos


def shape_matrices(name: str, data: mujoco.MjData, geoms: Sequence[int]) -> Array:
    """(G, 3, 3): squared half extents of primitives as tensors in world axes; equal shapes, equal tensors."""
    m = model(name)
    extents, types = m.geom_size[geoms].copy(), m.geom_type[geoms]
    spheres = types == mujoco.mjtGeom.mjGEOM_SPHERE
    extents[spheres] = extents[spheres, :1]
    long = np.isin(types, [mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER])
    extents[long] = extents[long][:, [0, 0, 1]]
    axes = data.geom_xmat[geoms].reshape(-1, 3, 3)
    tensors: Array = np.einsum("gij,gj,gkj->gik", axes, extents**2, axes)
    return tensors


def collision_corners(name: str, data: mujoco.MjData) -> dict[str, tuple[Array, Array]]:
    """Lowest and highest corner of each body's collision shape along the world axes."""
    m, corners = model(name), {}
    for row in table(name):
        g = m.geom(row.name).id
        axes, size = data.geom_xmat[g].reshape(3, 3), m.geom_size[g]
        reach = {
            "sphere": np.full(3, size[0]),
            "capsule": size[0] + size[1] * np.abs(axes[:, 2]),
            "box": np.abs(axes) @ size,
        }[row.shape]
        corners[row.name] = (data.geom_xpos[g] - reach, data.geom_xpos[g] + reach)
    return corners
