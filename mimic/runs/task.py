"""The interface of tasks: the methods of a task that a training run calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from mimic.rl.policy import Policy
from mimic.rl.vec_env import VecEnv
from mimic.runs.controller import Controller
from mimic.runs.warm_start import InitialController
from mimic.sim import DeviceName

Evaluate = Callable[[Policy], Mapping[str, float]]


@dataclass(frozen=True)
class Place:
    """Size, seed, engine and device of a training environment.

    Attributes:
        num_envs: number of environments that are simulated together.
        seed: seed of the episodes' starts.
        threads: simulation threads; 0 means all cores.
        engine: name of the simulator.
        device: device of the simulation.
        first_env: number of this process's first environment, if several processes share the work.
    """

    num_envs: int
    seed: int = 0
    threads: int = 0
    engine: str = "mujoco"
    device: DeviceName = "cpu"
    first_env: int = 0


class Task(Protocol):
    """A task with its settings: a frozen dataclass, so that ``config.json`` can hold it.

    Attributes:
        name: name of this kind of task in `TASKS`.
        settings: class of the settings in the preset's section ``env``.
    """

    name: ClassVar[str]
    settings: ClassVar[type[Any]]

    @property
    def env(self) -> Any:
        """Settings of the task, an instance of ``settings``."""

    @property
    def title(self) -> str:
        """The task as the command line names it: names of clips, or the id of an environment."""

    def check(self) -> None:
        """Raise InputError if this machine lacks something that the task needs."""

    def make_env(self, place: Place) -> VecEnv:
        """Make the environment for training."""

    def make_evaluation(self, seed: int, threads: int) -> Evaluate:
        """Return a function that evaluates a policy in an environment of its own, always from the same starts."""

    def spec(self, algorithm: str, seed: int, init_from: InitialController | None) -> Mapping[str, Any] | None:
        """Return the content of ``controller.json`` without the policy; None if the run's policies are no controllers."""

    def compared_with(self, controller: Controller) -> dict[str, tuple[Any, Any]]:
        """Return the settings that must be equal if a run is to start from ``controller``.

        Each name maps to a pair: the controller's value, and the value of this task.
        """
