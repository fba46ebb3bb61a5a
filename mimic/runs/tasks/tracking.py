"""The tracking task: a simulated character imitates one or several motion clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from characters import load_character
from mimic.core.errors import InputError
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.report import EvaluationReport
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.rl.policy import Policy, on_device
from mimic.runs.controller import Controller
from mimic.runs.controller_spec import ControllerSpec
from mimic.runs.played_starts import played_starts
from mimic.runs.task import Evaluate, Place
from mimic.runs.tasks import TASKS
from mimic.runs.warm_start import InitialController, combined_licence
from mimic.sim import make_engine
from mimic.tracking import EnvConfig, TrackingEnv, make_env
from mocap.catalogue import load_clips, names_in
from mocap.licence import licence_of_clips
from mocap.motion import Motion

_EVALUATION_EPISODES = 32
_EVALUATION_SEED = 1_000_003
_LOGGED = ("survival", "success_rate", "mpjpe_m", "root_error_m", "mean_steps", "mean_time_s")


@TASKS.register("tracking")
@dataclass(frozen=True)
class TrackingTask:
    """The task to track motion clips, given by catalogue names or paths, with the settings of the environment."""

    clips: tuple[str, ...]
    env: EnvConfig
    weights: tuple[float, ...] = ()  # of the clips of a library in training; empty: equal

    name: ClassVar[str] = "tracking"
    settings: ClassVar[type[Any]] = EnvConfig

    def __post_init__(self) -> None:
        if not self.clips:
            raise ValueError("a tracking task needs at least one clip, and its list of clips is empty")
        if self.weights and len(self.weights) != len(self.clips):
            raise ValueError(f"{len(self.clips)} clips need as many weights, found {len(self.weights)}")

    @property
    def title(self) -> str:
        """The clips as the command line takes them: ``a+b``."""
        return "+".join(self.clips)

    @cached_property
    def motions(self) -> tuple[Motion, ...]:
        """The clips, read once. Raises InputError or ClipError."""
        return load_clips(self.title)

    @property
    def character(self) -> str:
        """Name of the character that the clips are of."""
        return self.motions[0].character

    def check(self) -> None:
        """Raise InputError or ClipError if a clip cannot be read."""
        _ = self.motions

    def make_env(self, place: Place) -> TrackingEnv:
        """Make the environment for training, with training aids.

        Raises InputError if random commands are asked for on a GPU, where no motion graph runs.
        """
        return training_env(self.motions, self.env, place, self.weights)

    def make_evaluation(self, seed: int, threads: int) -> Evaluate:
        """Return a function that evaluates a policy in 32 episodes without training aids, on the CPU engine."""
        env = make_env(self.motions, self.env, _EVALUATION_EPISODES, False, _EVALUATION_SEED + seed, threads)

        def judge(policy: Policy) -> Mapping[str, float]:
            return summary(evaluate(env, on_device(policy, env.device).mean))

        return judge

    def spec(self, algorithm: str, seed: int, init_from: InitialController | None) -> Mapping[str, Any]:
        """Return the content of ``controller.json``, which makes a checkpoint a controller, without the policy."""
        licence = licence_of_clips(motion.license for motion in self.motions)
        return ControllerSpec(
            self.title,
            self.character,
            self.env,
            algorithm=algorithm,
            seed=seed,
            clip_license=combined_licence(licence, init_from),
            begun_with=init_from.ancestor() if init_from else None,
        ).to_json()

    def compared_with(self, controller: Controller) -> dict[str, tuple[Any, Any]]:
        """Return character, observation and action, each as (controller's value, task's value).

        If the policy observes the clip's number, the number of clips is compared too.
        """
        theirs, counted = controller.env_config, self.env.observation.clip_id
        found: dict[str, tuple[Any, Any]] = {
            "the character": (controller.spec.character, self.character),
            "env.observation": (theirs.observation, self.env.observation),
            "env.action": (theirs.action, self.env.action),
        }
        counts = {"the number of clips": (len(names_in(controller.clip)), len(self.clips))}
        return found | (counts if counted else {})


def summary(report: EvaluationReport) -> dict[str, float]:
    """Return the numbers of an evaluation that a row of the log holds."""
    found = report.to_json()
    return {"normalized_return": report.normalized_return.mean} | {name: found[name] for name in _LOGGED}


def training_env(
    motions: Sequence[Motion], config: EnvConfig, place: Place, weights: Sequence[float] = ()
) -> TrackingEnv:
    """Make the environment for training, with training aids; its reference is a motion graph's if there are commands.

    Raises InputError if random commands are asked for on a GPU, where no motion graph runs.
    """
    if not config.commands:
        return make_env(
            motions,
            config,
            place.num_envs,
            seed=place.seed,
            threads=place.threads,
            first_env=place.first_env,
            engine=place.engine,
            device=place.device,
            weights=weights,
        )
    if place.device != "cpu":
        raise InputError(
            "env.commands: the motion graph runs on the CPU alone; set env.commands=null, or --engine mujoco"
        )
    engine = make_engine(load_character(motions[0].character), place.num_envs, place.threads, place.engine)
    env = ConductedEnv(motions, engine, config, True, place.seed, place.first_env, weights)
    if config.commands.played_by:
        env.starts = played_starts(env.motions, config, place.seed, place.threads)
    return env
