"""The tracking environment: N copies of one character imitate one clip, or several clips.

``step`` does one control step: action, servo targets, simulation, reference, reward, end of episodes, observation, reset.
Every quantity is a batch; nothing loops over environments. After a step the attributes ``sim``, ``bodies``, ``reference``
and ``terms`` describe the state that was rewarded, before any reset. The next step assigns new objects to these
attributes and does not change the old ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState, Kinematics, load_character
from mimic.core.errors import InputError
from mimic.core.rotations import Yaw
from mimic.gpu.cuda_graph import use_full_float32
from mimic.rl.vec_env import Step, Termination
from mimic.sim import DeviceName, make_engine
from mimic.sim.engine import Engine
from mimic.sim.masking import assign_rows, select_rows
from mimic.sim.pd_controller import Servo
from mimic.tracking.action import Action
from mimic.tracking.adaptive_sampling import AdaptiveSampling
from mimic.tracking.clip_rules import ClipRules, foot_bodies, rules_of
from mimic.tracking.clip_selection import ClipSelection
from mimic.tracking.config import EnvConfig
from mimic.tracking.episodes import Episodes
from mimic.tracking.library_sampling import LibrarySampling
from mimic.tracking.observation import Observation, ObservationInputs, Target
from mimic.tracking.pushes import random_pushes
from mimic.tracking.reference import Reference, end_effectors_h, of_clip
from mimic.tracking.reference_tracker import ReferenceTracker
from mimic.tracking.reward import JointWeights, Reward, RewardInputs
from mimic.tracking.termination import EarlyTermination
from mimic.tracking.time_limit import TimeLimit
from mocap.motion import Motion
from retarget.ground import lift_penetration
from retarget.repair import repair

MAX_ABS_VALUE = 1e6  # larger actions, observations and positions come from a simulation or policy that diverged
_START_STREAM = 0  # of random numbers; ClipSelection has 1 and 2, pushes 3 to 5


class TrackingEnv:
    """The motion-tracking task for N environments; implements :class:`mimic.rl.vec_env.VecEnv`.

    In shapes, D is the length of the observation and A that of the action, which is in policy units: the policy's output
    before :class:`ActionConfig` scales it.

    With several clips, another clip may follow at the end of a cycle, chosen by ``tracker.clip_selector`` (at random by
    default). The observation then ends with the current clip, one-hot. If the configuration's ``change_clips`` is false,
    the clips are a library: every episode keeps its clip, under that clip's own rules.

    Args:
        motions: one clip, or several.
        rules: rules of the clips; None means those of ``rules_of``.
        training: whether to use the training aids of the configuration (early termination, time-limit curriculum, pushes).
            Without them episodes last ``evaluation_s``, and only forbidden contact ends them early.
        seed: seed of start times. Those of environment ``i`` depend on (seed, i, episode) alone.
        first_env: number of this process's first environment, if several processes share the environments.
        weights: in training, weight of each clip of a library among the episodes; empty means equal weights.

    Attributes:
        masked_reset: whether episodes restart by a mask over all environments, so that a GPU does not wait for the host.
    """

    def __init__(
        self,
        motions: Motion | Sequence[Motion],
        engine: Engine,
        config: EnvConfig,
        rules: ClipRules | None = None,
        training: bool = True,
        seed: int = 0,
        first_env: int = 0,
        weights: Sequence[float] = (),
    ):
        character, device = engine.character, engine.device
        motions = (motions,) if isinstance(motions, Motion) else motions
        self.motions = tuple(preprocess_motion(motion, character, config) for motion in motions)
        self.motion, self.num_clips = self.motions[0], len(motions)
        self.rules, each = self._rules(rules, character, config)
        self.character, self.engine, self.config, self.training = character, engine, config, training
        self.num_envs, self.device = engine.num_envs, device
        self.control_dt = character.simulation.control_dt
        self.kinematics = Kinematics(character, device)
        self.masked_reset = device.type != "cpu"
        if device.type == "cuda":
            use_full_float32()

        self.episodes = Episodes(self.num_envs, seed, first_env, device)
        reference = Reference(self.motions, character, device)
        if config.observation.frame == "reference_heading":
            reference.build_headings(self.motions)
        if config.change_clips and len(motions) > 1 and not reference.all_loop:
            once = next(motion.name for motion in self.motions if not motion.loop)
            raise InputError(
                f"clips that follow one another must loop; '{once}' does not. "
                "Leave it out, or set env.change_clips=false, by which an episode keeps its clip"
            )
        shared = self.rules if config.change_clips else each
        self.tracker = ReferenceTracker(reference, shared, self.num_envs, device)
        self.clips = ClipSelection(self.num_clips, self.episodes)
        if self.num_clips > 1 and config.change_clips:
            self.tracker.clip_selector = self.clips.next
        self._library = self._make_library(weights)
        self.time_limit = TimeLimit(config, training, [one.episode_s for one in each], self.control_dt, device)
        own_starts = 1 if config.change_clips else self.num_clips
        self.sampling = AdaptiveSampling(config.adaptive_starts if training else 0.0, device, own_starts)
        self.termination = EarlyTermination(config.termination, each, self.kinematics, training, device)
        self.reward = Reward((training and config.training_reward) or config.reward)
        self.action = Action(config.action, character, device)
        self.observation = Observation(config.observation, character, device)
        self._build_reward_inputs(each)
        self._build_spaces()

    def _rules(
        self, rules: ClipRules | None, character: Character, config: EnvConfig
    ) -> tuple[ClipRules, list[ClipRules]]:
        """Return the environment's rules, which are those of the first clip, and a list of the rules of every clip."""
        if rules is None and not config.change_clips:
            each = [rules_of((motion,), character) for motion in self.motions]
            return each[0], each
        shared = rules or rules_of(self.motions, character)
        return shared, [shared] * self.num_clips

    def _make_library(self, weights: Sequence[float]) -> LibrarySampling | None:
        """Return what draws the clips of training episodes in a library, and use it; None for any other environment."""
        if not self.training or self.config.change_clips or self.num_clips == 1:
            return None
        library = LibrarySampling(torch.tensor(weights or [1.0] * self.num_clips), self.control_dt, self.device)
        self.clips.draw = library.draw
        return library

    def _build_reward_inputs(self, rules: Sequence[ClipRules]) -> None:
        """Compute the reward's constants. In a library, feet are the bodies that may touch the ground in every clip."""
        character, device = self.character, self.device
        all_feet = [foot_bodies(character, one) for one in rules]
        feet = [name for name in all_feet[0] if all(name in one for one in all_feet)]
        self._joint_weights = JointWeights.of(character, device)
        self._servo = Servo(character, device)
        self._effectors = torch.tensor([character.body_index(n) for n in character.end_effectors], device=device)
        self._feet = torch.tensor([character.body_index(name) for name in feet], device=device)

    def _build_spaces(self) -> None:
        device = self.device
        self._clip_id = self.num_clips > 1 and self.config.observation.clip_id
        clip_columns = self.num_clips if self._clip_id else 0
        self.obs_dim, self.act_dim = self.observation.dim + clip_columns, self.action.dim
        one_hot = torch.ones(clip_columns, dtype=torch.bool, device=device)
        self.obs_passthrough_mask = torch.cat([self.observation.unnormalized, one_hot])
        self.action_low, self.action_high = -self.action.bound, self.action.bound
        self._action = torch.zeros(self.num_envs, self.act_dim, device=device)  # of the last control step
        # these three are passed on within a step, from apply_action to finish_step
        self._previous_action = torch.zeros_like(self._action)
        self._pd_target = torch.zeros_like(self._action)
        self._action_ok = torch.ones(self.num_envs, dtype=torch.bool, device=device)

    @property
    def seed(self) -> int:
        """Seed of the environment's random numbers."""
        return self.episodes.seed

    @property
    def episode_s(self) -> float:
        """The time limit of episodes that start now [s]."""
        return self.time_limit.seconds

    def set_progress(self, samples: int) -> None:
        """Set the limit of episodes that start from now on; ``samples`` counts the control steps that the learner has seen."""
        self.time_limit.set_progress(samples)

    def reseed(self, seed: int) -> None:
        """Change the seed of the random numbers, and count episodes from 0 again."""
        self.episodes.reseed(seed)

    def reset(self, start_times: Tensor | None = None) -> Tensor:
        """Start a new episode in every environment, and return the observations (N, D).

        ``start_times``: (N,) clip times [s]; None means random ones.
        """
        everywhere = torch.arange(self.num_envs, device=self.device)
        return self._observe(slice(None), self._reset(everywhere, start_times))

    def step(self, action: Tensor) -> Step:
        """Do one control step with ``action`` (N, A) in policy units."""
        self.apply_action(action)
        self.simulate()
        return self.finish_step()

    def apply_action(self, action: Tensor) -> None:
        """Do the first part of a step: push some characters (in training), and set the servo targets.

        ``action`` (N, A) is in policy units.
        """
        self._action_ok.copy_(action.abs().amax(1) <= MAX_ABS_VALUE)  # false for NaN too
        if self.training and self.config.pushes.speed:
            self._push_some()
        self._previous_action.copy_(self._action)
        self._action.copy_(torch.where(self._action_ok[:, None], action, torch.zeros_like(action)))
        self._pd_target.copy_(self.pd_target(self._action))
        self.engine.set_targets(self._pd_target)
        self.episodes.steps += 1

    def simulate(self) -> None:
        """Do the second part of a step: the physics of one control step."""
        self.engine.step()

    def finish_step(self) -> Step:
        """Do the last part of a step: read the state, compute reward, ends and observations, restart ended episodes."""
        self.sim = self.engine.read()
        self.bodies = self.kinematics.forward(self.sim)
        clip_over = self.tracker.advance(self.control_dt, self.sim)
        self.reference = self.tracker.sample()
        self.terms = self.reward.terms(self._reward_inputs())
        final_obs = self._observe(slice(None), self.sim, self.bodies)

        diverged = self._diverged(final_obs)
        end = self._end(clip_over, diverged)
        failed = (end == Termination.FAIL) | (end == Termination.DIVERGED)
        reward = torch.where(failed, 0.0, self.reward.total(self.terms))
        self.sampling.count(self.episodes.start_phase, end != Termination.NONE, failed, self.tracker.current.clip)
        if self._library:
            self._library.count(self.tracker.current.clip, end != Termination.NONE, failed)
        obs = self._restart(end, final_obs)
        final_obs = torch.where(diverged[:, None], obs, final_obs)
        info = {name: torch.where(diverged, 0.0, value) for name, value in self.terms.items()}
        return Step(obs, reward, end, final_obs, info)

    def observe(self) -> Tensor:
        """Return the observations (N, D) of the engine's current state at the current clip time."""
        return self._observe(slice(None), self.engine.read())

    def observe_as(self, observation: Observation) -> Tensor:
        """Return the vectors (N, D) that ``observation`` computes from the current state, without the one-hot clip."""
        sim = self.engine.read()
        return observation.observe(
            self._observation_inputs(observation, slice(None), sim, self.kinematics.forward(sim))
        )

    def push(self, rows: Tensor, delta_linvel_w: Tensor) -> None:
        """Change the velocity of all bodies of some characters; pose and clip time stay as they are.

        The engine restarts from the changed state, so its solver forgets the last contact forces.

        Args:
            rows: the environments, as indices (K,) or a mask (N,) bool (mimic/sim/masking.py).
            delta_linvel_w: change of velocity in world axes, (K, 3) for indices or (N, 3) for a mask [m/s].
        """
        state = self.engine.read()[select_rows(rows)]
        self.engine.reset(rows, replace(state, root_linvel_w=state.root_linvel_w + delta_linvel_w))

    def pd_target(self, action: Tensor) -> Tensor:
        """Convert ``action`` (N, A) in policy units to servo targets (N, A) [rad] at the current clip time."""
        if not self.action.needs_reference:
            return self.action.pd_target(action, None)
        ahead = self.tracker.ahead(self.config.action.lead_s)
        return self.action.pd_target(action, self.tracker.reference.pd_target(ahead.clip_time, ahead.clip))

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that the next step depends on, without the engine's.

        They are not copied, and every step updates them in place.
        """
        sampling = {f"starts.{name}": value for name, value in self.sampling.state().items()}
        library = self._library.state() if self._library else {}
        sampling |= {f"library.{name}": value for name, value in library.items()}
        return self.tracker.state() | self.episodes.state() | {"acted": self._action} | sampling

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of all tensors that later steps depend on.

        After ``load_state_dict`` a deterministic engine gives the same steps to the bit.
        """
        own = {name: value.clone() for name, value in self.state().items()}
        return own | {f"engine.{name}": value for name, value in self.engine.snapshot().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the state that ``state_dict`` returned."""
        # runs of earlier versions have no "acted" and no "library", and do not need them
        state = {"acted": torch.zeros_like(self._action)} | dict(state)
        for name, value in self.state().items():
            if name in state or not name.startswith("library."):
                value.copy_(state[name])
        prefix = "engine."
        self.engine.restore({n[len(prefix) :]: value for n, value in state.items() if n.startswith(prefix)})

    def _reward_inputs(self) -> RewardInputs:
        first_step = self.episodes.steps[:, None] <= 1
        return RewardInputs(
            sim=self.sim,
            reference=self.reference.state,
            sim_end_effector_h=end_effectors_h(self.bodies.pos_w[:, self._effectors], self.sim),
            reference_end_effector_h=self.reference.end_effector_h,
            sim_com_vel_w=self.kinematics.com_velocity(self.bodies),
            reference_com_vel_w=self.reference.com_vel_w,
            foot_height=self._foot_heights,
            action=self._action,
            previous_action=lambda: torch.where(first_step, self._action, self._previous_action),
            joint_torque=self._joint_torque,
            weights=self._joint_weights,
        )

    def _foot_heights(self) -> tuple[Tensor, Tensor]:
        """Return the heights of the feet's lowest points, simulated and reference, each (N, F) [m]."""
        heights = self.kinematics.lowest_points(self.bodies)
        return heights[:, self._feet], self.reference.lowest_point_w[:, self._feet]

    def _joint_torque(self) -> Tensor:
        """Return the servo's torques (N, A) [N·m] for the simulated state and the current targets."""
        self._servo.set_target(self._pd_target)
        return self._servo.torque_of(self.sim)

    def _diverged(self, obs: Tensor) -> Tensor:
        """Return (N,) bool: environments whose engine failed, or in which a value is not finite or beyond 1e6.

        The values are those of action, clip time and placement, and observation.
        """
        state_ok = self._action_ok & self.tracker.within(MAX_ABS_VALUE) & (obs.abs().amax(1) <= MAX_ABS_VALUE)
        return self.engine.failed() | ~state_ok

    def _end(self, clip_over: Tensor, diverged: Tensor) -> Tensor:
        """Return how each episode ends in this step, (N,) int8 of ``End``; ``End.NONE`` where it goes on.

        If several ends apply, this is the last of: time limit, end of the clip, failure, divergence.
        """
        failed = self.termination.failed(self.sim, self.bodies, self.reference, self.tracker.current.clip)
        end = torch.zeros(self.num_envs, dtype=torch.int8, device=self.device)
        end.masked_fill_(self.episodes.steps >= self.episodes.step_limit, Termination.TIMEOUT)
        end.masked_fill_(clip_over, Termination.CLIP_END)
        end.masked_fill_(failed, Termination.FAIL)
        end.masked_fill_(diverged, Termination.DIVERGED)
        return end

    def _restart(self, end: Tensor, obs: Tensor) -> Tensor:
        """Start new episodes in the environments whose episode ended.

        Returns the observations ``obs`` (N, D), with the rows of these environments replaced.
        """
        rows = self._rows_of(end != Termination.NONE)
        if rows is None:
            return obs
        obs = obs.clone()
        assign_rows(obs, rows, self._observe(select_rows(rows), self._reset(rows)))
        return obs

    def _rows_of(self, mask: Tensor) -> Tensor | None:
        """Return ``mask`` itself if ``masked_reset``, else the indices (K,) of its true rows; None if there are none."""
        if self.masked_reset:
            return mask
        ids = mask.nonzero().squeeze(1)
        return ids if len(ids) else None

    def _reset(self, rows: Tensor, start_times: Tensor | None = None) -> CharacterState:
        """Start episodes with the clip's pose and velocity at a random time (RSI, Peng et al. 2018).

        Returns the initial states.

        Args:
            rows: the environments, as indices (K,) or a mask (N,) bool (mimic/sim/masking.py).
            start_times: clip times of these environments [s]; None means random ones.
        """
        some = select_rows(rows)
        clip = self.clips.first(some)
        duration = of_clip(self.tracker.reference.durations, clip)
        if start_times is None:
            uniform = self.episodes.uniform_of_episode(some, _START_STREAM)
            start_times = self.sampling.phases(uniform, clip) * duration
        self.episodes.begin(rows, start_times / duration, of_clip(self.time_limit.steps, clip))
        self.tracker.reset(rows, start_times, clip)
        at = self.tracker.current
        start = self.tracker.reference.sample(at.clip_time[some], at.origin_w[some], at.yaw[some], at.clip[some])
        self.engine.reset(rows, start.state)
        return start.state

    def _observe(self, ids: Tensor | slice, sim: CharacterState, bodies: BodyState | None = None) -> Tensor:
        """Return the observations (K, D) of the environments ``ids``, whose state is ``sim``."""
        bodies = self.kinematics.forward(sim) if bodies is None else bodies
        obs = self.observation.observe(self._observation_inputs(self.observation, ids, sim, bodies))
        if not self._clip_id:
            return obs
        one_hot = self.tracker.current.clip[ids, None] == torch.arange(self.num_clips, device=self.device)
        return torch.cat([obs, one_hot.to(obs.dtype)], 1)

    def _observation_inputs(
        self, observation: Observation, ids: Tensor | slice, sim: CharacterState, bodies: BodyState
    ) -> ObservationInputs:
        """Gather the inputs of the fields of ``observation``, for the environments ``ids``."""
        at = self.tracker.current
        yaw = at.yaw[ids]
        if observation.config.frame == "reference_heading":
            yaw = self.tracker.reference.heading(at.clip_time[ids], yaw, at.clip[ids])
        reference_frame = Yaw(yaw)
        return ObservationInputs(
            sim=sim,
            bodies=bodies,
            com_pos_w=lambda: self.kinematics.com_positions(bodies),
            phase=self.tracker.phase[ids],
            targets=[self._target(steps, ids) for steps in observation.config.target_steps],
            frame=observation.frame(sim, reference_frame),
            reference_frame=reference_frame,
        )

    def _target(self, steps: int, ids: Tensor | slice) -> Target:
        """Return the reference pose of the environments ``ids``, ``steps`` control steps from now."""
        ahead = self.tracker.ahead(steps * self.control_dt)
        time, origin_w, yaw, clip = ahead.clip_time[ids], ahead.origin_w[ids], ahead.yaw[ids], ahead.clip[ids]
        pos, quat = self.tracker.reference.root(time, origin_w, yaw, clip)
        return Target(pos, quat, self.tracker.reference.pd_target(time, clip))

    def _push_some(self) -> None:
        """Push randomly chosen characters. The policy chose the action before, without observing the push."""
        at = self.episodes
        pushed, delta_linvel_w = random_pushes(self.config.pushes, self.control_dt, at.seed, at.env, at.moment)
        if (rows := self._rows_of(pushed)) is not None:
            self.push(rows, delta_linvel_w[select_rows(rows)])


def preprocess_motion(motion: Motion, character: Character, config: EnvConfig) -> Motion:
    """Return the clip that the environment uses: repaired, lifted out of the ground, or unchanged, as configured."""
    if config.repair:
        return repair(motion, character)
    return lift_penetration(motion, character) if config.lift_penetration else motion


def make_env(
    motions: Sequence[Motion],
    config: EnvConfig,
    num_envs: int,
    training: bool = True,
    seed: int = 0,
    threads: int = 0,
    first_env: int = 0,
    engine: str = "mujoco",
    device: DeviceName = "cpu",
    weights: Sequence[float] = (),
) -> TrackingEnv:
    """Make the environment of one or several clips with the engine called ``engine``; ``threads`` 0 means all cores.

    ``weights`` are those of `TrackingEnv`.

    Raises:
        InputError: the clips are of different characters, or the engine cannot run on the device.
    """
    for motion in motions[1:]:
        if motion.character != motions[0].character:
            raise InputError(
                f"clips of one environment must be of one character: '{motions[0].name}' is of {motions[0].character}, "
                f"'{motion.name}' of {motion.character}"
            )
    simulation = make_engine(load_character(motions[0].character), num_envs, threads, engine, device)
    return TrackingEnv(motions, simulation, config, training=training, seed=seed, first_env=first_env, weights=weights)
