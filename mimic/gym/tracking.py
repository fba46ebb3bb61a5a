"""Gymnasium interfaces of the tracking environment: a ``VectorEnv``, and a registered ``Env`` for each clip.

``gymnasium.make("mimic/cartwheel-v0")`` and ``gymnasium.make_vec("mimic/cartwheel-v0", num_envs=512)`` work once
``mimic.gym.tracking`` has been imported. Both use the ``fast`` preset unless an :class:`EnvConfig` is passed, return float32
NumPy arrays, and put the reward's terms into ``info``. A diverged simulation ends its episode (``terminated``) with reward 0.
"""

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mimic.core.errors import nearest
from mimic.rl.threads import torch_threads
from mimic.rl.vec_env import Step, Termination
from mimic.runs.preset import load_preset
from mimic.tracking.config import EnvConfig
from mimic.tracking.tracking_env import TrackingEnv, make_env
from mocap.catalogue import clip_names, load_clips

if TYPE_CHECKING:
    from mimic.rendering import LivePicture

Array = NDArray[Any]


def env_id(clip: str) -> str:
    """Return the name under which a clip's environment is registered."""
    return f"mimic/{clip}-v0"


class GymVectorTracking(VectorEnv[Array, Array, Array]):
    """N tracking episodes; an episode that ends restarts in the same step (``AutoresetMode.SAME_STEP``)."""

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 (as Gymnasium has it)

    def __init__(
        self,
        clip: str,
        num_envs: int = 1,
        config: EnvConfig | None = None,
        training: bool = True,
        threads: int = 0,
        render_mode: str | None = None,
    ):
        self.render_mode = _known(render_mode, [])
        self.env = _make(clip, num_envs, config, training, threads)
        self.metadata = self.metadata | {"render_fps": _rate(self.env)}
        self.seeded, self._samples = False, 0
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = _spaces(self.env)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Restart every episode; return observations (N, D) and an empty dictionary.

        ``options={"start_times": (N,) seconds}`` sets the times in the clip.
        """
        super().reset(seed=seed)
        _reseed(self, seed)
        return _array(self.env.reset(_start_times(self.env, options))), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Do one control step; return observations (N, D), rewards, terminated, truncated (N,) each, and infos.

        Where an episode ended, ``infos["final_obs"]`` holds its last observation, and the observation is the next episode's.
        """
        self._samples += self.num_envs
        self.env.set_progress(self._samples)
        with torch_threads(1):  # its tensors are too small to share; the user's setting is back afterwards
            step = self.env.step(_action(actions, self.action_space, self.env.device))
        terminated, truncated = _ends(step)
        ended = terminated | truncated
        infos: dict[str, Any] = {f"reward_{name}": _array(value) for name, value in step.info.items()}
        if ended.any():
            final = np.full(self.num_envs, None, dtype=object)
            for i in np.flatnonzero(ended):
                final[i] = _array(step.final_obs[i])
            why = np.array([Termination(int(end)).name.lower() if end else "" for end in step.end.tolist()])
            infos |= {"final_obs": final, "_final_obs": ended, "end": why, "_end": ended}
        return _array(step.obs), _array(step.reward), terminated, truncated, infos


