"""A controller at work: how well it does, and what it looks like."""

import argparse
from dataclasses import replace
from pathlib import Path

from mimic.cli.arguments import (
    PATHS,
    Verbs,
    add_engine,
    add_film_options,
    add_threads,
    diagram,
    impulses,
    positive,
    seed,
    whole,
)
from mimic.cli.common import say, simulator


def add(verbs: Verbs) -> None:
    """``evaluate``, ``render``, ``steer``, ``play-clip``."""
    evaluate = verbs.add("evaluate", do_evaluate, "how well a controller tracks its clip")
    evaluate.add_argument("--controller", required=True, metavar="PATH|NAME")
    evaluate.add_argument("--episodes", type=whole, default=32, help="from as many random starts (default 32)")
    evaluate.add_argument("--seconds", type=positive, default=20.0, help="length of an episode (default 20)")
    evaluate.add_argument("--seed", type=seed, help="of other phases (default: the same for everyone)")
    evaluate.add_argument("--json", type=Path, metavar="OUT")
    evaluate.add_argument(
        "--push", nargs="?", type=impulses, const=(), metavar="N·s,...", help="push it: impulse against survival"
    )
    evaluate.add_argument("--push-plot", type=diagram, metavar="OUT.png", help="the same as a picture")
    evaluate.add_argument(
        "--footfall", type=diagram, metavar="OUT.png", help="which foot is down when, beside the clip"
    )
    add_engine(evaluate)
    add_threads(evaluate)

    render = verbs.add("render", do_render, "film a controller beside its clip")
    render.add_argument("--controller", required=True, metavar="PATH|NAME")
    render.add_argument("--seconds", type=positive, default=10.0, help="length of the film (default 10)")
    render.add_argument("--view", choices=("side", "ghost"), default="side")
    add_film_options(render)

    lead = verbs.add(
        "steer", do_steer, "lead a controller of several clips (train --clip A+B+C) along a path, and film it"
    )
    lead.add_argument("--controller", required=True, metavar="PATH|NAME")
    lead.add_argument("--path", choices=PATHS, default="eight")
    lead.add_argument("--radius", type=positive, default=3.0, metavar="M", help="of the path's circles (default 3)")
    lead.add_argument("--seconds", type=positive, default=25.0, help="how long (default 25)")
    lead.add_argument("--picture", type=diagram, metavar="OUT.png", help="path and track from above")
    add_film_options(lead)

    play = verbs.add("play-clip", do_play_clip, "film a clip as it is, without physics")
    play.add_argument("--clip", required=True, help="a name from `run_mimic.py clips`, or a clip file")
    play.add_argument(
        "--seconds",
        type=positive,
        help="so long from the start (default: whole cycles of at least 4 s, or once and a second more)",
    )
    play.add_argument("--raw", action="store_true", help="leave frames below the ground where they are")
    add_film_options(play)


def do_evaluate(args: argparse.Namespace) -> int:
    """Evaluate a controller and print tables."""
    from mimic.cli.run_clip import draw_evaluation
    from mimic.cli.tables import print_evaluation
    from mimic.core.files import write_json
    from mimic.runs.controller import load_controller
    from mimic.runs.evaluate_controller import (
        EVALUATION_SEED,
        EvaluationSetup,
        evaluate_controller,
        push_controller,
    )

    skill = load_controller(args.controller)
    engine, device = simulator(args)
    seed = EVALUATION_SEED if args.seed is None else args.seed
    setup = EvaluationSetup(args.episodes, args.seconds, args.threads, engine, device, seed)
    evaluation = evaluate_controller(skill, setup, footfalls=bool(args.footfall))
    if args.push is not None or args.push_plot:
        evaluation = replace(evaluation, push=push_controller(skill, setup, args.push or ()))
    draw_evaluation(evaluation, args.footfall, args.push_plot)
    if args.json:
        write_json(args.json, evaluation.to_json())
    paths = {
        "controller": evaluation.controller,
        "json": args.json,
        "footfalls": args.footfall,
        "pushes": args.push_plot,
    }
    print_evaluation(evaluation, {name: path for name, path in paths.items() if path})
    return 0


def do_render(args: argparse.Namespace) -> int:
    """Film a controller beside its clip."""
    from mimic.cli.run_clip import render_controller
    from mimic.runs.controller import load_controller

    skill = load_controller(args.controller)
    film = render_controller(skill, args.out, args.seconds, view=args.view, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames in {film.seconds:.0f} s with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_steer(args: argparse.Namespace) -> int:
    """Lead a controller of several clips along a path."""
    from characters import load_character
    from mimic.play.path_following import draw_path_result, steer
    from mimic.render import draw
    from mimic.runs.controller import load_controller
    from mocap.catalogue import names_in

    skill = load_controller(args.controller)
    result = steer(skill, args.path, args.radius, args.seconds)
    report = result.report()
    say(
        f"{report['laps']:.2f} laps in {report['seconds']:.0f} s, {report['falls']} falls; from the path "
        f"{100 * report['mean_distance_m']:.0f} cm on average, {100 * report['largest_distance_m']:.0f} cm at most"
    )
    if args.picture:
        draw_path_result(result, names_in(skill.clip), args.picture)
        say(f"{args.picture}: path and track from above")
    character = load_character(skill.spec.character)
    film = draw(result.frames, character, args.out, view="ghost", size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_play_clip(args: argparse.Namespace) -> int:
    """Film a clip as it is, without physics."""
    from characters import load_character
    from mimic.render import draw, motion_frames
    from mimic.tracking import rules_of
    from mocap.catalogue import load_clip
    from retarget.ground import lift_penetration

    motion = load_clip(args.clip)
    character = load_character(motion.character)
    motion = motion if args.raw else lift_penetration(motion, character)
    turns = rules_of((motion,), character).sync_root_yaw
    frames = motion_frames(motion, character, args.seconds, turn_on=turns)
    film = draw(frames, character, args.out, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0
