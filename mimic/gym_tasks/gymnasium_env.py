"""Any Gymnasium task with flat observations as a learner's environment: N copies, stepped one after another.

The tasks of ``gymnasium.envs.mujoco`` resume to the bit. Of others, only the random generators can be saved: their episodes
begin anew when a run is resumed.
"""

import difflib
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray
from torch import Tensor

from mimic.core.errors import InputError
from mimic.gym_tasks import random_state
from mimic.gym_tasks.quiet import quiet_mujoco
from mimic.gym_tasks.task_env import Array, Outcome, TaskVecEnv, obs_dim_of

_OWN_MUJOCO = "gymnasium.envs.mujoco."
_HINTS = 3  # names that a message suggests


class GymVecEnv(TaskVecEnv):
    """N copies of the Gymnasium task ``task_id``.

    Raises InputError if there is no such task, a package is missing, or observations or actions cannot be learned.
    """

    def __init__(self, task_id: str, num_envs: int, seed: int = 0) -> None:
        super().__init__(task_id, GymCopies(task_id, num_envs, seed))


class GymCopies:
    """N Gymnasium environments of one task; the methods are those of :class:`mimic.gym_tasks.task_env.Copies`."""

    def __init__(self, task_id: str, num_envs: int, seed: int = 0) -> None:
        self.envs = [make(task_id) for _ in range(num_envs)]
        self.num_envs = num_envs
        self.obs_dim = obs_dim_of(self.envs[0].observation_space, task_id)
        self.action_space = self.envs[0].action_space
        self.resumable = type(self.envs[0].unwrapped).__module__.startswith(_OWN_MUJOCO)
        self._obs = np.zeros((num_envs, self.obs_dim))
        for env, own in zip(self.envs, random_state.copy_seeds(seed, num_envs), strict=True):
            env.unwrapped.np_random = random_state.generator(own)

    def reset(self, rows: NDArray[np.int64]) -> None:
        """Begin new episodes in ``rows`` (K,)."""
        for row in rows.tolist():
            self._obs[row], _ = self.envs[row].reset()

    def step(self, action: NDArray[Any]) -> Outcome:
        """Advance every copy with ``action``, (N, A) or (N,) of choices."""
        reward = np.zeros(self.num_envs)
        terminated, truncated = np.zeros((2, self.num_envs), dtype=bool)
        for row, (env, own) in enumerate(zip(self.envs, action, strict=True)):
            self._obs[row], reward[row], terminated[row], truncated[row], _ = env.step(own)
        return Outcome(reward, terminated, truncated)

    def observation(self) -> Array:
        """Return the current observation of every copy, (N, D)."""
        return self._obs.copy()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the states of the random generators, the observations, and for a MuJoCo task simulations and steps."""
        state = {
            "rng": random_state.to_tensor([env.unwrapped.np_random for env in self.envs]),
            "obs": torch.from_numpy(self._obs.copy()),
        }
        if self.resumable:
            state["simulation"] = torch.from_numpy(np.stack([_simulation(env) for env in self.envs]))
            state["steps"] = torch.tensor([_elapsed(env) for env in self.envs])
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``state_dict``: to the bit if ``resumable``, else with new episodes."""
        generators = [env.unwrapped.np_random for env in self.envs]
        random_state.from_tensor(state["rng"], generators)
        self.reset(np.arange(self.num_envs))
        if self.resumable:
            random_state.from_tensor(state["rng"], generators)
            self._obs[:] = state["obs"].numpy()
            for env, simulation, steps in zip(
                self.envs, state["simulation"].numpy(), state["steps"].tolist(), strict=True
            ):
                _set_simulation(env, simulation)
                _set_elapsed(env, steps)


def make(task_id: str) -> gymnasium.Env[Any, Any]:
    """Make the Gymnasium environment ``task_id``. Raises InputError, in one line, for every failure."""
    try:
        with warnings.catch_warnings(), quiet_mujoco():
            warnings.simplefilter("ignore", DeprecationWarning)  # v4 is asked for on purpose
            return gymnasium.make(task_id, disable_env_checker=True)
    except (gymnasium.error.NameNotFound, gymnasium.error.NamespaceNotFound, gymnasium.error.VersionNotFound):
        raise InputError(f"no task '{task_id}' in Gymnasium{_nearest(task_id)}") from None
    except gymnasium.error.DependencyNotInstalled as error:
        lacks = "Box2D and pygame; install them: pip install 'mimic-animation[baselines]'"
        box2d = "box2d" in str(error).lower()  # Gymnasium names a package that has no wheels
        raise InputError(f"{task_id}: needs {lacks if box2d else ' '.join(str(error).split())}") from None
    except (gymnasium.error.Error, ImportError, TypeError, ValueError, AttributeError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"{task_id}: Gymnasium cannot make it ({line})") from None


def _nearest(task_id: str) -> str:
    names = sorted(name for name, spec in gymnasium.registry.items() if isinstance(spec.entry_point, str))
    near = difflib.get_close_matches(task_id, names, n=_HINTS, cutoff=0.5)
    stem = task_id.rpartition("-v")[0] or task_id
    same = [name for name in names if name.rpartition("-v")[0].lower() == stem.lower()]
    hints = list(dict.fromkeys([*reversed(same), *near]))[:_HINTS]
    if not hints:
        return f"; {len(names)} are registered, for instance 'Hopper-v5'"
    return "; did you mean " + " or ".join(f"'{name}'" for name in hints) + "?"


def _simulation(env: gymnasium.Env[Any, Any]) -> Array:
    """Return the integration state, and the body positions of the last step, which tasks measure progress from."""
    task: Any = env.unwrapped
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    state = np.zeros(mujoco.mj_stateSize(task.model, kind))
    mujoco.mj_getState(task.model, task.data, state, kind)
    return np.concatenate([state, task.data.xpos.ravel(), task.data.xipos.ravel()])


def _set_simulation(env: gymnasium.Env[Any, Any], values: Array) -> None:
    task: Any = env.unwrapped
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    size, bodies = mujoco.mj_stateSize(task.model, kind), task.data.xpos.size
    if values.size != size + 2 * bodies:
        raise ValueError(f"the simulation's state has {values.size} numbers, expected {size + 2 * bodies}")
    mujoco.mj_setState(task.model, task.data, values[:size], kind)
    task.data.xpos.flat[:] = values[size : size + bodies]
    task.data.xipos.flat[:] = values[size + bodies :]


def _time_limit(env: gymnasium.Env[Any, Any]) -> TimeLimit[Any, Any] | None:
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            return env
        env = env.env
    return None


def _elapsed(env: gymnasium.Env[Any, Any]) -> int:
    limit = _time_limit(env)
    return 0 if limit is None else int(limit._elapsed_steps or 0)


def _set_elapsed(env: gymnasium.Env[Any, Any], steps: int) -> None:
    limit: Any = _time_limit(env)
    if limit is not None:
        limit._elapsed_steps = steps
