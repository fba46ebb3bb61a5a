"""The whole job for one clip: a controller, its evaluation, a film.

The controller is the one that ships if there is one, else the user's last run of the clip, else one trained on the
spot for as long as the user grants.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from characters import load_character
from mimic.core.errors import InputError
from mimic.core.files import write_json
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.footfall import FootfallMetric
from mimic.evaluation.footfall_plot import draw_footfalls
from mimic.evaluation.push import default_impulses, push_test
from mimic.evaluation.push_plot import draw_pushes
from mimic.render import RenderReport, draw
from mimic.render.simulated import simulation_frames
from mimic.rl.policy import on_device
from mimic.runs.controller import (
    RUNS_FOLDER,
    Controller,
    find_controller,
    latest_run_of_clip,
    load_controller,
    shipped_controllers,
    short_name,
)
from mimic.runs.training import Limits, RunConfig, check_folder, train
from mimic.sim import DeviceName

EVALUATION_SEED = 2019
Say = Callable[[str], None]


@dataclass(frozen=True)
class ClipReport:
    """What the job made: paths, and the evaluation as ``evaluation.json`` has it."""

    controller: Path
    evaluation_path: Path
    evaluation: dict[str, Any]
    video: Path | None


def run_clip(
    run: RunConfig, out: Path, minutes: float, seconds: float, threads: int, say: Say, train_anew: bool = False
) -> ClipReport:
    """Controller, evaluation and film for ``run.clip``, written below ``out``.

    ``train_anew``: by ``run`` and no other, whatever controllers there are.
    """
    controller = load_controller(str(_controller(run, out, minutes, threads, say, train_anew)))
    say("evaluating: 32 episodes of up to 20 s from random starts")
    report = evaluate_controller(controller, 32, threads)
    evaluation_path = out / "evaluation.json"
    write_json(evaluation_path, report)
    video = out / f"{short_name(run.clip)}.mp4"
    film = try_to_render(controller, video, seconds, say=say)
    return ClipReport(controller.path, evaluation_path, report, film.path if film else None)


def evaluate_controller(
    controller: Controller,
    episodes: int,
    threads: int = 0,
    seconds: float = 20.0,
    footfall: Path | None = None,
    engine: str = "mujoco",
    device: DeviceName = "cpu",
    seed: int = EVALUATION_SEED,
) -> dict[str, Any]:
    """The evaluation of a controller from starts that are the same for everyone, or those of another ``seed``.

    ``footfall``: where to draw which foot is down when; the figures of it are then in the report as well.
    """
    dt = load_character(controller.spec["character"]).simulation.control_dt
    if round(seconds / dt) < 1:
        raise InputError(f"{seconds:g} s are less than a control step; evaluate at least {dt:.3f} s")
    controller = replace(controller, env_config=replace(controller.env_config, evaluation_s=seconds))
    env = controller.make_env(episodes, seed, threads, engine, device)
    feet = [FootfallMetric(env)] if footfall else []
    report = evaluate(env, on_device(controller.policy, env.device).mean, extra=feet)
    report |= {"controller": str(controller.path), "engine": engine, "device": device, "seed": seed}
    if footfall:
        draw_footfalls(feet[0].footfalls(), footfall)
    return report


def push_controller(
    controller: Controller,
    episodes: int,
    threads: int = 0,
    impulses: Sequence[float] = (),
    picture: Path | None = None,
    engine: str = "mujoco",
    device: DeviceName = "cpu",
    seed: int = EVALUATION_SEED,
) -> dict[str, Any]:
    """How large pushes a controller survives, ``episodes`` of each size: see ``mimic.evaluation.push.push_test``."""
    sizes = impulses or default_impulses(load_character(controller.spec["character"]).mass)
    env = controller.make_env(episodes * len(sizes), seed, threads, engine, device)
    report = push_test(env, on_device(controller.policy, env.device).mean, sizes)
    if picture:
        draw_pushes(report, picture, f"{controller.clip} pushed once: {episodes} episodes of each size")
    return report


def render_controller(controller: Controller, out: Path, seconds: float, **options: Any) -> RenderReport:
    """Film a controller beside its reference; ``options`` are those of ``mimic.render.draw``."""
    env = controller.make_env(1, seed=EVALUATION_SEED, threads=1)
    return draw(simulation_frames(env, controller.policy.mean, seconds), env.character, out, **options)


def try_to_render(controller: Controller, out: Path, seconds: float, say: Say) -> RenderReport | None:
    """As ``render_controller``, but a picture that cannot be drawn costs nobody a result."""
    say(f"drawing {seconds:g} s of simulation beside the clip")
    try:
        return render_controller(controller, out, seconds)
    except InputError as error:
        say(f"no video: {error}")
        return None


def _controller(run: RunConfig, out: Path, minutes: float, threads: int, say: Say, train_anew: bool) -> Path:
    found = None if train_anew else _there(run, out, say)
    if found is not None:
        return found
    folder = out / f"{short_name(run.clip)}-{run.algorithm}"
    check_folder(folder)
    why = f"'{run.clip}' as you say" if train_anew else f"no controller for '{run.clip}' yet"
    say(f"{why}: training one for {minutes:g} minutes, in {folder}.")
    say("Ten minutes on two cores make most controllers; flips and spins take half an hour.")
    say("Ctrl-C stops early and keeps what has been learned.")
    result = train(run, folder, Limits(minutes=minutes), threads)
    return result.best or result.checkpoint


def _there(run: RunConfig, out: Path, say: Say) -> Path | None:
    """The controller of the clip that ships, or the user's last."""
    if run.clip in shipped_controllers():
        say(f"controller: the one that ships for '{run.clip}'")
        return find_controller(run.clip)
    previous = latest_run_of_clip(run.clip, out) or latest_run_of_clip(run.clip, RUNS_FOLDER)
    if previous is None or load_controller(str(previous)).clip != run.clip:
        return None
    say(f"controller: your last run, {previous} (train --clip {run.clip} --resume --out {previous} goes on with it)")
    return find_controller(str(previous))
