#!/usr/bin/env python3
"""Command line of mimic: verbs only. ``run_mimic.py --clip cartwheel`` does the whole job for one clip."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from characters.errors import InputError, nearest

if TYPE_CHECKING:
    from mimic.training import RunConfig


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are InputErrors that name the nearest valid words."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError instead of printing the usage."""
        raise InputError(f"{message}. See {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse everything; an unknown option is an error with a hint, whatever else is wrong."""
        try:
            args, unknown = self.parse_known_args(argv)
        except InputError:
            self._check_options(argv)
            raise
        if unknown:
            raise _unknown_option(unknown[0], args.parser)
        return args

    def _check_options(self, argv: Sequence[str]) -> None:
        """Raise InputError for the first option that the verb does not have: a misspelt one may be why one is missing."""
        verbs = next(a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction))
        if argv[0] in verbs:
            known = verbs[argv[0]]._option_string_actions
            for word in argv[1:]:
                if word.startswith("--") and not any(option.startswith(word.split("=")[0]) for option in known):
                    raise _unknown_option(word, verbs[argv[0]])


def _unknown_option(word: str, parser: argparse.ArgumentParser) -> InputError:
    return InputError(f"unknown option '{word}'; {nearest(word.split('=')[0], parser._option_string_actions)}")


def do_job(args: argparse.Namespace) -> int:
    """Controller, evaluation, film and a short table."""
    from mimic.job import run_job
    from mimic.skill import short_name
    from mimic.tables import print_evaluation

    out = args.out or Path("out") / short_name(args.clip)
    report = run_job(_new_run(args), out, args.minutes, args.seconds, args.threads, say)
    paths = {"controller": report.controller, "evaluation": report.evaluation_path, "video": report.video or "none"}
    print_evaluation(report.evaluation, paths)
    return 0


def do_train(args: argparse.Namespace) -> int:
    """Train, or go on with a run."""
    from mimic.skill import RUNS, last_run, short_name
    from mimic.training import Limits, read_run, train

    if args.resume:
        out = args.out or last_run(args.clip) or RUNS / f"{short_name(args.clip)}-{args.algorithm}"
        run = read_run(out)
        if run.clip != args.clip:
            raise InputError(f"{out}: is a run of '{run.clip}', not of '{args.clip}'")
        changed = args.set or args.seed not in (0, run.seed) or args.num_envs not in (0, run.preset.num_envs)
        if changed or args.algorithm not in ("awr", run.algorithm):
            raise InputError("a resumed run goes on as it began: leave out --set, --seed, --num-envs and --algorithm")
    else:
        run = _new_run(args)
        out = args.out or RUNS / f"{short_name(args.clip)}-{args.algorithm}"
    say(f"training '{run.clip}' with {run.algorithm}, {run.preset.num_envs} environments, in {out}")
    result = train(run, out, Limits(args.samples, args.minutes), args.threads, resume=args.resume)
    say(f"stopped by {result.stopped_by} after {result.samples / 1e6:.2f} M samples; checkpoint {result.checkpoint}")
    say(f"go on: run_mimic.py train --clip {run.clip} --resume --out {out}")
    return {"SIGINT": 130, "SIGTERM": 143}.get(result.stopped_by, 0)


def do_evaluate(args: argparse.Namespace) -> int:
    """Evaluate a controller and print a table."""
    from mimic.job import evaluate_skill, write_json
    from mimic.skill import load_skill
    from mimic.tables import print_evaluation

    report = evaluate_skill(load_skill(args.controller), args.episodes, args.threads)
    if args.json:
        write_json(args.json, report)
    print_evaluation(report, {"controller": report["controller"], **({"json": args.json} if args.json else {})})
    return 0


