"""The CPU engine: ``mujoco.batch.Batch`` steps all copies on a pool of threads.

Results are the same to the bit at any number of threads, and after a snapshot is restored. MuJoCo's automatic reset is
off: a copy that becomes non-finite stays non-finite, and ``failed`` reports the copy until it is reset.
"""

from typing import Self

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch, SimulationError
from torch import Tensor

from characters import Character, CharacterState
from mimic.sim import ENGINES
from mimic.sim.engine import MAX_POSITION, MAX_VELOCITY, Engine
from mimic.sim.masking import assign_rows
from mimic.sim.pd_controller import Servo
from mimic.sim.qpos_qvel import Coordinates


@ENGINES.register("mujoco")
class MujocoEngine(Engine):
    """The MuJoCo engine; its methods are those of :class:`mimic.sim.engine.Engine`. ``threads`` 0 means all cores."""

    def __init__(self, character: Character, num_envs: int, threads: int = 0):
        self.character = character
        self.num_envs = num_envs
        self.device = torch.device("cpu")
        self.substeps = character.simulation.substeps
        model = self._model()
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ISLAND)  # one character is one island
        self.batch = Batch(model, num_envs, threads)
        self._state = torch.from_numpy(self.batch.state)
        self._qpos = torch.from_numpy(self.batch.bind("qpos"))
        self._qvel = torch.from_numpy(self.batch.bind("qvel"))
        self._ctrl = torch.from_numpy(self.batch.bind("ctrl"))
        self._fresh_row = self._state[0].clone()
        self._warnings = np.zeros(num_envs, dtype=np.int64)
        self._failed = torch.zeros(num_envs, dtype=torch.bool)
        self._servo = Servo(character)
        self._coordinates = Coordinates(character, model.jnt_qposadr[1:].tolist())

    @classmethod
    def create(cls, character: Character, num_envs: int, threads: int, device: str) -> Self:
        """Make an engine of ``num_envs`` copies on the CPU, the only ``device``; ``threads`` 0 means all cores."""
        return cls(character, num_envs, threads)

    def _model(self) -> mujoco.MjModel:
        """Compile the model of the character and its ground; variants of either override this method."""
        return self.character.mj_model(visual=False)

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Set the copies ``ids`` to ``state``, with the solver's warm start, controls and clock at zero."""
        assign_rows(self._state, ids, self._fresh_row)
        self._coordinates.write(self._qpos, self._qvel, ids, state)
        assign_rows(self._failed, ids, False)

    def set_targets(self, pd_target: Tensor) -> None:
        """Set the servo targets (N, A) [rad]: rotation vectors of ball joints, angles of hinges."""
        self._servo.set_target(pd_target)

    def step(self) -> None:
        """Advance every copy by one control step; the servo's torque is computed anew at every physics step."""
        for _ in range(self.substeps):
            self._substep()
        # a NaN compares false, so compare for good values and negate
        good = (self._qvel.abs().amax(1) <= MAX_VELOCITY) & (self._qpos.abs().amax(1) <= MAX_POSITION)
        self._failed |= ~good
        warnings = self._count_warnings()
        self._failed |= torch.from_numpy(warnings > self._warnings)
        self._warnings = warnings

    def _substep(self) -> None:
        """Advance every copy by one physics step. Tests and recordings override this method to see each step."""
        place, qpos, joint_vel = self._coordinates, self._qpos.float(), self._qvel[:, 6:].float()
        _, motor = self._servo.torques(place.ball_quat(qpos), place.joint_pos(qpos), joint_vel)
        self._ctrl[:] = motor
        try:
            self.batch.step()
        except SimulationError as error:
            self._failed[torch.from_numpy(np.asarray(error.ids)).long()] = True

    def read(self) -> CharacterState:
        """Return the pose and velocity of every copy, float32."""
        return self._coordinates.read(self._qpos, self._qvel)

    def failed(self) -> Tensor:
        """Return (N,) bool: copies that MuJoCo warned about, or that became non-finite, too fast or too far away.

        The limits are ``MAX_VELOCITY`` and ``MAX_POSITION``. Only failures since a copy's last reset count.
        """
        return self._failed.clone()

    def snapshot(self) -> dict[str, Tensor]:
        """Return copies of MuJoCo's full integration state (warm start included) and of the failure flags, by name."""
        return {"state": self._state.clone(), "failed": self._failed.clone()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot; later steps are the same to the bit."""
        self._state.copy_(snapshot["state"])
        self._failed.copy_(snapshot["failed"])
        self._warnings = self._count_warnings()

    def physics_step(self) -> None:
        """Advance MuJoCo by the physics steps of one control step, without servo or checks (for benchmarks)."""
        self.batch.step(nstep=self.substeps)

    def details(self) -> dict[str, int]:
        """Return the physics steps in a control step, and the number of threads."""
        return {"substeps": self.substeps, "threads": self.batch.nthread}

    def _count_warnings(self) -> np.ndarray:
        """Return the number (N,) of MuJoCo's warnings about each copy so far."""
        return self.batch.warning[..., -1].sum(1)
