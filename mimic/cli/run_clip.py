"""Make or find a controller for one clip, evaluate the controller, and film it.

If a controller for the clip ships, that one is used, else the controller of the user's latest run of the clip. Without
either, a controller is trained, for as many minutes as the user allows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mimic.core.errors import InputError
from mimic.core.files import write_json
from mimic.evaluation.footfall_plot import draw_footfalls
from mimic.evaluation.push_plot import draw_pushes
from mimic.rendering import RenderReport
from mimic.rendering.controller_film import render_controller
from mimic.runs.controller import (
    RUNS_FOLDER,
    Controller,
    find_controller,
    latest_run_of_clip,
    load_controller,
    shipped_controllers,
    short_name,
)
from mimic.runs.evaluate_controller import ControllerEvaluation, EvaluationSetup, evaluate_controller
from mimic.runs.run_config import RunConfig
from mimic.runs.training import StopCriteria, check_folder, train

Say = Callable[[str], None]


@dataclass(frozen=True)
class ClipReport:
    """Paths of the output files, and the evaluation; ``video`` is None if it could not be drawn."""

    controller: Path
    evaluation_path: Path
    evaluation: ControllerEvaluation
    video: Path | None


def run_clip(
    run: RunConfig, out: Path, minutes: float, seconds: float, threads: int, say: Say, train_anew: bool = False
) -> ClipReport:
    """Make or find a controller for the run's clip, evaluate it and film it, all below the folder ``out``.

    Args:
        run: how to train, if a controller must be trained.
        out: folder for evaluation, film and run.
        minutes: limit of training.
        seconds: length of the film [s].
        threads: of the simulation; 0 is one per core.
        say: prints a line.
        train_anew: train as ``run`` says even if there is a controller.
    """
    controller = load_controller(_controller(run, out, minutes, threads, say, train_anew))
    say("evaluating: 32 episodes of up to 20 s from random starts")
    evaluation = evaluate_controller(controller, EvaluationSetup(threads=threads))
    evaluation_path = out / "evaluation.json"
    write_json(evaluation_path, evaluation.to_json())
    film = try_to_render(controller, out / f"{short_name(run.task.title)}.mp4", seconds, say)
    return ClipReport(controller.path, evaluation_path, evaluation, film.path if film else None)


def draw_evaluation(evaluation: ControllerEvaluation, footfalls: Path | None, pushes: Path | None) -> None:
    """Draw footfalls and pushes of an evaluation as PNGs, each if a path is given and the evaluation has them."""
    if footfalls and evaluation.footfalls:
        draw_footfalls(evaluation.footfalls, footfalls)
    if pushes and evaluation.push:
        title = f"{evaluation.clip} pushed once: {evaluation.setup.episodes} episodes of each size"
        draw_pushes(evaluation.push, pushes, title)


def try_to_render(controller: Controller, out: Path, seconds: float, say: Say) -> RenderReport | None:
    """Film the controller by ``render_controller``; if that is impossible, say why and return None."""
    say(f"drawing {seconds:g} s of simulation beside the clip")
    try:
        return render_controller(controller, out, seconds)
    except InputError as error:
        say(f"no video: {error}")
        return None


def _controller(run: RunConfig, out: Path, minutes: float, threads: int, say: Say, train_anew: bool) -> Path:
    found = None if train_anew else _existing_controller(run, out, say)
    if found is not None:
        return found
    folder = out / f"{short_name(run.task.title)}-{run.algorithm.name}"
    check_folder(folder)
    name = short_name(run.task.title)
    why = f"'{name}' with your options" if train_anew else f"no controller for '{name}' yet"
    say(f"{why}: training one for {minutes:g} minutes, in {folder}.")
    say("Ten minutes on two cores are enough for most clips; flips and spins take half an hour.")
    say("Ctrl-C stops early and keeps the best controller so far.")
    result = train(run, folder, StopCriteria(minutes=minutes), threads)
    return result.best or result.checkpoint


def _existing_controller(run: RunConfig, out: Path, say: Say) -> Path | None:
    """Return the controller that ships for the clip, else that of the latest run; None if there is neither."""
    if run.task.title in shipped_controllers():
        say(f"controller: the one that ships for '{run.task.title}'")
        return find_controller(run.task.title)
    previous = latest_run_of_clip(run.task.title, out) or latest_run_of_clip(run.task.title, RUNS_FOLDER)
    if previous is None:
        return None
    controller = find_controller(previous)
    if load_controller(controller).clip != run.task.title:
        return None
    say(
        f"controller: your latest run, {previous} (train --clip {run.task.title} --resume --out {previous} continues it)"
    )
    return controller
