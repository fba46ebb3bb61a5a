"""The tracking environment: N copies of one character imitating one clip.

``step`` is the walk of one frame: action, servo targets, simulation, reference, reward, end, observation, reset. Every
quantity is a batch; nothing loops over environments. After a step the attributes ``sim``, ``bodies``, ``reference``
and ``terms`` describe the moment just judged, before any reset; they are replaced, never overwritten, by the next one.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState, Kinematics, load_character
from characters.rotations import quat_from_yaw
from mimic.env.action import Action
from mimic.env.clock import Clock
from mimic.env.config import EnvConfig
from mimic.env.observation import Observation, Seen, Target
from mimic.env.random import counter_uniform
from mimic.env.reference import Reference, end_effectors_h
from mimic.env.reward import Compared, Reward
from mimic.env.tasks import TaskConfig, task_for
from mimic.env.termination import Termination
from mimic.learn.vec_env import End, Step
from mimic.sim import DeviceName, Engine, EngineName, make_engine
from mimic.sim.chosen import put, rows
from mocap.catalogue import load_clip
from mocap.motion import Motion
from retarget.ground import lift_penetration
from retarget.mend import mend

# beyond this an action, observation or place is not a number that physics or learning could have meant
_ABSURD = 1e6
_STATE = ("clip_time", "origin_w", "yaw", "episode", "steps", "step_limit")


class TrackingEnv:
    """See the module's docstring; implements :class:`mimic.learn.vec_env.VecEnv`.

    Args:
        training: with the training aids of the configuration (early termination, time-limit curriculum); without,
            episodes of ``evaluation_s`` that only forbidden contact ends early.
        seed: environment ``i``'s start times depend on (seed, i, episode) alone.
        first_env: number of the first environment, where several processes have some each.
    """

    def __init__(
        self,
        motion: Motion,
        engine: Engine,
        config: EnvConfig,
        task: TaskConfig | None = None,
        training: bool = True,
        seed: int = 0,
        first_env: int = 0,
    ):
        character, device = engine.character, engine.device
        task = task or task_for(motion.name)
        self.character, self.engine, self.config, self.task = character, engine, config, task
        self.training, self.seed = training, seed
        self.num_envs, self.device = engine.num_envs, device
        self.control_dt = character.simulation.control_dt
        self.motion = prepared(motion, character, config)
        self.kinematics = Kinematics(character, device)
        self.clock = Clock(Reference(self.motion, character, device), task, self.num_envs, device)
        self.action = Action(config.action, character, device)
        self.observation = Observation(config.observation, character, device)
        self.reward = Reward(config.reward, character, device)
        self.termination = Termination(config.termination, task, self.kinematics, training, device)
        self._effectors = torch.tensor([character.body_index(n) for n in character.end_effectors], device=device)
        self.obs_dim, self.act_dim = self.observation.dim, self.action.dim
        self.unnormalized_obs = self.observation.unnormalized
        self.action_low, self.action_high = -self.action.bound, self.action.bound
        # a GPU would have to wait for the host to learn who ended: there everybody's new start is worked out, and taken by
        # those who need one
        self.by_mask = device.type != "cpu"
        self._env_ids = torch.arange(self.num_envs, device=device)
        self._first_env = first_env
        self._episode = torch.zeros(self.num_envs, dtype=torch.int64, device=device)
        self._steps = torch.zeros(self.num_envs, dtype=torch.int64, device=device)
        self._step_limit = torch.zeros(self.num_envs, dtype=torch.int64, device=device)
        self.set_progress(0)

    def set_progress(self, samples: int) -> None:
        """Set the time limit of episodes that start from now on, by the samples the learner has seen."""
        limit = self.config.time_limit
        ramp = min(1.0, samples / limit.ramp_samples) ** limit.power
        seconds = limit.start_s + (limit.end_s - limit.start_s) * ramp if self.training else self.config.evaluation_s
        if self.task.episode_s is not None:
            seconds = min(seconds, self.task.episode_s)
        self._new_step_limit = round(seconds / self.control_dt)

    def reseed(self, seed: int) -> None:
        """Draw start times from another seed, from its first episode on."""
        self.seed = seed
        self._episode.zero_()

    def reset(self, start_times: Tensor | None = None) -> Tensor:
        """Start a new episode everywhere, at random clip times or at ``start_times`` (N,) [s]; observations (N, D)."""
        return self._observe(slice(None), self._reset(self._env_ids, start_times))

    def step(self, action: Tensor) -> Step:
        """One control step with ``action`` (N, A) in policy units."""
        usable = action.abs().amax(1) <= _ABSURD  # false for NaN too
        self.engine.set_targets(self.pd_target(torch.where(usable[:, None], action, torch.zeros_like(action))))
        self.engine.step()
        self._steps += 1

        self.sim = self.engine.read()
        self.bodies = self.kinematics.forward(self.sim)
        clip_over = self.clock.advance(self.control_dt, self.sim)
        self.reference = self.clock.sample()
        self.terms = self.reward.terms(self._compare())
        final_obs = self._observe(slice(None), self.sim, self.bodies)

        sound = usable & self.clock.sound(_ABSURD) & (final_obs.abs().amax(1) <= _ABSURD)
        broken = self.engine.failed() | ~sound
        end = self._end(clip_over, broken)
        lost = (end == End.FAIL) | (end == End.DIVERGED)
        reward = torch.where(lost, 0.0, self.reward.total(self.terms))
        obs = self._restart(end, final_obs)
        final_obs = torch.where(broken[:, None], obs, final_obs)
        info = {name: torch.where(broken, 0.0, value) for name, value in self.terms.items()}
        return Step(obs, reward, end, final_obs, info)

    def observe(self) -> Tensor:
        """Observations (N, D) of the state the engine is in and the time the clock shows."""
        return self._observe(slice(None), self.engine.read())

    def pd_target(self, action: Tensor) -> Tensor:
        """Servo targets (N, A) [rad] that ``action`` (N, A) means now."""
        if not self.action.needs_reference:
            return self.action.pd_target(action, None)
        ahead = self.clock.ahead(self.config.action.lead_s)
        return self.action.pd_target(action, self.clock.reference.pd_target(ahead.clip_time))

    def state_dict(self) -> dict[str, Tensor]:
        """Everything the future depends on, to the bit where the engine is deterministic."""
        now = self.clock.now
        own = {
            "clip_time": now.clip_time,
            "origin_w": now.origin_w,
            "yaw": now.yaw,
            "episode": self._episode,
            "steps": self._steps,
            "step_limit": self._step_limit,
        }
        engine = {f"engine.{name}": value for name, value in self.engine.snapshot().items()}
        return {name: value.clone() for name, value in own.items()} | engine

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what ``state_dict`` gave."""
        now = self.clock.now
        mine = {name: state[name].to(self.device, copy=True) for name in _STATE}
        now.clip_time, now.origin_w, now.yaw = mine["clip_time"], mine["origin_w"], mine["yaw"]
        self._episode, self._steps, self._step_limit = mine["episode"], mine["steps"], mine["step_limit"]
        prefix = "engine."
        self.engine.restore({n[len(prefix) :]: value for n, value in state.items() if n.startswith(prefix)})

    def _compare(self) -> Compared:
        return Compared(
            sim=self.sim,
            reference=self.reference.state,
            sim_end_effector_h=end_effectors_h(self.bodies.pos_w[:, self._effectors], self.sim),
            reference_end_effector_h=self.reference.end_effector_h,
            sim_com_vel_w=self.kinematics.com_velocity(self.bodies),
            reference_com_vel_w=self.reference.com_vel_w,
        )

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
            chosen: which environments, as indices or a mask (mimic/sim/chosen.py).
            start_times: [s] of those, if not random.
        """
        some = rows(chosen)
        if start_times is None:
            u = counter_uniform(self.seed, self._first_env + self._env_ids[some], self._episode[some])
            start_times = u * self.clock.reference.duration
        put(self._episode, chosen, self._episode[some] + 1)
        put(self._steps, chosen, 0)
        put(self._step_limit, chosen, self._new_step_limit)
        self.clock.reset(chosen, start_times)
        now = self.clock.now
        start = self.clock.reference.sample(now.clip_time[some], now.origin_w[some], now.yaw[some])
        self.engine.reset(chosen, start.state)
        return start.state

    def _observe(self, ids: Tensor | slice, sim: CharacterState, bodies: BodyState | None = None) -> Tensor:
        """Observations of the environments ``ids`` whose state is ``sim``, (K, D)."""
        bodies = self.kinematics.forward(sim) if bodies is None else bodies
        yaw = self.clock.now.yaw[ids]
        seen = Seen(
            sim=sim,
            bodies=bodies,
            com_pos_w=lambda: self.kinematics.com_positions(bodies),
            phase=self.clock.phase[ids],
            targets=[self._target(steps, ids) for steps in self.config.observation.target_steps],
            yaw_quat=self.observation.frame(sim, yaw),
            reference_yaw_quat=quat_from_yaw(yaw),
        )
        return self.observation.observe(seen)

    def _target(self, steps: int, ids: Tensor | slice) -> Target:
        ahead = self.clock.ahead(steps * self.control_dt)
        time, origin_w, yaw = ahead.clip_time[ids], ahead.origin_w[ids], ahead.yaw[ids]
        pos, quat = self.clock.reference.root(time, origin_w, yaw)
        return Target(pos, quat, self.clock.reference.pd_target(time))


def prepared(motion: Motion, character: Character, config: EnvConfig) -> Motion:
    """The clip as the environment has it imitated."""
    if config.repair:
        return mend(motion, character)
    return lift_penetration(motion, character) if config.lift_penetration else motion


def make_env(
    clip: str,
    config: EnvConfig,
    num_envs: int,
    training: bool = True,
    seed: int = 0,
    threads: int = 0,
    first_env: int = 0,
    engine: EngineName = "mujoco",
    device: DeviceName = "cpu",
) -> TrackingEnv:
    """The environment of a clip by name, on one of the engines; ``threads`` 0 means all cores."""
    motion = load_clip(clip)
    simulation = make_engine(load_character(motion.character), num_envs, threads, engine, device)
    return TrackingEnv(motion, simulation, config, training=training, seed=seed, first_env=first_env)
