"""Evaluate a controller and push it: episodes without training aids, in any engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from characters import load_character
from mimic.core.errors import InputError
from mimic.evaluation.contact_intervals import Footfalls
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.footfall import FootfallMetric
from mimic.evaluation.push import PushReport, default_impulses, push_test
from mimic.evaluation.report import EvaluationReport
from mimic.rl.policy import on_device
from mimic.runs.controller import Controller
from mimic.sim import DeviceName

EVALUATION_SEED = 2019


@dataclass(frozen=True)
class EvaluationSetup:
    """Conditions of an evaluation.

    Attributes:
        episodes: number of episodes, which start at random phases of the clip.
        seconds: length of an episode [s].
        threads: threads of the simulation; 0 means one per core.
        engine: name of the simulator.
        device: device on which the engine runs.
        seed: seed of the start phases; with one seed all controllers have the same starts.
    """

    episodes: int = 32
    seconds: float = 20.0
    threads: int = 0
    engine: str = "mujoco"
    device: DeviceName = "cpu"
    seed: int = EVALUATION_SEED


@dataclass(frozen=True)
class ControllerEvaluation:
    """The results of a controller's evaluation, and the conditions.

    Attributes:
        report: the results.
        controller: folder of the controller.
        clip: clip of the controller; several are joined by ``+``.
        setup: the conditions of the evaluation.
        footfalls: contacts of the feet; None if they were not requested.
        push: result of the push test; None if there was no such test.
    """

    report: EvaluationReport
    controller: Path
    clip: str
    setup: EvaluationSetup
    footfalls: Footfalls | None = None
    push: PushReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert the evaluation to the content of ``evaluation.json``."""
        setup = {"engine": self.setup.engine, "device": self.setup.device, "seed": self.setup.seed}
        pushed = {"push": self.push.to_json()} if self.push else {}
        return {**self.report.to_json(), "controller": str(self.controller), **setup, **pushed}


def evaluate_controller(
    controller: Controller, setup: EvaluationSetup | None = None, footfalls: bool = False
) -> ControllerEvaluation:
    """Evaluate a controller. With ``footfalls``, also compare the contacts of its feet with those of the clip.

    Raises InputError if an episode is shorter than a control step.
    """
    setup = setup or EvaluationSetup()
    dt = load_character(controller.spec.character).simulation.control_dt
    if round(setup.seconds / dt) < 1:
        raise InputError(
            f"an episode of {setup.seconds:g} s is shorter than a control step; evaluate at least {dt:.3f} s"
        )
    lasting = controller.with_episodes_of(setup.seconds)
    env = lasting.make_env(setup.episodes, setup.seed, setup.threads, setup.engine, setup.device)
    feet = [FootfallMetric(env)] if footfalls else []
    report = evaluate(env, on_device(controller.policy, env.device).mean, extra=feet)
    return ControllerEvaluation(report, controller.path, controller.clip, setup, feet[0].footfalls() if feet else None)


def push_controller(
    controller: Controller, setup: EvaluationSetup | None = None, impulses: Sequence[float] = ()
) -> PushReport:
    """Run the push test with ``setup.episodes`` episodes for each impulse [N·s]; see ``mimic.evaluation.push``.

    Without ``impulses``, the sizes are those of ``default_impulses``.
    """
    setup = setup or EvaluationSetup()
    sizes = impulses or default_impulses(load_character(controller.spec.character).mass)
    env = controller.make_env(setup.episodes * len(sizes), setup.seed, setup.threads, setup.engine, setup.device)
    return push_test(env, on_device(controller.policy, env.device).mean, sizes)
