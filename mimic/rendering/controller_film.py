"""A film of a controller beside its clip."""

from pathlib import Path
from typing import Any

from mimic.rendering.film import RenderReport, draw
from mimic.rendering.simulated import simulation_frames
from mimic.runs.controller import Controller
from mimic.runs.evaluate_controller import EVALUATION_SEED


def render_controller(controller: Controller, out: Path, seconds: float, **options: Any) -> RenderReport:
    """Film a controller beside its reference for ``seconds``; ``options`` are those of ``mimic.rendering.draw``."""
    env = controller.make_env(1, seed=EVALUATION_SEED, threads=1)
    return draw(simulation_frames(env, controller.policy.mean, seconds), env.character, out, **options)
