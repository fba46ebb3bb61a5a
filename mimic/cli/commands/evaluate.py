"""Evaluate a controller, and print tables."""

import argparse
from dataclasses import replace

from mimic.cli.common import say, simulator
from mimic.cli.motion_files import select_clips
from mimic.cli.run_clip import draw_evaluation
from mimic.cli.tables import print_evaluation, print_library
from mimic.core.errors import InputError
from mimic.core.files import write_json
from mimic.core.printing import show
from mimic.runs.controller import Controller, load_controller
from mimic.runs.evaluate_controller import EVALUATION_SEED, EvaluationSetup, evaluate_controller, push_controller
from mimic.runs.evaluate_library import evaluate_library


def run(args: argparse.Namespace) -> int:
    """Evaluate the controller, and run the push test and draw diagrams if the options ask for them."""
    if args.task:
        return _evaluate_task(args)
    controller = load_controller(args.controller)
    if args.clip:
        controller = select_clips(controller, args.clip, args.take)
    engine, device = simulator(args)
    seed = EVALUATION_SEED if args.seed is None else args.seed
    setup = EvaluationSetup(args.episodes, args.seconds, args.threads, engine, device, seed)
    if controller.has_library:
        return _evaluate_library(controller, setup, args)
    evaluation = evaluate_controller(controller, setup, footfalls=bool(args.footfall))
    if args.push is not None or args.push_plot:
        evaluation = replace(evaluation, push=push_controller(controller, setup, args.push or ()))
    draw_evaluation(evaluation, args.footfall, args.push_plot)
    if args.json:
        write_json(args.json, evaluation.to_json())
    made = {"json": args.json, "footfalls": args.footfall, "pushes": args.push_plot}
    paths = {"controller": evaluation.controller} | {name: path for name, path in made.items() if path}
    print_evaluation(evaluation, paths)
    return 0


def _evaluate_task(args: argparse.Namespace) -> int:
    """Print the return in a Gymnasium task. Raises InputError for options that only clips have."""
    from mimic.runs.task_controller import EVALUATION_SEED as TASK_SEED
    from mimic.runs.task_controller import evaluate_task, load_task_controller

    _refuse_clip_options(args)
    controller = load_task_controller(args.controller)
    seed = TASK_SEED if args.seed is None else args.seed
    found = evaluate_task(controller, args.task, args.episodes, seed, args.threads).to_json()
    if args.json:
        write_json(args.json, found | {"controller": str(controller.path), "seed": seed})
    mean, std = found["return"]["mean"], found["return"]["std"]
    show(f"return      {mean:.1f} ± {std:.1f} over {args.episodes} episodes of '{args.task}'")
    show(f"steps       {found['steps']['mean']:.0f} ± {found['steps']['std']:.0f}")
    show(f"terminated  {100 * found['failed']:.0f} % of the episodes")
    show(f"controller  {controller.path}")
    return 0


def _refuse_clip_options(args: argparse.Namespace) -> None:
    given = {"--push": args.push is not None, "--push-plot": args.push_plot, "--footfall": args.footfall}
    given |= {"--engine": args.engine not in (None, "mujoco"), "--device": args.device not in (None, "cpu")}
    for option, asked in given.items():
        if asked:
            raise InputError(f"{option} is for clips; leave it out with --task")


def _evaluate_library(controller: Controller, setup: EvaluationSetup, args: argparse.Namespace) -> int:
    """Evaluate each clip of a library. Raises InputError for options that need a single clip."""
    if args.push is not None or args.push_plot or args.footfall:
        raise InputError("--push and --footfall are for one clip; name the clip with --clip")
    evaluation = evaluate_library(controller, setup, say)
    if args.json:
        write_json(args.json, evaluation.to_json())
    print_library(evaluation)
    return 0
