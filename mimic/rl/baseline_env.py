"""Our environments as stable-baselines3 takes them. Needs the extra ``baselines``."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv as LibraryVecEnv
from stable_baselines3.common.vec_env import VecNormalize

from mimic.rl.rollout import EpisodeTracker
from mimic.rl.vec_env import Termination, VecEnv, choices_of

_CLIP = 10.0  # of normalised observations, the library's default


class LibraryEnv(LibraryVecEnv):  # type: ignore[misc]
    """N environments. Continuous actions are within [-1, 1], in normalised units; ``tracker`` counts the episodes."""

    def __init__(self, env: VecEnv, tracker: EpisodeTracker) -> None:
        self.env, self.tracker = env, tracker
        choices = choices_of(env)
        action = spaces.Discrete(choices) if choices else spaces.Box(-1.0, 1.0, (env.act_dim,), np.float32)
        observation = spaces.Box(-np.inf, np.inf, (env.obs_dim,), np.float32)
        super().__init__(env.num_envs, observation, action)

    def reset(self) -> NDArray[np.float32]:
        """Begin N episodes; observations (N, D)."""
        self.tracker.running.zero_()
        return self.env.reset().cpu().numpy().copy()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions (N, A), or the numbers of choices (N,), until `step_wait` does the step."""
        self._actions = torch.from_numpy(actions.reshape(self.num_envs, -1)).to(self.env.device, torch.float32)

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations (N, D), rewards (N,), ends (N,), and for each ended episode its last observation.

        A diverged simulation ends its episode with the reward 0, and its last observation is that of the next episode.
        """
        step = self.env.step(self._actions)
        self.tracker.add(step)
        diverged = step.end == int(Termination.DIVERGED)
        final = torch.where(diverged.unsqueeze(1), step.obs, step.final_obs).cpu().numpy()
        end = step.end.cpu().numpy()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in end.nonzero()[0]:
            timeout = bool(end[row] == Termination.TIMEOUT)
            infos[row] = {"terminal_observation": final[row].copy(), "TimeLimit.truncated": timeout}
        reward = step.reward.masked_fill(diverged, 0.0)
        return step.obs.cpu().numpy().copy(), reward.cpu().numpy().copy(), end != Termination.NONE, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The attribute of each environment; only ``render_mode`` is known."""
        if attr_name != "render_mode":
            raise AttributeError(attr_name)
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """No attribute can be set. Raises AttributeError."""
        raise AttributeError(attr_name)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """No method can be called. Raises AttributeError."""
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """False for each: none is wrapped."""
        return [False] * self.num_envs


def normalized(env: LibraryEnv, gamma: float) -> Any:
    """The environment with observations standardised by running moments, and rewards over the running std of returns."""
    return VecNormalize(env, clip_obs=_CLIP, gamma=gamma)
