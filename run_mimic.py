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
from typing import TYPE_CHECKING

from characters.errors import InputError, nearest
from mimic.arguments import Action, build_parser

if TYPE_CHECKING:
    from mimic.skill import Skill
    from mimic.training import RunConfig
    from mocap.conventions import ReadOptions


def do_job(args: argparse.Namespace) -> int:
    """Controller, evaluation, film and a short table."""
    from mimic.job import run_job
    from mimic.skill import short_name
    from mimic.tables import print_evaluation

    _take_what_is_here(args)
    out = args.out or Path("out") / short_name(args.clip)
    setting = (args.algorithm, args.preset, args.engine, args.device)
    asked = bool(args.set or args.seed or args.num_envs) or setting != ("awr", "fast", "mujoco", "cpu")
    report = run_job(_new_run(args), out, args.minutes, args.seconds, args.threads, say, train_anew=asked)
    paths = {"controller": report.controller, "evaluation": report.evaluation_path, "video": report.video or "none"}
    print_evaluation(report.evaluation, paths)
    return 0


def do_train(args: argparse.Namespace) -> int:
    """Train, or go on with a run."""
    from mimic.sim import check_engine
    from mimic.skill import RUNS, last_run, short_name
    from mimic.training import Limits, check_folder, read_run, train

    _take_what_is_here(args)
    if args.resume:
        out = args.out or last_run(args.clip) or RUNS / f"{short_name(args.clip)}-{args.algorithm}"
        run = read_run(out)
        if run.clip != args.clip:
            raise InputError(f"{out}: is a run of '{run.clip}', not of '{args.clip}'")
        changed = args.set or args.seed not in (0, run.seed) or args.num_envs not in (0, run.preset.num_envs)
        changed = changed or args.engine not in ("mujoco", run.engine) or args.device not in ("cpu", run.device)
        changed = changed or args.initial not in ("", run.beginning.controller if run.beginning else "")
        if changed or args.algorithm not in ("awr", run.algorithm):
            options = "--set, --seed, --num-envs, --engine, --device, --from and --algorithm"
            raise InputError(f"a resumed run goes on as it began: leave out {options}")
        check_engine(run.engine, run.device, learning=True)
    else:
        run = _new_run(args)
        out = args.out or RUNS / f"{short_name(args.clip)}-{args.algorithm}"
        check_folder(out)
    say(f"training '{run.clip}' with {run.algorithm}, {run.preset.num_envs} environments, in {out}")
    result = train(run, out, Limits(args.samples, args.minutes), args.threads, resume=args.resume)
    say(f"stopped by {result.stopped_by} after {result.samples / 1e6:.2f} M samples; checkpoint {result.checkpoint}")
    say(f"go on: run_mimic.py train --clip {run.clip} --resume --out {out}")
    return {"SIGINT": 130, "SIGTERM": 143}.get(result.stopped_by, 0)


def do_evaluate(args: argparse.Namespace) -> int:
    """Evaluate a controller and print tables."""
    from mimic.job import EVALUATION_SEED, evaluate_skill, push_skill, write_json
    from mimic.skill import load_skill
    from mimic.tables import print_evaluation

    _warn_of_compilation(args)
    seed = EVALUATION_SEED if args.seed is None else args.seed
    skill, simulator = load_skill(args.controller), (args.engine, args.device, seed)
    report = evaluate_skill(skill, args.episodes, args.threads, args.seconds, args.footfall, *simulator)
    if args.push is not None or args.push_plot:
        sizes = args.push or ()
        report["push"] = push_skill(skill, args.episodes, args.threads, sizes, args.push_plot, *simulator)
    if args.json:
        write_json(args.json, report)
    paths = {
        "controller": report["controller"],
        "json": args.json,
        "footfalls": args.footfall,
        "pushes": args.push_plot,
    }
    print_evaluation(report, {name: path for name, path in paths.items() if path})
    return 0


def do_pack(args: argparse.Namespace) -> int:
    """Keep a run's best checkpoint as a controller folder and print its evaluation."""
    from mimic.pack import pack
    from mimic.tables import print_evaluation

    report = pack(args.run, args.out, args.episodes, args.threads)
    print_evaluation(report, {"controller": args.out})
    return 0