class GymTracking(gymnasium.Env[Array, Array]):
    """One tracking episode at a time."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as Gymnasium has it)

    def __init__(
        self, clip: str, config: EnvConfig | None = None, training: bool = True, render_mode: str | None = None
    ):
        self.render_mode = _known(render_mode, self.metadata["render_modes"])
        self.env = _make(clip, 1, config, training, threads=1)
        self.metadata = self.metadata | {"render_fps": _rate(self.env)}
        self.observation_space, self.action_space = _spaces(self.env)
        self.seeded, self._samples = False, 0
        self._live: LivePicture | None = None
        self._picture: Array | None = None
        self._steps = 0
        self._reward: float | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode; return its observation (D,) and an empty dictionary.

        ``options={"start_times": [seconds]}`` sets the time in the clip.
        """
        super().reset(seed=seed)
        _reseed(self, seed)
        obs = _array(self.env.reset(_start_times(self.env, options)))[0]
        self._steps, self._reward, self._picture = 0, None, None
        if self._live:
            self._live.cut()
        return obs, {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Do one control step; return observation (D,), reward, terminated, truncated and info.

        ``info`` holds each term of the reward, and the reason "end" if the episode ended.
        """
        self._samples += 1
        self.env.set_progress(self._samples)
        with torch_threads(1):
            step = self.env.step(_action(action, self.action_space, self.env.device)[None])
        terminated, truncated = _ends(step)
        info: dict[str, Any] = {f"reward_{name}": float(value[0]) for name, value in step.info.items()}
        if terminated[0] or truncated[0]:
            info["end"] = Termination(int(step.end[0])).name.lower()
        self._steps, self._reward, self._picture = self._steps + 1, float(step.reward[0]), None
        return _array(step.final_obs)[0], float(step.reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> Array | None:  # type: ignore[override]
        """Draw the character after the last step or reset, and the clip as a transparent figure.

        Returns a picture (H, W, 3) uint8 with ``render_mode="rgb_array"``, else None.

        Raises InputError or RenderError if no renderer works; the command `doctor` names the remedy.
        """
        if self.render_mode is None:
            return None
        from mimic.rendering import LivePicture
        from mimic.rendering.simulated import current_frame, post_step_frame

        self._live = self._live or LivePicture(self.env.character)
        if self._picture is None:
            env, time, reward = self.env, self._steps * self.env.control_dt, self._reward
            frame = current_frame(env, time) if reward is None else post_step_frame(env, time, reward)
            self._picture = self._live.draw(frame)
        return self._picture.copy()

    def close(self) -> None:
        """Free the renderer's memory."""
        if self._live:
            self._live.close()
            self._live = None


def register_all() -> None:
    """Register an environment for every named clip. Importing the module calls this function."""
    for clip in clip_names():
        if env_id(clip) not in gymnasium.registry:
            gymnasium.register(
                env_id(clip),
                entry_point="mimic.gym.tracking:GymTracking",
                vector_entry_point="mimic.gym.tracking:GymVectorTracking",
                kwargs={"clip": clip},
            )


def _make(clip: str, num_envs: int, config: EnvConfig | None, training: bool, threads: int) -> TrackingEnv:
    return make_env(load_clips(clip), config or load_preset("fast").env, num_envs, training, threads=threads)


def _spaces(env: TrackingEnv) -> tuple[Box, Box]:
    """Return observation and action space of one environment; actions have the bounds ``env.action_low`` and ``_high``."""
    observation = Box(-np.inf, np.inf, (env.obs_dim,), np.float32)
    return observation, Box(_array(env.action_low), _array(env.action_high), (env.act_dim,), np.float32)


def _action(action: Array, space: gymnasium.Space[Array], device: torch.device) -> torch.Tensor:
    """Convert an action to a tensor. Raises ValueError for a wrong shape, which broadcasting would hide."""
    given = np.asarray(action, np.float32)
    if given.shape != space.shape:
        raise ValueError(f"the action has shape {given.shape}, expected {space.shape}")
    return torch.as_tensor(given, device=device)


def _start_times(env: TrackingEnv, options: dict[str, Any] | None) -> torch.Tensor | None:
    if not options:
        return None
    for key in options:
        if key != "start_times":
            raise ValueError(f"unknown reset option '{key}'; {nearest(key, ['start_times'])}")
    times = torch.as_tensor(options["start_times"], dtype=torch.float64, device=env.device)
    if times.shape != (env.num_envs,) or not bool(((times >= 0) & (times < env.motion.duration)).all()):
        raise ValueError(
            f"start_times must be {env.num_envs} numbers, each from 0 to below {env.motion.duration:.3f} s"
        )
    return times


def _ends(step: Step) -> tuple[Array, Array]:
    """Return ``terminated`` (failed, diverged or the clip is over) and ``truncated`` (time limit), each (N,) bool."""
    end = _array(step.end)
    return (end != Termination.NONE) & (end != Termination.TIMEOUT), end == Termination.TIMEOUT


def _array(tensor: torch.Tensor) -> Array:
    return tensor.cpu().numpy().copy()


def _reseed(interface: GymVectorTracking | GymTracking, seed: int | None) -> None:
    """Seed the start times: with ``seed`` if given, else at random at the first reset and never again."""
    if seed is not None or not interface.seeded:
        interface.env.reseed(int(interface.np_random.integers(2**31)))
        interface.seeded = True


def _rate(env: TrackingEnv) -> int:
    """Return the number of control steps per second."""
    return round(1.0 / env.control_dt)


def _known(render_mode: str | None, modes: list[str]) -> str | None:
    if render_mode is not None and render_mode not in modes:
        there = (
            f"there is {', '.join(modes)}" if modes else "many at a time are not drawn; gymnasium.make has 'rgb_array'"
        )
        raise ValueError(f"render_mode '{render_mode}': {there}")
    return render_mode


register_all()