def do_render(args: argparse.Namespace) -> int:
    """Film a controller beside its clip."""
    from mimic.job import render_skill
    from mimic.skill import load_skill

    skill = load_skill(args.controller)
    film = render_skill(skill, args.out, args.seconds, view=args.view, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames in {film.seconds:.0f} s with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_play_clip(args: argparse.Namespace) -> int:
    """Film a clip as it is, without physics."""
    from characters import load_character
    from mimic.env import task_for
    from mimic.render import draw, motion_frames
    from mocap.catalogue import load_clip
    from retarget.ground import lift_penetration

    motion = load_clip(args.clip)
    character = load_character(motion.character)
    motion = motion if args.raw else lift_penetration(motion, character)
    frames = motion_frames(motion, character, args.seconds, turn_on=task_for(motion.name).sync_root_yaw)
    film = draw(frames, character, args.out, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_clips(args: argparse.Namespace) -> int:
    """List the named clips."""
    from mimic.tables import print_clips
    from mocap.catalogue import list_clips

    clips = list_clips()
    if args.json:
        print(json.dumps([asdict(info) for info in clips], indent=1))
    else:
        print_clips(clips)
    return 0


def do_curves(args: argparse.Namespace) -> int:
    """Draw the learning curves of runs in one picture and print them as a table."""
    from mimic.compare import curve_table, draw_curves

    print(curve_table(args.runs))
    draw_curves(args.runs, args.out)
    say(f"picture: {args.out}")
    return 0


def do_bench(args: argparse.Namespace) -> int:
    """Measure speed as ratios within one run."""
    from mimic.bench import bench_sim
    from mimic.config import load_preset
    from mimic.job import write_json

    report = bench_sim(args.character, load_preset(args.preset), args.num_envs, args.threads, args.pybullet)
    if args.json:
        write_json(args.json, report)
    print(json.dumps(report, indent=1))
    return 0


def do_doctor(args: argparse.Namespace) -> int:
    """Say what this machine can do, and what would help."""
    from mimic.doctor import doctor, print_report

    report = doctor()
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report)
    return 0


def _new_run(args: argparse.Namespace) -> "RunConfig":
    """The run that the arguments describe. Raises InputError for an unknown clip, preset or key."""
    from mimic.config import load_preset
    from mimic.training import RunConfig
    from mocap.catalogue import load_clip

    load_clip(args.clip)
    size = [f"num_envs={args.num_envs}"] if args.num_envs else []
    preset = load_preset(args.preset, (*args.set, *size))
    if args.device == "cuda":
        raise InputError("--device cuda: the GPU engine is not built yet; use --device cpu")
    return RunConfig(args.clip, args.algorithm, args.seed, preset)


def _use_one_torch_thread() -> None:
    """The simulator has the cores: torch's own threads would fight it for them over tensors too small to share."""
    import torch

    torch.set_num_threads(1)


def build_parser() -> Parser:
    """The command line, one sub-parser a verb."""
    parser = Parser(prog="run_mimic.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)

    def verb(name: str, action: object, help_text: str) -> Parser:
        sub: Parser = verbs.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(action=action, parser=sub)
        return sub

    job = verb("run", do_job, "controller, evaluation and video of one clip (what --clip alone does)")
    _add_run_options(job)
    job.add_argument("--minutes", type=positive, default=20.0, help="training time, if there is no controller yet")
    job.add_argument("--seconds", type=positive, default=10.0, help="length of the video")
    job.add_argument("--out", type=Path, help="folder for everything that is made (default out/CLIP)")

    train = verb("train", do_train, "train a controller, or go on training it")
    _add_run_options(train)
    train.add_argument("--minutes", type=positive, default=0.0, help="stop after so many minutes")
    train.add_argument("--samples", type=whole, default=0, help="stop at so many samples in all")
    train.add_argument("--resume", action="store_true", help="go on with the run in --out, or the last one of the clip")
    train.add_argument("--out", type=Path, help="run folder (default runs/CLIP-ALGORITHM)")

    evaluate = verb("evaluate", do_evaluate, "how well a controller tracks its clip")
    evaluate.add_argument("--controller", required=True, metavar="PATH|NAME")
    evaluate.add_argument("--episodes", type=whole, default=32)
    evaluate.add_argument("--json", type=Path, metavar="OUT")
    _add_threads(evaluate)

    render = verb("render", do_render, "film a controller beside its clip")
    render.add_argument("--controller", required=True, metavar="PATH|NAME")
    render.add_argument("--seconds", type=positive, default=10.0)
    render.add_argument("--view", choices=("side", "ghost"), default="side")
    _add_film_options(render)

    play = verb("play-clip", do_play_clip, "film a clip as it is, without physics")
    play.add_argument("--clip", required=True)
    play.add_argument("--seconds", type=positive, default=None)
    play.add_argument("--raw", action="store_true", help="leave frames below the ground where they are")
    _add_film_options(play)

    clips = verb("clips", do_clips, "the named clips, where they lie and their licences")
    clips.add_argument("--json", action="store_true")

    curves = verb("curves", do_curves, "learning curves of several runs in one picture and a table")
    curves.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    curves.add_argument("--out", type=Path, default=Path("curves.png"), metavar="OUT.png")

    bench = verb("bench", do_bench, "measure speed")
    bench.add_argument("what", choices=("sim",))
    bench.add_argument("--character", choices=("humanoid", "dog"), default="humanoid")
    bench.add_argument("--num-envs", type=whole, default=2048)
    bench.add_argument("--preset", default="fast")
    bench.add_argument("--pybullet", action="store_true", help="time pybullet's DeepMimic environment beside it")
    bench.add_argument("--json", type=Path, metavar="OUT")
    _add_threads(bench)

    doctor = verb("doctor", do_doctor, "what this machine can do, and what would help")
    doctor.add_argument("--json", action="store_true")
    return parser


def _add_run_options(parser: Parser) -> None:
    parser.add_argument("--clip", required=True, help="a name from `run_mimic.py clips`, or a clip file")
    parser.add_argument("--preset", default="fast", help="fast, paper, or a YAML file (default fast)")
    parser.add_argument("--algorithm", choices=("awr", "ppo"), default="awr")
    parser.add_argument("--num-envs", type=whole, default=0, help="environments side by side (default: the preset's)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change one value of the preset"
    )
    _add_threads(parser)


def _add_film_options(parser: Parser) -> None:
    parser.add_argument("--size", type=picture_size, default=(1280, 480), metavar="WxH")
    parser.add_argument("--renderer", choices=("auto", "egl", "tiny"), default="auto")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.mp4")


def _add_threads(parser: Parser) -> None:
    parser.add_argument("--threads", type=thread_count, default=0, help="simulation threads (default: all cores)")


def positive(text: str) -> float:
    """A number above zero."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' must be above 0")
    return value


def whole(text: str) -> int:
    """A whole number above zero; 1e6 and 1_000_000 are read too."""
    value = float(text)
    if not 1 <= value <= 1e15 or value != int(value):
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number above 0")
    return int(value)


def seed(text: str) -> int:
    """A whole number, negative ones too, that fits into 32 bits."""
    if abs(value := int(text)) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' must lie between -2^31 and 2^31")
    return value


def thread_count(text: str) -> int:
    """A whole number; 0 means all cores."""
    if not 0 <= (value := int(text)) <= 1024:
        raise argparse.ArgumentTypeError(f"'{text}' must be a number of threads, or 0 for all cores")
    return value


def picture_size(text: str) -> tuple[int, int]:
    """WxH, as in 1280x480."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, as in 1280x480")
    return int(width), int(height)


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 2 for bad input, 3 for a diverged learner, 130 after Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        parser = build_parser()
        if not argv or argv[0] in ("-h", "--help"):
            parser.print_help()
            return 0
        if argv[0].startswith("-"):
            argv.insert(0, "run")
        args = parser.parse(argv)
        _use_one_torch_thread()
        code: int = args.action(args)
        return code
    except InputError as error:
        print(f"run_mimic.py: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        print("run_mimic.py: stopped", file=sys.stderr)
        return 130
    except RuntimeError as error:
        if not hasattr(error, "exit_code"):
            raise
        print(f"run_mimic.py: {error}", file=sys.stderr)
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
