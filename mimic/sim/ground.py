"""Uneven ground: bumps as a height field, and slopes, under characters whose clips know only level ground."""

import math
from dataclasses import dataclass, replace

import mujoco
import numpy as np
import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.sim.engines.mujoco import MujocoEngine

_HALF_M = 120.0  # half the side of the height field: a character trots no further in a minute
_CELL_M = 0.25  # between two heights
_LEVEL_M = 1.0  # around the origin, where characters start, the ground has the mean height
_BASE_M = 0.5


@dataclass(frozen=True)
class Ground:
    """A ground, and what else differs from training.

    Attributes:
        bumps: [m] between the lowest and the highest point of a random height field.
        slope: (2,) rise [m/m] along x and y; characters start towards x.
        friction: factor on the friction of all contacts.
        mass: factor on masses and inertias.
    """

    bumps: float = 0.0
    slope: tuple[float, float] = (0.0, 0.0)
    friction: float = 1.0
    mass: float = 1.0

    def height(self, xy: Tensor) -> Tensor:
        """Return the mean height (N,) [m] of the ground at ``xy`` (N, 2) [m]."""
        return xy @ torch.tensor(self.slope, dtype=xy.dtype)


class GroundEngine(MujocoEngine):
    """The MuJoCo engine on a :class:`Ground`; root heights that it takes and returns are above the mean ground there."""

    def __init__(self, character: Character, num_envs: int, threads: int, ground: Ground, seed: int = 0):
        self._ground, self._seed = ground, seed
        super().__init__(character, num_envs, threads)

    def _model(self) -> mujoco.MjModel:
        ground = self._ground
        spec = self.character.mj_spec(visual=False)
        floor = next(geom for geom in spec.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE)
        if ground.bumps > 0.0:
            size = round(2 * _HALF_M / _CELL_M) + 1
            field = spec.add_hfield(name="ground", nrow=size, ncol=size, size=[_HALF_M, _HALF_M, ground.bumps, _BASE_M])
            field.userdata = _heights(size, self._seed).flatten().tolist()
            floor.type, floor.hfieldname, floor.pos = mujoco.mjtGeom.mjGEOM_HFIELD, "ground", [0, 0, -ground.bumps / 2]
        x, y = ground.slope
        if (rise := math.hypot(x, y)) > 0.0:
            half = 0.5 * math.atan(rise)
            floor.quat = [math.cos(half), math.sin(half) * y / rise, -math.sin(half) * x / rise, 0.0]
        model = spec.compile()
        model.geom_friction[:, 0] *= ground.friction
        model.body_mass *= ground.mass
        model.body_inertia *= ground.mass
        return model

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Set the copies ``ids`` to ``state``, raised by the ground's height at their roots."""
        super().reset(ids, _raised(state, self._ground.height(state.root_pos_w[:, :2])))

    def read(self) -> CharacterState:
        """Return pose and velocity of every copy, float32, lowered by the ground's height at its root."""
        state = super().read()
        return _raised(state, -self._ground.height(state.root_pos_w[:, :2]))


def _heights(size: int, seed: int) -> np.ndarray:
    """Return random heights (size, size) in [0, 1]; around the middle they are 0.5."""
    heights = np.random.default_rng(seed).random((size, size))
    heights.flat[0], heights.flat[1] = 0.0, 1.0  # MuJoCo scales to the largest range
    middle, reach = size // 2, round(_LEVEL_M / _CELL_M)
    heights[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1] = 0.5
    return heights


def _raised(state: CharacterState, height: Tensor) -> CharacterState:
    up = torch.stack([torch.zeros_like(height), torch.zeros_like(height), height], 1)
    return replace(state, root_pos_w=state.root_pos_w + up)