def do_render(args: argparse.Namespace) -> int:
    """Film a controller beside its clip."""
    from mimic.job import render_skill
    from mimic.skill import load_skill

    skill = load_skill(args.controller)
    film = render_skill(skill, args.out, args.seconds, view=args.view, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames in {film.seconds:.0f} s with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_steer(args: argparse.Namespace) -> int:
    """Lead a controller of several clips along a path."""
    from characters import load_character
    from mimic.render import draw
    from mimic.skill import load_skill
    from mimic.steer import draw_course, steer

    skill = load_skill(args.controller)
    course = steer(skill, args.path, args.radius, args.seconds)
    report = course.report()
    say(
        f"{report['laps']:.2f} laps in {report['seconds']:.0f} s, {report['falls']} falls; from the path "
        f"{100 * report['mean_distance_m']:.0f} cm on average, {100 * report['largest_distance_m']:.0f} cm at most"
    )
    if args.picture:
        draw_course(course, skill.clip.split("+"), args.picture)
        say(f"{args.picture}: path and track from above")
    character = load_character(skill.spec["character"])
    film = draw(course.frames, character, args.out, view="ghost", size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_play_clip(args: argparse.Namespace) -> int:
    """Film a clip as it is, without physics."""
    from characters import load_character
    from mimic.env import task_of
    from mimic.render import draw, motion_frames
    from mocap.catalogue import load_clip
    from retarget.ground import lift_penetration

    motion = load_clip(args.clip)
    character = load_character(motion.character)
    motion = motion if args.raw else lift_penetration(motion, character)
    turns = task_of((motion,), character).sync_root_yaw
    frames = motion_frames(motion, character, args.seconds, turn_on=turns)
    film = draw(frames, character, args.out, size=args.size, renderer=args.renderer)
    say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}' ({film.reason})")
    return 0


def do_export(args: argparse.Namespace) -> int:
    """Take a controller or a clip out to a game engine: one function a product."""
    products = {"animation": _export_animation, "replay": _export_replay, "web": _export_web}
    chosen = [make for name, make in products.items() if getattr(args, name)]
    if args.zip and chosen:
        raise InputError("--zip is for the controller bundle; leave out --animation, --replay and --web, or --zip")
    if args.in_place and not args.animation:
        raise InputError("--in-place is for --animation glb,bvh,usd")
    for make in chosen or [_export_bundle]:
        make(args)
    return 0


def _exportable(name: str) -> "Skill":
    """A controller of one clip."""
    from mimic.skill import load_skill

    skill = load_skill(name)
    if "+" in skill.clip:
        raise InputError(
            f"{skill.path}: was trained on several clips; what is exported has one. `steer` films such a one"
        )
    return skill


def _export_animation(args: argparse.Namespace) -> None:
    from mimic.export.animation import Cut, clip_animation, skill_animation, write_animations

    if not args.out:
        raise InputError("--animation needs --out, the folder for its files")
    cut = Cut(args.fps, args.seconds, args.in_place)
    if args.clip:
        animations = [clip_animation(args.clip, cut)]
    else:
        animations = [skill_animation(_exportable(name), cut) for name in _several(args.controller)]
    paths = write_animations(animations, args.animation.lower().split(","), args.out)
    for animation in animations:
        say(animation.note)
    say("written: " + ", ".join(map(str, paths)))


def _several(names: str) -> list[str]:
    """The controllers of ``A,B``; a path may have a comma in it."""
    return [names] if os.path.exists(names) else names.split(",")


def _export_replay(args: argparse.Namespace) -> None:
    from mimic.export.animation import replay_of_clip, replay_of_skill

    if args.clip:
        line = replay_of_clip(args.clip, args.seconds, args.fps, args.replay)
    else:
        line = replay_of_skill(_exportable(args.controller), args.seconds, args.fps, args.replay)
    say(f"{args.replay}: {line}. Open it in any browser")


def _export_web(args: argparse.Namespace) -> None:
    from mimic.export.web import export_web

    if not args.controller:
        raise InputError("--web needs --controller: it is the policy that runs in the page")
    size = export_web([_exportable(name) for name in _several(args.controller)], args.web)
    say(f"{args.web}: {size / 1e6:.1f} MB. Show it: python3 -m http.server --directory {args.web}")


def _export_bundle(args: argparse.Namespace) -> None:
    from mimic.export.bundle import export_bundle

    if not args.controller or not args.out:
        raise InputError("a controller bundle needs --controller and --out")
    path, manifest = export_bundle(_exportable(args.controller), args.out, args.zip)
    say(f"{path}: controller bundle '{manifest['name']}', {len(manifest['files'])} files")
    if manifest["warning"]:
        say(f"licence: {manifest['warning']}")
    say(f"check it: run_mimic.py verify {path}")


def do_verify(args: argparse.Namespace) -> int:
    """Check a controller bundle; with --json the verdict is written whatever it is."""
    from mimic.export.verify import verify
    from mimic.job import write_json
    from mimic.tables import print_verdict

    try:
        verdict = verify(args.bundle)
    except InputError as error:
        if args.json:
            write_json(args.json, {"ok": False, "bundle": str(args.bundle), "error": str(error)})
        raise
    if args.json:
        write_json(args.json, verdict.to_json())
    print_verdict(verdict.to_json())
    return 0


def do_clips(args: argparse.Namespace) -> int:
    """List the named clips."""
    from mimic.skill import shipped_skills
    from mimic.tables import print_clips
    from mocap.catalogue import list_clips

    clips, controllers = list_clips(), shipped_skills()
    if args.json:
        print(json.dumps([asdict(info) | {"controller": info.name in controllers} for info in clips], indent=1))
    else:
        print_clips(clips, controllers)
    return 0


def do_fetch(args: argparse.Namespace) -> int:
    """Download named clips whose licence has been accepted."""
    from mocap.catalogue import fetch_clips

    for info in fetch_clips(args.names, args.accept_licence):
        say(f"{info.name}: {info.where}")
    return 0


def do_inspect(args: argparse.Namespace) -> int:
    """Say what a motion file holds."""
    from mimic.export.files import write_bytes
    from mimic.fit import card_of, clip_of
    from mimic.inspect_page import inspect_page
    from mimic.job import write_json
    from mimic.tables import print_card, print_description
    from mocap.describe import describe, retarget_command, stick_figure
    from retarget.report_html import card_html

    clip = clip_of(args.file, _reading_options(args))
    report = describe(clip)
    print_description(report)
    card = card_of(clip)
    if card:
        print_card(card)
        report["card"] = card.to_json()
    else:
        say(f"next: {retarget_command(clip, args.file)}")
    if args.json:
        write_json(args.json, report)
    if args.html:
        page = inspect_page(report, stick_figure(clip))
        write_bytes(args.html, (page + card_html(card) if card else page).encode())
    return 0


def do_retarget(args: argparse.Namespace) -> int:
    """Fit a motion file onto a character."""
    from mimic.export.files import make_folder, write_bytes
    from mimic.fit import fit
    from mimic.job import write_json
    from mimic.tables import print_card
    from mocap.formats.clip_npz import write_clip_npz
    from retarget.pipeline import Options
    from retarget.report_html import card_html

    options = Options(args.start, args.end, args.loop, args.mirror, args.speed, args.repair, args.fps)
    fitted = fit(args.file, args.character, args.out, options, _reading_options(args), args.map)
    make_folder(args.out.parent)
    write_bytes(args.out, write_clip_npz(fitted.motion))
    print_card(fitted.card)
    if args.html:
        make_folder(args.html.parent)
        write_bytes(args.html, card_html(fitted.card).encode())
    if args.json:
        write_json(args.json, fitted.card.to_json())
    failed = (
        "mend first what failed (--html OUT.html draws where), or, as it is, " if fitted.card.verdict == "fail" else ""
    )
    say(f"{args.out}: {failed}train on it with run_mimic.py train --clip {args.out}")
    if args.video:
        from mimic.render import draw, motion_frames

        film = draw(motion_frames(fitted.motion, fitted.character, None), fitted.character, args.video)
        say(f"{film.path}: {film.frames} frames with renderer '{film.renderer}'")
    return 0


def do_curves(args: argparse.Namespace) -> int:
    """Draw the learning curves of runs in one picture and print them as a table."""
    from mimic.compare import curve_table, draw_curves, reach_table, read_groups

    groups = read_groups(args.runs)
    print(curve_table(groups))
    if args.reach:
        print("\n" + reach_table(groups, args.reach))
    draw_curves(groups, args.out)
    say(f"picture: {args.out}")
    return 0


def do_diagnose(args: argparse.Namespace) -> int:
    """Say in words why a run does not learn."""
    from mimic.diagnose.evidence import gather
    from mimic.diagnose.report import diagnose
    from mimic.job import write_json

    diagnosis = diagnose(gather(args.run, args.episodes, args.threads))
    print(diagnosis.text())
    if args.json:
        write_json(args.json, diagnosis.to_json())
    return 0


def do_bench(args: argparse.Namespace) -> int:
    """Measure speed as ratios within one run."""
    from mimic.bench import bench_sim
    from mimic.bench_retarget import bench_retarget
    from mimic.bench_train import bench_train
    from mimic.config import load_preset
    from mimic.job import write_json

    if args.what == "retarget":
        report = bench_retarget(args.character, args.clip)
    elif args.what == "sim":
        _warn_of_compilation(args)
        simulator = (args.engine, args.device)
        num_envs = args.num_envs or 4096
        report = bench_sim(args.character, load_preset(args.preset), num_envs, args.threads, args.pybullet, *simulator)
    else:
        size = (f"num_envs={args.num_envs}",) if args.num_envs else ()
        report = bench_train(args.character, load_preset(args.preset, size), args.algorithm, args.threads)
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


def _take_what_is_here(args: argparse.Namespace) -> None:
    """Name the clip's stand-in instead where the recording is not on this machine: what is made is called after it."""
    from mocap.catalogue import name_here

    asked, args.clip = args.clip, name_here(args.clip)
    if args.clip != asked:
        say(f"the recording '{asked}' is not here (fetch {asked} gets it); '{args.clip}' is authored, not captured")


def _new_run(args: argparse.Namespace) -> "RunConfig":
    """The run that the arguments describe. Raises InputError for an unknown clip, preset or key."""
    from mimic.beginning import beginning_with
    from mimic.config import check_settings, load_preset
    from mimic.sim import check_engine
    from mimic.training import RunConfig
    from mocap.catalogue import load_clips

    load_clips(args.clip)
    check_settings(args.set, args.algorithm)
    size = [f"num_envs={args.num_envs}"] if args.num_envs else []
    preset = load_preset(args.preset, (*args.set, *size))
    check_engine(args.engine, args.device, learning=True)
    _warn_of_compilation(args)
    initial = getattr(args, "initial", "")
    beginning = beginning_with(initial) if initial else None
    return RunConfig(args.clip, args.algorithm, args.seed, preset, args.engine, args.device, beginning)


def _warn_of_compilation(args: argparse.Namespace) -> None:
    if args.engine == "warp":
        print("warp compiles its kernels the first time, which takes a minute or two", file=sys.stderr, flush=True)


def _reading_options(args: argparse.Namespace) -> "ReadOptions":
    """What the user said about a motion file. Raises InputError for a word that means nothing."""
    from mocap.conventions import ReadOptions

    keys = ("unit", "up", "forward", "root", "take", "skeleton")
    return ReadOptions(fps=args.source_fps, **{key: getattr(args, key) for key in keys})


def _use_one_torch_thread() -> None:
    """The simulator has the cores: torch's own threads would fight it for them over tensors too small to share."""
    import torch

    torch.set_num_threads(1)


def say(line: str) -> None:
    """Print a line at once; of several processes that train together the first speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(line, flush=True)


ACTIONS: dict[str, Action] = {
    "run": do_job,
    "train": do_train,
    "evaluate": do_evaluate,
    "pack": do_pack,
    "render": do_render,
    "steer": do_steer,
    "play-clip": do_play_clip,
    "export": do_export,
    "verify": do_verify,
    "clips": do_clips,
    "fetch": do_fetch,
    "inspect": do_inspect,
    "retarget": do_retarget,
    "curves": do_curves,
    "diagnose": do_diagnose,
    "bench": do_bench,
    "doctor": do_doctor,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 2 for bad input, 3 for a diverged learner, 4 for a GPU lost or full, 130 after Ctrl-C."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        parser = build_parser(ACTIONS, __doc__)
        if not argv or argv[0] in ("-h", "--help"):
            parser.print_help()
            return 0
        if argv[0].startswith("-"):
            argv.insert(0, "run")
        if argv[0] not in ACTIONS:
            raise InputError(f"no verb '{argv[0]}'; {nearest(argv[0], ACTIONS)}")
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
        from mimic.device_errors import EXIT_CODE, explain

        said = str(error) if hasattr(error, "exit_code") else explain(error)
        if said is None:
            raise
        print(f"run_mimic.py: {said}", file=sys.stderr)
        return int(getattr(error, "exit_code", EXIT_CODE))


if __name__ == "__main__":
    sys.exit(main())
