"""From a clip to a controller: the whole job, training, and what is asked of runs."""

import argparse
from pathlib import Path

from mimic.cli.arguments import Verbs, add_run_options, add_threads, diagram, positive, whole
from mimic.cli.common import asked_otherwise, new_run, say, take_what_is_here
from mimic.core.errors import InputError


def add(verbs: Verbs) -> None:
    """``run``, ``train``, ``diagnose``, ``curves``, ``pack``."""
    job = verbs.add("run", do_job, "controller, evaluation and video of one clip (what --clip alone does)")
    add_run_options(job)
    job.add_argument(
        "--minutes", type=positive, default=10.0, help="training time, if there is no controller yet (default 10)"
    )
    job.add_argument("--seconds", type=positive, default=10.0, help="length of the video (default 10)")
    job.add_argument("--out", type=Path, help="folder for everything that is made (default out/CLIP)")

    train = verbs.add("train", do_train, "train a controller, or go on training it")
    add_run_options(train)
    train.add_argument(
        "--minutes",
        type=positive,
        default=0.0,
        help="stop after so many more minutes (default: at --samples, else at Ctrl-C)",
    )
    train.add_argument("--samples", type=whole, default=0, help="stop at so many samples in all")
    train.add_argument(
        "--from", dest="initial", metavar="PATH|NAME", help="begin with what this controller can do already"
    )
    train.add_argument("--resume", action="store_true", help="go on with the run in --out, or the last one of the clip")
    train.add_argument("--out", type=Path, help="run folder (default runs/CLIP-ALGORITHM)")

    diagnose = verbs.add(
        "diagnose", do_diagnose, "why a run does not learn, in words: where it falls, what is at fault, what to try"
    )
    diagnose.add_argument("run", type=Path, metavar="RUN", help="a folder that train has written")
    diagnose.add_argument(
        "--episodes", type=whole, default=64, help="episodes its newest policy is tried out in (default 64)"
    )
    diagnose.add_argument("--json", type=Path, metavar="OUT")
    add_threads(diagnose)

    curves = verbs.add("curves", do_curves, "learning curves of several runs in one picture and a table")
    curves.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    curves.add_argument("--out", type=diagram, default=Path("curves.png"), metavar="OUT.png")
    curves.add_argument("--reach", type=positive, metavar="RETURN", help="also say when each run first reached it")

    pack = verbs.add("pack", do_pack, "keep a run's best checkpoint as a small controller folder, evaluated")
    pack.add_argument("run", type=Path, metavar="RUN")
    pack.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    pack.add_argument("--episodes", type=whole, default=32, help="from as many random starts (default 32)")
    add_threads(pack)


def do_job(args: argparse.Namespace) -> int:
    """Controller, evaluation, film and a short table."""
    from mimic.cli.run_clip import run_clip
    from mimic.cli.tables import print_evaluation
    from mimic.runs.controller import short_name

    take_what_is_here(args)
    out = args.out or Path("out") / short_name(args.clip)
    anew = bool(asked_otherwise(args))
    report = run_clip(new_run(args), out, args.minutes, args.seconds, args.threads, say, train_anew=anew)
    paths = {"controller": report.controller, "evaluation": report.evaluation_path, "video": report.video or "none"}
    print_evaluation(report.evaluation, paths)
    return 0


def do_train(args: argparse.Namespace) -> int:
    """Train, or go on with a run."""
    from mimic.runs.controller import RUNS_FOLDER, latest_run_of_clip, short_name
    from mimic.runs.training import Limits, check_folder, read_run, train
    from mimic.sim import check_engine

    take_what_is_here(args)
    usual = RUNS_FOLDER / f"{short_name(args.clip)}-{args.algorithm or 'awr'}"
    if args.resume:
        out = args.out or (None if args.algorithm else latest_run_of_clip(args.clip)) or usual
        run = read_run(out)
        if run.clip != args.clip:
            raise InputError(f"{out}: is a run of '{run.clip}', not of '{args.clip}'")
        other = asked_otherwise(args, run)
        if args.initial not in (None, run.beginning.controller if run.beginning else None):
            other.append("--from")
        if other:
            raise InputError(f"{out}: a resumed run goes on as it began: leave out {', '.join(other)}")
        check_engine(run.engine, run.device, learning=True)
    else:
        run, out = new_run(args, args.initial), args.out or usual
        check_folder(out)
    say(f"training '{run.clip}' with {run.algorithm}, {run.preset.num_envs} environments, in {out}")
    result = train(run, out, Limits(args.samples, args.minutes), args.threads, resume=args.resume)
    say(f"stopped by {result.stopped_by} after {result.samples / 1e6:.2f} M samples; checkpoint {result.checkpoint}")
    longer = f" --minutes {args.minutes:g}" if args.minutes else ""
    say(f"go on: run_mimic.py train --clip {run.clip} --resume --out {out}{longer}")
    return {"SIGINT": 130, "SIGTERM": 143}.get(result.stopped_by, 0)


def do_diagnose(args: argparse.Namespace) -> int:
    """Say in words why a run does not learn."""
    from mimic.analysis.diagnose import diagnose
    from mimic.analysis.evidence import gather
    from mimic.core.files import write_json

    diagnosis = diagnose(gather(args.run, args.episodes, args.threads))
    print(diagnosis.text())
    if args.json:
        write_json(args.json, diagnosis.to_json())
    return 0


def do_curves(args: argparse.Namespace) -> int:
    """Draw the learning curves of runs in one picture and print them as a table."""
    from mimic.analysis.curves import curve_table, draw_curves, reach_table, read_groups

    groups = read_groups(args.runs)
    print(curve_table(groups))
    if args.reach:
        print("\n" + reach_table(groups, args.reach))
    draw_curves(groups, args.out)
    say(f"picture: {args.out}")
    return 0


def do_pack(args: argparse.Namespace) -> int:
    """Keep a run's best checkpoint as a controller folder and print its evaluation."""
    from mimic.cli.tables import print_evaluation
    from mimic.runs.package_controller import package_controller

    evaluation = package_controller(args.run, args.out, args.episodes, args.threads)
    print_evaluation(evaluation, {"controller": args.out})
    return 0
