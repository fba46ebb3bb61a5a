"""The tracking environment: N copies of one character imitating one clip, or several clips that follow one another.

``step`` is the walk of one frame: action, servo targets, simulation, reference, reward, end, observation, reset. Every
quantity is a batch; nothing loops over environments. After a step the attributes ``sim``, ``bodies``, ``reference``
and ``terms`` describe the moment just judged, before any reset; they are replaced, never overwritten, by the next one
(but after :meth:`TrackingEnv.record`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import TypeVar

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState, Kinematics, load_character
from mimic.core.rotations import Yaw
from mimic.gpu.cuda_graph import Recorded, Recorder, recorder
from mimic.rl.vec_env import End, Step
from mimic.sim import DeviceName, make_engine
from mimic.sim.engine import Engine
from mimic.sim.masking import put, rows
from mimic.tracking.action import Action
from mimic.tracking.adaptive_sampling import STATE as STARTS_STATE
from mimic.tracking.adaptive_sampling import Starts
from mimic.tracking.clip_rules import TaskConfig, foot_bodies, task_of
from mimic.tracking.config import EnvConfig
from mimic.tracking.counter_random import counter_uniform
from mimic.tracking.observation import Observation, Seen, Target
from mimic.tracking.pushes import random_pushes
from mimic.tracking.reference import Reference, end_effectors_h
from mimic.tracking.reference_tracker import Clock, Placement
from mimic.tracking.reward import Compared, Reward
from mimic.tracking.termination import Termination
from mocap.catalogue import load_clips
from mocap.motion import Motion
from retarget.ground import lift_penetration
from retarget.repair import repair

T = TypeVar("T")

# beyond this an action, observation or place is not a number that physics or learning could have meant
_ABSURD = 1e6
_PLACEMENT = ("clip_time", "origin_w", "yaw", "clip")  # of the clock
_OWN = ("episode", "steps", "step_limit", "start_phase", "acted", "before", "usable")
_WITHIN_A_STEP = ("before", "usable")
_SWITCH = 0.3  # share of cycles after which another clip may come
_CLIP_STREAM, _SWITCH_STREAM = 1, 2  # of random numbers; start times are stream 0


class TrackingEnv:
    """See the module's docstring; implements :class:`mimic.rl.vec_env.VecEnv`.

    Several clips are several ways to move on: they must be equally long, and at the end of a cycle another may come, by
    chance or as ``clock.choose`` says. The observation then ends with which one it is, one-hot.

    Args:
        motions: the clip, or several.
        training: with the training aids of the configuration (early termination, time-limit curriculum); without,
            episodes of ``evaluation_s`` that only forbidden contact ends early.
        seed: environment ``i``'s start times depend on (seed, i, episode) alone.
        first_env: number of the first environment, where several processes have some each.

    Attributes:
        first_clip: of several clips the one that episodes start with; None: any.
    """

    def __init__(
        self,
        motions: Motion | Sequence[Motion],
        engine: Engine,
        config: EnvConfig,
        task: TaskConfig | None = None,
        training: bool = True,
        seed: int = 0,
        first_env: int = 0,
    ):
        character, device = engine.character, engine.device
        motions = (motions,) if isinstance(motions, Motion) else motions
        self.motions = tuple(prepared(motion, character, config) for motion in motions)
        task = task or task_of(self.motions, character)
        self.character, self.engine, self.config, self.task = character, engine, config, task
        self.training, self.seed = training, seed
        self.num_envs, self.device = engine.num_envs, device
        self.control_dt = character.simulation.control_dt
        self.motion = self.motions[0]
        self.kinematics = Kinematics(character, device)
        self.clock = Clock(Reference(self.motions, character, device), task, self.num_envs, device)
        self.num_clips = len(motions)
        self.first_clip: int | None = None
        self._clip_columns = self.num_clips if self.num_clips > 1 else 0
        if self.num_clips > 1:
            self.clock.choose = self._next_clip
        self.action = Action(config.action, character, device)
        self.observation = Observation(config.observation, character, device)
        self.reward = Reward((training and config.training_reward) or config.reward, character, device)
        self.termination = Termination(config.termination, task, self.kinematics, training, device)
        self._effectors = torch.tensor([character.body_index(n) for n in character.end_effectors], device=device)
        self._feet = torch.tensor([character.body_index(n) for n in foot_bodies(character, task)], device=device)
        self.obs_dim, self.act_dim = self.observation.dim + self._clip_columns, self.action.dim
        which = torch.ones(self._clip_columns, dtype=torch.bool, device=device)
        self.unnormalized_obs = torch.cat([self.observation.unnormalized, which])
        self.action_low, self.action_high = -self.action.bound, self.action.bound
        # a GPU would have to wait for the host to learn who ended: there everybody's new start is worked out, and taken by
        # those who need one
        self.by_mask = device.type != "cpu"
        self._env_ids = torch.arange(self.num_envs, device=device)
        self._first_env = first_env
        self._episode = torch.zeros(self.num_envs, dtype=torch.int64, device=device)
        self._steps = torch.zeros(self.num_envs, dtype=torch.int64, device=device)
        self._step_limit = torch.zeros(self.num_envs, dtype=torch.int64, device=device)
        self._start_phase = torch.zeros(self.num_envs, dtype=torch.float64, device=device)
        self._acted = torch.zeros(self.num_envs, self.act_dim, device=device)
        self._before = torch.zeros_like(self._acted)
        self._usable = torch.ones(self.num_envs, dtype=torch.bool, device=device)
        self._new_step_limit = torch.zeros((), dtype=torch.int64, device=device)
        self._act_part: Callable[[Tensor], None] = self._act
        self._judge_part: Callable[[], Step] = self._judge
        self._recorder: Recorder | None = None
        self.starts = Starts(config.adaptive_starts if training else 0.0, device)
        self.set_progress(0)

    def set_progress(self, samples: int) -> None:
        """Set the time limit of episodes that start from now on, by the samples the learner has seen."""
        limit = self.config.time_limit
        ramp = min(1.0, samples / limit.ramp_samples) ** limit.power
        seconds = limit.start_s + (limit.end_s - limit.start_s) * ramp if self.training else self.config.evaluation_s
        if self.task.episode_s is not None:
            seconds = min(seconds, self.task.episode_s)
        self._new_step_limit.fill_(round(seconds / self.control_dt))

    @property
    def episode_s(self) -> float:
        """How long episodes that start now may last [s]."""
        return int(self._new_step_limit) * self.control_dt

    def reseed(self, seed: int) -> None:
        """Draw start times from another seed, from its first episode on."""
        self.seed = seed
        self._episode.zero_()
        self._forget_recordings()

    def record(self) -> None:
        """On a GPU: have what is done before and after the physics of a step as a CUDA graph each, from a few steps on.

        What a step gives, and leaves in the attributes, is overwritten by the next one then.
        """
        self._recorder = recorder(self.device)
        self._forget_recordings()

    def reset(self, start_times: Tensor | None = None) -> Tensor:
        """Start a new episode everywhere, at random clip times or at ``start_times`` (N,) [s]; observations (N, D)."""
        return self._observe(slice(None), self._reset(self._env_ids, start_times))

    def step(self, action: Tensor) -> Step:
        """One control step with ``action`` (N, A) in policy units."""
        self._act_part(action)
        self.engine.step()
        return self._judge_part()

    def _act(self, action: Tensor) -> None:
        """What comes before the physics."""
        self._usable = action.abs().amax(1) <= _ABSURD  # false for NaN too
        if self.training and self.config.pushes.speed:
            self._push_some()
        self._before, self._acted = self._acted, torch.where(self._usable[:, None], action, torch.zeros_like(action))
        self.engine.set_targets(self.pd_target(self._acted))
        self._steps += 1

    def _judge(self) -> Step:
        """What comes after."""
        self.sim = self.engine.read()
        self.bodies = self.kinematics.forward(self.sim)
        clip_over = self.clock.advance(self.control_dt, self.sim)
        self.reference = self.clock.sample()
        self.terms = self.reward.terms(self._compare())
        final_obs = self._observe(slice(None), self.sim, self.bodies)

        sound = self._usable & self.clock.sound(_ABSURD) & (final_obs.abs().amax(1) <= _ABSURD)
        broken = self.engine.failed() | ~sound
        end = self._end(clip_over, broken)
        lost = (end == End.FAIL) | (end == End.DIVERGED)
        reward = torch.where(lost, 0.0, self.reward.total(self.terms))
        self.starts.count(self._start_phase, end != End.NONE, lost)
        obs = self._restart(end, final_obs)
        final_obs = torch.where(broken[:, None], obs, final_obs)
        info = {name: torch.where(broken, 0.0, value) for name, value in self.terms.items()}
        return Step(obs, reward, end, final_obs, info)

    def observe(self) -> Tensor:
        """Observations (N, D) of the state the engine is in and the time the clock shows."""
        return self._observe(slice(None), self.engine.read())

    def push(self, chosen: Tensor, delta_linvel_w: Tensor) -> None:
        """Change the velocity of whole characters, their pose and the clock as before.

        The engine starts afresh from the changed state: its solver's memory of the last contact forces is lost, no more.

        Args:
            chosen: which environments, as indices (K,) or a mask (N,) (mimic/sim/masking.py).
            delta_linvel_w: change of velocity (K, 3) or (N, 3) [m/s].
        """
        state = self.engine.read()[rows(chosen)]
        self.engine.reset(chosen, replace(state, root_linvel_w=state.root_linvel_w + delta_linvel_w))

    def pd_target(self, action: Tensor) -> Tensor:
        """Servo targets (N, A) [rad] that ``action`` (N, A) means now."""
        if not self.action.needs_reference:
            return self.action.pd_target(action, None)
        ahead = self.clock.ahead(self.config.action.lead_s)
        return self.action.pd_target(action, self.clock.reference.pd_target(ahead.clip_time, ahead.clip))

    def state_dict(self) -> dict[str, Tensor]:
        """Everything the future depends on, to the bit where the engine is deterministic."""
        own = {name: value.clone() for name, value in self._kept().items() if name not in _WITHIN_A_STEP}
        return own | {f"engine.{name}": value for name, value in self.engine.snapshot().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what ``state_dict`` gave."""
        # runs of before the term for steady actions do not know what was done last, nor need it
        state = {"acted": torch.zeros_like(self._acted)} | dict(state)
        for name, value in self._kept().items():
            if name not in _WITHIN_A_STEP:
                value.copy_(state[name])
        prefix = "engine."
        self.engine.restore({n[len(prefix) :]: value for n, value in state.items() if n.startswith(prefix)})

    def _kept(self) -> dict[str, Tensor]:
        """All that is kept from one part of a step for the next, the engine's aside."""
        placement = {name: getattr(self.clock.now, name) for name in _PLACEMENT}
        own = {name: getattr(self, f"_{name}") for name in _OWN}
        return placement | own | {f"starts.{name}": getattr(self.starts, name) for name in STARTS_STATE}

    def _keep(self, kept: Mapping[str, Tensor]) -> None:
        self.clock.now = Placement(*(kept[name] for name in _PLACEMENT))
        for name in _OWN:
            setattr(self, f"_{name}", kept[name])
        for name in STARTS_STATE:
            setattr(self.starts, name, kept[f"starts.{name}"])

    def _forget_recordings(self) -> None:
        if self._recorder:
            self._keep({name: value.clone() for name, value in self._kept().items()})  # each in a tensor of its own
            self._act_part, self._judge_part = self._recording(self._act), self._recording(self._judge)

    def _recording(self, part: Callable[..., T]) -> Callable[..., T]:
        """``part`` of a step, recorded: what is kept lies in the same tensors after it as before."""

        @wraps(part)
        def in_place(*inputs: Tensor) -> T:
            before = self._kept()
            try:
                result = part(*inputs)
                after = {name: value.clone() for name, value in self._kept().items() if value is not before[name]}
                for name, value in after.items():
                    before[name].copy_(value)
            finally:  # where a recording fails too: what it has made was never computed
                self._keep(before)
            return result

        return Recorded(in_place, self._recorder)

    def _compare(self) -> Compared:
        return Compared(
            sim=self.sim,
            reference=self.reference.state,
            sim_end_effector_h=end_effectors_h(self.bodies.pos_w[:, self._effectors], self.sim),
            reference_end_effector_h=self.reference.end_effector_h,
            sim_com_vel_w=self.kinematics.com_velocity(self.bodies),
            reference_com_vel_w=self.reference.com_vel_w,
            foot_height=self._foot_heights,
            action=self._acted,
            previous_action=lambda: torch.where(self._steps[:, None] > 1, self._before, self._acted),
        )

    def _foot_heights(self) -> tuple[Tensor, Tensor]:
        """Of the simulation and the reference, (N, F) [m] each."""
        lowest = self.kinematics.lowest_points(self.bodies)
        return lowest[:, self._feet], self.reference.lowest_point_w[:, self._feet]

    def _end(self, clip_over: Tensor, broken: Tensor) -> Tensor:
        """Why each episode ends at this step, (N,) int8; the later rules outrank the earlier."""
        end = torch.zeros(self.num_envs, dtype=torch.int8, device=self.device)
        end.masked_fill_(self._steps >= self._step_limit, End.TIMEOUT)
        end.masked_fill_(clip_over, End.CLIP_END)
        end.masked_fill_(self.termination.failed(self.sim, self.bodies, self.reference), End.FAIL)
        end.masked_fill_(broken, End.DIVERGED)
        return end

    def _restart(self, end: Tensor, obs: Tensor) -> Tensor:
        """Start new episodes where they ended; observations with those rows renewed."""
        ended = end != End.NONE
        chosen = ended if self.by_mask else ended.nonzero().squeeze(1)
        if not self.by_mask and not len(chosen):
            return obs
        obs = obs.clone()
        put(obs, chosen, self._observe(rows(chosen), self._reset(chosen)))
        return obs

    def _reset(self, chosen: Tensor, start_times: Tensor | None = None) -> CharacterState:
        """Reference state initialisation (Peng et al. 2018): pose and velocity of the clip at a random time.

        Args:
            chosen: which environments, as indices or a mask (mimic/sim/masking.py).
            start_times: [s] of those, if not random.
        """
        some = rows(chosen)
        env, episode = self._first_env + self._env_ids[some], self._episode[some]
        if start_times is None:
            start_times = self.starts.phases(counter_uniform(self.seed, env, episode)) * self.clock.reference.duration
        clip = (counter_uniform(self.seed, env, episode, _CLIP_STREAM) * self.num_clips).long()
        if self.first_clip is not None:
            clip = torch.full_like(clip, self.first_clip)
        put(self._episode, chosen, self._episode[some] + 1)
        put(self._steps, chosen, 0)
        put(self._start_phase, chosen, start_times / self.clock.reference.duration)
        put(self._step_limit, chosen, self._new_step_limit)
        self.clock.reset(chosen, start_times, clip)
        now = self.clock.now
        start = self.clock.reference.sample(now.clip_time[some], now.origin_w[some], now.yaw[some], now.clip[some])
        self.engine.reset(chosen, start.state)
        return start.state

    def _observe(self, ids: Tensor | slice, sim: CharacterState, bodies: BodyState | None = None) -> Tensor:
        """Observations of the environments ``ids`` whose state is ``sim``, (K, D)."""
        bodies = self.kinematics.forward(sim) if bodies is None else bodies
        reference_frame = Yaw(self.clock.now.yaw[ids])
        seen = Seen(
            sim=sim,
            bodies=bodies,
            com_pos_w=lambda: self.kinematics.com_positions(bodies),
            phase=self.clock.phase[ids],
            targets=[self._target(steps, ids) for steps in self.config.observation.target_steps],
            frame=self.observation.frame(sim, reference_frame),
            reference_frame=reference_frame,
        )
        obs = self.observation.observe(seen)
        if not self._clip_columns:
            return obs
        which = self.clock.now.clip[ids, None] == torch.arange(self.num_clips, device=self.device)
        return torch.cat([obs, which.to(obs.dtype)], 1)

    def _push_some(self) -> None:
        """Before the action, which does not know of it: the next observation does."""
        env, moment = self._first_env + self._env_ids, self._moment()
        pushed, delta_linvel_w = random_pushes(self.config.pushes, self.control_dt, self.seed, env, moment)
        if self.by_mask:
            self.push(pushed, delta_linvel_w)
        elif len(ids := pushed.nonzero().squeeze(1)):
            self.push(ids, delta_linvel_w[ids])

    def _moment(self) -> Tensor:
        """A number for every control step of every episode, (N,) int64."""
        return self._episode * 65_536 + self._steps

    def _next_clip(self, over: Tensor) -> Tensor:
        """After some cycles another clip, each as likely as any; (N,) int64. Depends on (seed, i, episode, step) alone."""
        env, moment = self._first_env + self._env_ids, self._moment()
        switch = counter_uniform(self.seed, env, moment, _SWITCH_STREAM) < _SWITCH
        other = (counter_uniform(self.seed, env, moment, _CLIP_STREAM) * self.num_clips).long()
        return torch.where(switch, other, over)

    def _target(self, steps: int, ids: Tensor | slice) -> Target:
        ahead = self.clock.ahead(steps * self.control_dt)
        time, origin_w, yaw, clip = ahead.clip_time[ids], ahead.origin_w[ids], ahead.yaw[ids], ahead.clip[ids]
        pos, quat = self.clock.reference.root(time, origin_w, yaw, clip)
        return Target(pos, quat, self.clock.reference.pd_target(time, clip))


def prepared(motion: Motion, character: Character, config: EnvConfig) -> Motion:
    """The clip as the environment has it imitated."""
    if config.repair:
        return repair(motion, character)
    return lift_penetration(motion, character) if config.lift_penetration else motion


def make_env(
    clip: str,
    config: EnvConfig,
    num_envs: int,
    training: bool = True,
    seed: int = 0,
    threads: int = 0,
    first_env: int = 0,
    engine: str = "mujoco",
    device: DeviceName = "cpu",
) -> TrackingEnv:
    """The environment of a clip by name (or of several, ``a+b``), on one of the engines; ``threads`` 0 means all cores."""
    motions = load_clips(clip)
    simulation = make_engine(load_character(motions[0].character), num_envs, threads, engine, device)
    return TrackingEnv(motions, simulation, config, training=training, seed=seed, first_env=first_env)
