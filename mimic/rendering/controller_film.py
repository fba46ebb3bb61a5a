"""Films a controller beside its clip."""

from pathlib import Path
from typing import Any

from mimic.rendering.film import RenderReport, draw
from mimic.rendering.scene import Frame
from mimic.rendering.simulated import simulation_frames
from mimic.runs.controller import Controller
from mimic.runs.evaluate_controller import EVALUATION_SEED

_SHORTEST_S = 3.0  # of a clip's part in the film of a library


def render_controller(controller: Controller, out: Path, seconds: float, **options: Any) -> RenderReport:
    """Film a controller beside its reference; ``options`` are those of ``mimic.rendering.draw``.

    The film lasts ``seconds``. A controller of several clips shows one clip after another, at least 3 s of each.
    """
    parts = [controller.of_clip(clip) for clip in controller.clips] if controller.has_library else [controller]
    each = seconds if len(parts) == 1 else max(_SHORTEST_S, seconds / len(parts))
    frames: list[Frame] = []
    for part in parts:
        env = part.make_env(1, seed=EVALUATION_SEED, threads=1)
        frames += simulation_frames(env, part.policy.mean, each)
    return draw(frames, env.character, out, **options)
