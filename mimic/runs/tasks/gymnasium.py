"""Tasks of Gymnasium: any environment id with flat observations, and continuous or discrete actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mimic.core.errors import InputError
from mimic.core.strict_config import to_dict
from mimic.rl.policy import Policy, on_device
from mimic.runs.controller import Controller
from mimic.runs.task import Evaluate, Place
from mimic.runs.tasks import TASKS
from mimic.runs.warm_start import InitialController

if TYPE_CHECKING:
    from mimic.gym_tasks.task_env import TaskVecEnv

FORMAT = 1
_EVALUATION_SEED = 1_000_003


@dataclass(frozen=True)
class GymnasiumSettings:
    """Settings in the section ``env`` of a preset for Gymnasium's tasks."""

    evaluation_episodes: int = 8  # of an evaluation during training

    def __post_init__(self) -> None:
        if not 1 <= self.evaluation_episodes <= 10_000:
            raise ValueError(f"evaluation_episodes must be from 1 to 10,000, found {self.evaluation_episodes}")


@TASKS.register("gymnasium")
@dataclass(frozen=True)
class GymnasiumTask:
    """A Gymnasium task: its id, such as ``Hopper-v5``, and its settings."""

    id: str
    env: GymnasiumSettings

    name: ClassVar[str] = "gymnasium"
    settings: ClassVar[type[Any]] = GymnasiumSettings

    @property
    def title(self) -> str:
        """The task's id."""
        return self.id

    def check(self) -> None:
        """Raise InputError if there is no such task, or the learner cannot handle its observations or actions."""
        self._make(1, 0, 1)

    def make_env(self, place: Place) -> "TaskVecEnv":
        """Make the environment for training. Raises InputError for any engine but "mujoco", the default."""
        if place.engine != "mujoco":
            raise InputError(f"--engine {place.engine}: '{self.id}' has a simulation of its own; leave out --engine")
        seed = place.seed if not place.first_env else place.seed + (place.first_env << 32)
        return self._make(place.num_envs, seed, place.threads)

    def make_evaluation(self, seed: int, threads: int) -> Evaluate:
        """Return a function that plays some episodes with a policy's most probable actions, always from the same starts."""
        from mimic.gym_tasks.task_return import task_return

        env = self._make(self.env.evaluation_episodes, _EVALUATION_SEED + seed, threads)
        start = env.state_dict()

        def judge(policy: Policy) -> Mapping[str, float]:
            env.load_state_dict(start)
            found = task_return(env, on_device(policy, env.device).mean).to_json()
            mean, std, steps = found["return"]["mean"], found["return"]["std"], found["steps"]["mean"]
            return {"return": mean, "return_std": std, "mean_steps": steps, "failed": found["failed"]}

        return judge

    def spec(self, algorithm: str, seed: int, init_from: InitialController | None) -> Mapping[str, Any]:
        """Return the content of ``controller.json`` without the policy."""
        task = {"type": self.name, **to_dict(self)}
        return {"format": FORMAT, "task": task, "algorithm": algorithm, "seed": seed}

    def compared_with(self, controller: Controller) -> dict[str, tuple[Any, Any]]:
        """Return the names of both tasks, which always differ, so that no run starts from a controller of a clip."""
        return {"task": (controller.clip, self.id)}

    def _make(self, num_envs: int, seed: int, threads: int) -> "TaskVecEnv":
        from mimic.gym_tasks.batched.vec_env import make_task_env  # imports Gymnasium

        return make_task_env(self.id, num_envs, seed, threads)
