"""The tracking environment whose reference a motion graph makes, for training and for play."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from characters import BodyState, CharacterState, Kinematics
from mimic.core.errors import InputError
from mimic.core.rotations import Yaw
from mimic.motion_graph.commands import RandomCommands
from mimic.motion_graph.conductor import Conductor
from mimic.motion_graph.entries import STEP_S, build_entries
from mimic.motion_graph.library import build_library, state_between
from mimic.motion_graph.played_starts import PlayedStarts
from mimic.motion_graph.recovery import Recovery
from mimic.rl.vec_env import Step
from mimic.sim.engine import Engine
from mimic.tracking import EnvConfig, TrackingEnv
from mimic.tracking.observation import Observation, ObservationInputs, Target
from mimic.tracking.reference import Reference, ReferenceSample, end_effectors_h
from mimic.tracking.reference_tracker import ReferencePlacement
from mocap.motion import Motion
from mocap.stance import STAND, author_stance

DOWN_S = 0.5  # for which a character must lie before it gets up


class ConductedTracker:
    """The reference of a conductor, with the methods of :class:`ReferenceTracker` that the environment calls.

    Args:
        ahead_s: 1 + Q times [s] at which the environment looks ahead; the first is now.

    Attributes:
        pose: the reference (N, 2 + Q) now, one frame later, and at the Q times ahead.
    """

    def __init__(self, conductor: Conductor, reference: Reference, kinematics: Kinematics, ahead_s: Sequence[float]):
        self.conductor, self.reference, self._kinematics = conductor, reference, kinematics
        self._ahead = torch.tensor(ahead_s)
        self.pose = conductor.poses(self._times(slice(None)))

    @property
    def current(self) -> ReferencePlacement:
        """Clip and clip time; the placement is that of the reference's root."""
        s = self.conductor.now
        seconds = s.phase.double() * self.conductor.library.seconds[s.clip]
        return ReferencePlacement(seconds, torch.cat([s.place, torch.zeros_like(s.yaw)[:, None]], 1), s.yaw, s.clip)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that later steps depend on, by name, not copied."""
        return {f"conductor.{name}": value for name, value in self.conductor.state().items()}

    def advance(self, dt: float, sim: CharacterState) -> Tensor:
        """Move on by one control step; no clip is ever over, because another follows."""
        self.conductor.advance(sim.root_pos_w, sim.root_quat_w)
        self.look_ahead()
        return torch.zeros(len(sim), dtype=torch.bool)

    def look_ahead(self, rows: Tensor | None = None) -> None:
        """Compute the reference ahead anew, of all characters or of ``rows`` (R,)."""
        if rows is None:
            self.pose = self.conductor.poses(self._times(slice(None)))
            return
        found = self.conductor.poses(self._times(rows), rows)
        self.pose.row[rows], self.pose.heading[rows] = found.row, found.heading

    def within(self, limit: float) -> Tensor:
        """Return (N,) bool: whether the placement is within ``limit`` [m, rad]; NaN gives false."""
        s = self.conductor.now
        return (s.place.abs().amax(1) <= limit) & (s.yaw.abs() <= limit)

    def state_now(self, rows: Tensor | slice = slice(None)) -> CharacterState:
        """Return pose and velocity (R) of the reference now; velocities are differences over a frame of the recording."""
        row = self.pose.row[rows]
        step = self._frame_s(rows)[:, None]
        return state_between(row[:, 0], row[:, 1], step, self._kinematics.character)

    def sample(self) -> ReferenceSample:
        """Return the reference now with the results of forward kinematics."""
        state = self.state_now()
        bodies = self._kinematics.forward(state)
        effectors = [self._kinematics.character.body_index(name) for name in self._kinematics.character.end_effectors]
        return ReferenceSample(
            state,
            bodies.pos_w - state.root_pos_w[:, None],
            end_effectors_h(bodies.pos_w[:, effectors], state),
            self._kinematics.com_velocity(bodies),
            self._kinematics.lowest_points(bodies),
        )

    def _frame_s(self, rows: Tensor | slice) -> Tensor:
        return self.conductor.library.frame_s[self.conductor.now.clip[rows]]

    def _times(self, rows: Tensor | slice) -> Tensor:
        frame = self._frame_s(rows)[:, None]
        ahead = self._ahead.expand(len(frame), -1)
        return torch.cat([ahead[:, :1], frame, ahead[:, 1:]], 1)


class ConductedEnv(TrackingEnv):
    """N characters that follow a :class:`Conductor`. The authored stance is appended to their clips as the last one.

    ``step`` trains: with ``config.commands``, commands are random, and episodes start in a random clip. ``control_step``
    plays: it gives no reward and never resets.

    Attributes:
        starts: states in which training episodes that are to begin before a jump do so, if not in the clip's own pose.

    Args:
        motions, engine, config, training, seed, first_env, weights: as of :class:`TrackingEnv`; the observation must have
            no phase and no clip number.

    Raises:
        InputError: the controller observes the clip's phase or number, so that it can follow no other reference.
    """

    def __init__(
        self,
        motions: Sequence[Motion],
        engine: Engine,
        config: EnvConfig,
        training: bool = False,
        seed: int = 0,
        first_env: int = 0,
        weights: Sequence[float] = (),
    ):
        observed = config.observation
        if any(name.startswith("phase") for name in observed.fields) or (observed.clip_id and len(motions) > 1):
            raise InputError(
                "this controller observes the phase or the number of its clip, so it cannot follow commands; "
                "use a controller of a library, such as `humanoid` or `dog`"
            )
        if STAND not in [motion.name for motion in motions]:
            motions = (*motions, author_stance(engine.character))
            weights = (*weights, 1.0) if weights else ()
        config = replace(config, change_clips=False)
        super().__init__(motions, engine, config, None, training, seed, first_env, weights)
        self.library = build_library(self.motions, self.character)
        self.conductor = Conductor(self.library, build_entries(self.library, self.character), self.num_envs)
        ahead = [0.0, config.action.lead_s, *(k * STEP_S for k in observed.target_steps)]
        self.tracker: ConductedTracker = ConductedTracker(  # type: ignore[assignment]
            self.conductor, self.tracker.reference, self.kinematics, ahead
        )
        standing = float(self.library.table[self.library.first[self.library.index(STAND)], 2])
        self.recovery = Recovery(self.library, self.character, standing)
        self._down_steps = torch.zeros(self.num_envs, dtype=torch.int64)
        commands = config.commands if training else None
        self.starts: PlayedStarts | None = None
        self._commands = RandomCommands(commands, self.conductor, self.control_dt) if commands else None

    def finish_step(self) -> Step:
        """Do the last part of a step as in `TrackingEnv`; commands come first, so that the reward knows them."""
        if self._commands:
            self._commands.give(self.episodes)
        return super().finish_step()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:  # type: ignore[override]
        """Continue from the state that ``state_dict`` returned."""
        super().load_state_dict(state)
        self.tracker.look_ahead()

    def fallen(self) -> Tensor:
        """Return (N,) bool: the characters that lie although their clip does not, for `DOWN_S` or longer."""
        return self._down_steps >= round(DOWN_S / self.control_dt)

    def get_up(self, rows: Tensor) -> Tensor:
        """Let the characters ``rows`` (R,) get up, and return the observations (N, D).

        Raises ValueError if the library has no getup clip.
        """
        sim = self.engine.read()[rows]
        bodies = self.kinematics.forward(sim)
        self.conductor.interrupt(rows, self.recovery.getting_up(sim, bodies.pos_w))
        self._down_steps[rows] = 0
        return self.look()

    def begin(self, clip: Tensor, phase: Tensor) -> Tensor:
        """Put every character into its clip (N,) at ``phase`` (N,), and return the observations (N, D)."""
        rows = torch.arange(self.num_envs)
        self._place(rows, clip, phase, clip, torch.zeros_like(clip, dtype=torch.bool))
        return self.look()

    def look(self) -> Tensor:
        """Return the observations (N, D) after a command, which changes the reference ahead."""
        self.tracker.look_ahead()
        return self._observe(slice(None), self.engine.read())

    def control_step(self, action: Tensor) -> Tensor:
        """Do one control step with ``action`` (N, A), and return the observations; ``sim`` and ``bodies`` are updated."""
        self.engine.set_targets(self.pd_target(action))
        self.engine.step()
        self.sim = self.engine.read()
        self.bodies = self.kinematics.forward(self.sim)
        self.tracker.advance(self.control_dt, self.sim)
        reference = self.tracker.pose.row[:, 0, 2]
        down = (self.sim.root_pos_w[:, 2] < self.recovery.down_height) & (reference > self.recovery.down_height)
        self._down_steps = torch.where(down, self._down_steps + 1, 0)
        return self._observe(slice(None), self.sim, self.bodies)

    def body_error(self) -> Tensor:
        """Return the mean distance (N,) [m] of the bodies from the reference's, both relative to their roots (MPJPE)."""
        reference = self.tracker.state_now()
        target = self.kinematics.forward(reference).pos_w - reference.root_pos_w[:, None]
        found = self.bodies.pos_w - self.sim.root_pos_w[:, None]
        return (found - target).norm(dim=-1).mean(1)

    def pd_target(self, action: Tensor) -> Tensor:
        """Convert ``action`` (N, A) in policy units to servo targets (N, A) [rad]."""
        base = self.tracker.pose.row[:, 2, 7:] if self.action.needs_reference else None
        return self.action.pd_target(action, base)

    def _reset(self, rows: Tensor, start_times: Tensor | None = None) -> CharacterState:
        clip = self.clips.first(rows)
        if start_times is None:
            phase = self.sampling.phases(self.episodes.uniform_of_episode(rows, 0), clip)
        else:
            phase = start_times / self.tracker.reference.durations[clip]
        wanted, once = clip, torch.zeros_like(clip, dtype=torch.bool)
        if self._commands and start_times is None:
            wanted, once, seconds = self._commands.start(self.episodes, rows, clip)
            phase = torch.where(wanted == clip, phase, seconds / self.tracker.reference.durations[clip])
        state = self._place(rows, clip, phase, wanted, once)
        if self._commands and self.starts:
            played = (wanted != clip) & (self.starts.count[clip] > 0)
            if bool(played.any()):
                reached = self._commands.begin_played(self.starts, self.episodes, rows[played], clip[played])
                self.tracker.look_ahead(rows[played])
                self.engine.reset(rows[played], reached)
                state.assign(played, reached)
        limit = self.time_limit.steps
        self.episodes.begin(rows, phase, limit[clip] if len(limit) > 1 else limit[0])
        return state

    def _place(self, rows: Tensor, clip: Tensor, phase: Tensor, wanted: Tensor, once: Tensor) -> CharacterState:
        """Put the characters ``rows`` into their clips, ask for the clips ``wanted``, and return their states."""
        self.conductor.start(rows, clip, phase)
        other = wanted != clip
        self.conductor.request(rows[other], wanted[other], once[other])
        self.tracker.look_ahead(rows)
        state = self.tracker.state_now(rows)
        self.engine.reset(rows, state)
        return state

    def _observation_inputs(
        self, observation: Observation, ids: Tensor | slice, sim: CharacterState, bodies: BodyState
    ) -> ObservationInputs:
        row = self.tracker.pose.row[ids]
        frame = Yaw(self.tracker.pose.heading[ids, 0])
        targets = [Target(row[:, k, :3], row[:, k, 3:7], row[:, k, 7:]) for k in range(3, row.shape[1])]
        return ObservationInputs(
            sim, bodies, lambda: self.kinematics.com_positions(bodies), row[:, 0, 0], targets,
            observation.frame(sim, frame), frame,
        )  # fmt: skip
