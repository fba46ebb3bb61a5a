"""N simulations of one MuJoCo model, each in an ``MjData`` of its own.

Gymnasium calls ``mj_rnePostConstraint`` after a step, for contact forces; ``mujoco.batch`` cannot do that between the calls
of a batch, and is no faster for models of this size. The arrays are not copied: the next step overwrites them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mimic.gym_tasks.task_env import Array

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class Simulations:
    """N copies of ``model``.

    Args:
        frame_skip: physics steps a control step.
        fields: names of ``MjData`` fields that are to be read, besides qpos and qvel.
        contact_forces: compute ``cfrc_ext`` after every step.
        threads: how many copies are stepped side by side.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        frame_skip: int,
        fields: Sequence[str] = (),
        contact_forces: bool = False,
        threads: int = 1,
    ) -> None:
        self.model, self.frame_skip, self._contact_forces = model, frame_skip, contact_forces
        self._data = [mujoco.MjData(model) for _ in range(num_envs)]
        names = ("qpos", "qvel", *fields)
        self._sources = {name: [getattr(data, name) for data in self._data] for name in names}
        self.values: dict[str, Array] = {name: np.stack(views) for name, views in self._sources.items()}
        self._controls = [data.ctrl for data in self._data]
        self._shares = [s.tolist() for s in np.array_split(np.arange(num_envs), max(1, min(threads, num_envs)))]
        self._pool = ThreadPoolExecutor(len(self._shares), "simulate") if len(self._shares) > 1 else None

    def step(self, ctrl: NDArray[Any]) -> None:
        """Advance every copy by one control step under ``ctrl`` (N, U)."""
        if self._pool is None:
            self._advance(self._shares[0], ctrl)
        else:
            list(self._pool.map(lambda share: self._advance(share, ctrl), self._shares))
        for name, views in self._sources.items():
            np.stack(views, out=self.values[name])

    def _advance(self, rows: list[int], ctrl: NDArray[Any]) -> None:
        model, skip = self.model, self.frame_skip
        for row in rows:
            data = self._data[row]
            self._controls[row][:] = ctrl[row]
            mujoco.mj_step(model, data, skip)
            if self._contact_forces:
                mujoco.mj_rnePostConstraint(model, data)

    def place(self, row: int, qpos: Array, qvel: Array) -> None:
        """Reset copy ``row`` and set its state, qpos (Q,) and qvel (V,)."""
        data = self._data[row]
        mujoco.mj_resetData(self.model, data)
        data.qpos[:], data.qvel[:] = qpos, qvel
        mujoco.mj_forward(self.model, data)
        for name, views in self._sources.items():
            self.values[name][row] = views[row]

    def get_state(self) -> Array:
        """Return the integration state of every copy, warm start included, (N, S)."""
        state = np.zeros((len(self._data), mujoco.mj_stateSize(self.model, _STATE)))
        for row, data in zip(state, self._data, strict=True):
            mujoco.mj_getState(self.model, data, row, _STATE)
        return state

    def set_state(self, state: Array) -> None:
        """Continue from ``get_state`` to the bit. Derived quantities are computed by a new forward pass."""
        size = (len(self._data), mujoco.mj_stateSize(self.model, _STATE))
        if state.shape != size:
            raise ValueError(f"the state of the simulations has shape {state.shape}, expected {size}")
        for row, data in zip(state, self._data, strict=True):
            mujoco.mj_setState(self.model, data, row, _STATE)
            mujoco.mj_forward(self.model, data)
            mujoco.mj_setState(self.model, data, row, _STATE)  # the forward pass changed the warm start
        for name, views in self._sources.items():
            np.stack(views, out=self.values[name])
