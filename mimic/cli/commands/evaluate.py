"""Evaluate a controller, and print tables."""

import argparse
from dataclasses import replace

from mimic.cli.common import simulator
from mimic.cli.run_clip import draw_evaluation
from mimic.cli.tables import print_evaluation
from mimic.core.files import write_json
from mimic.runs.controller import load_controller
from mimic.runs.evaluate_controller import EVALUATION_SEED, EvaluationSetup, evaluate_controller, push_controller


def run(args: argparse.Namespace) -> int:
    """Evaluate, push and draw as the options say."""
    controller = load_controller(args.controller)
    engine, device = simulator(args)
    seed = EVALUATION_SEED if args.seed is None else args.seed
    setup = EvaluationSetup(args.episodes, args.seconds, args.threads, engine, device, seed)
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
