"""The methods that a task offers to a run."""

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
    """Where a training environment runs.

    Attributes:
        num_envs: environments side by side.
        seed: of episodes' starts.
        threads: simulation threads; 0 means all cores.
        engine: name of the simulator.
        device: the simulation's.
        first_env: number of the first environment, if several processes share the work.
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
        name: of the kind of task in `TASKS`.
        settings: class of the preset section ``env``.
    """

    name: ClassVar[str]
    settings: ClassVar[type[Any]]

    @property
    def env(self) -> Any:
        """The settings, an instance of ``settings``."""

    @property
    def title(self) -> str:
        """The task as the command line names it: names of clips, or the id of an environment."""

    def check(self) -> None:
        """Raise InputError if this machine lacks something that the task needs."""

    def make_env(self, place: Place) -> VecEnv:
        """The environment to train in."""

    def make_evaluation(self, seed: int, threads: int) -> Evaluate:
        """Return a function that evaluates a policy in an environment of its own, always from the same starts."""

    def spec(self, algorithm: str, seed: int, init_from: InitialController | None) -> Mapping[str, Any] | None:
        """The specification of a run's controllers; None if they cannot be loaded as controllers."""

    def compared_with(self, controller: Controller) -> dict[str, tuple[Any, Any]]:
        """Everything that must be equal for a controller's policy to fit: name -> (of the controller, of the task)."""
