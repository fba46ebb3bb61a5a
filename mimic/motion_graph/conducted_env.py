"""The tracking environment whose reference a motion graph makes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from characters import BodyState, CharacterState
from mimic.core.errors import InputError
from mimic.core.rotations import Yaw
from mimic.motion_graph.conductor import Conductor
from mimic.motion_graph.entries import STEP_S, build_entries
from mimic.motion_graph.library import build_library, state_between
from mimic.sim.engine import Engine
from mimic.tracking import EnvConfig, TrackingEnv
from mimic.tracking.observation import Observation, ObservationInputs, Target
from mocap.motion import Motion


class ConductedEnv(TrackingEnv):
    """N characters that follow a :class:`Conductor`; drive it by ``control_step``, which never resets.

    Args:
        motions, engine, config: as of :class:`TrackingEnv`; the observation must have no phase and no clip number.

    Raises:
        InputError: the controller observes the clip's phase or number, so that it can follow no other reference.
    """

    def __init__(self, motions: Sequence[Motion], engine: Engine, config: EnvConfig):
        observed = config.observation
        if any(name.startswith("phase") for name in observed.fields) or (observed.clip_id and len(motions) > 1):
            raise InputError(
                "this controller observes the phase or the number of its clip, so it cannot follow commands; "
                "use a controller of a library, such as `humanoid` or `dog`"
            )
        super().__init__(motions, engine, config, training=False)
        self.library = build_library(self.motions, self.character)
        self.conductor = Conductor(self.library, build_entries(self.library, self.character), self.num_envs)
        steps = [0.0, config.action.lead_s, *(k * STEP_S for k in observed.target_steps)]
        self._ahead = torch.tensor(steps)
        self._look_ahead()

    def begin(self, clip: Tensor, phase: Tensor) -> Tensor:
        """Put every character into its clip (N,) at ``phase`` (N,), and return the observations (N, D)."""
        rows = torch.arange(self.num_envs)
        self.conductor.start(rows, clip, phase)
        self._look_ahead()
        self.engine.reset(rows, self.reference_state())
        return self.look()

    def look(self) -> Tensor:
        """Return the observations (N, D) after a command, which changes the reference ahead."""
        self._look_ahead()
        return self._observe(slice(None), self.engine.read())

    def control_step(self, action: Tensor) -> Tensor:
        """Do one control step with ``action`` (N, A), and return the observations; ``sim`` and ``bodies`` are updated."""
        self.engine.set_targets(self.action.pd_target(action, self._base))
        self.engine.step()
        self.sim = self.engine.read()
        self.bodies = self.kinematics.forward(self.sim)
        self.conductor.advance(self.sim.root_pos_w[:, :2])
        self._look_ahead()
        return self._observe(slice(None), self.sim, self.bodies)

    def reference_state(self) -> CharacterState:
        """Return pose and velocity (N) of the reference now."""
        step = 1 / 120
        row = self.conductor.poses(torch.tensor([0.0, step])).row
        return state_between(row[:, 0], row[:, 1], step, self.character)

    def body_error(self) -> Tensor:
        """Return the mean distance (N,) [m] of the bodies from the reference's, both relative to their roots (MPJPE)."""
        reference = self.reference_state()
        target = self.kinematics.forward(reference).pos_w - reference.root_pos_w[:, None]
        found = self.bodies.pos_w - self.sim.root_pos_w[:, None]
        return (found - target).norm(dim=-1).mean(1)

    def _look_ahead(self) -> None:
        self._pose = self.conductor.poses(self._ahead)
        self._base = self._pose.row[:, 1, 7:] if self.action.needs_reference else None

    def _observation_inputs(
        self, observation: Observation, ids: Tensor | slice, sim: CharacterState, bodies: BodyState
    ) -> ObservationInputs:
        row = self._pose.row[ids]
        frame = Yaw(self._pose.heading[ids, 0])
        targets = [Target(row[:, k, :3], row[:, k, 3:7], row[:, k, 7:]) for k in range(2, row.shape[1])]
        return ObservationInputs(
            sim, bodies, lambda: self.kinematics.com_positions(bodies), row[:, 0, 0], targets,
            observation.frame(sim, frame), frame,
        )  # fmt: skip
