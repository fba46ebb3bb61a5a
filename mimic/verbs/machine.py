"""The machine: what it can do, and how fast."""

import argparse
import json
from pathlib import Path

from characters.errors import InputError
from mimic.verbs.arguments import ALGORITHMS, Verbs, add_engine, add_threads, whole
from mimic.verbs.common import simulator

# what each bench can be told, besides --json
_BENCHES = {
    "sim": ("character", "preset", "num_envs", "pybullet", "engine", "device", "threads"),
    "train": ("character", "preset", "num_envs", "algorithm", "threads"),
    "retarget": ("character", "clip"),
}


def add(verbs: Verbs) -> None:
    """``bench``, ``doctor``."""
    bench = verbs.add("bench", do_bench, "measure speed")
    bench.add_argument("what", choices=tuple(_BENCHES), help="environment, training, or retargeting")
    bench.add_argument("--clip", type=Path, metavar="FILE", help="what to retarget (default: a clip at hand, enlarged)")
    bench.add_argument("--character", choices=("humanoid", "dog"), help="default humanoid")
    bench.add_argument("--num-envs", type=whole, help="default: 4096 for sim, the preset's for train")
    bench.add_argument("--preset", help="default fast")
    bench.add_argument("--algorithm", choices=ALGORITHMS, help="default awr")
    bench.add_argument("--pybullet", action="store_true", help="time pybullet's DeepMimic environment beside it")
    bench.add_argument("--json", type=Path, metavar="OUT")
    add_engine(bench)
    add_threads(bench)

    doctor = verbs.add("doctor", do_doctor, "what this machine can do, and what would help")
    doctor.add_argument("--json", action="store_true")


def do_bench(args: argparse.Namespace) -> int:
    """Measure speed as ratios within one run."""
    from mimic.bench import bench_sim
    from mimic.bench_retarget import bench_retarget
    from mimic.bench_train import bench_train
    from mimic.config import load_preset
    from mimic.output import write_json

    _check_options(args)
    character, preset = args.character or "humanoid", args.preset or "fast"
    if args.what == "retarget":
        report = bench_retarget(character, args.clip)
    elif args.what == "sim":
        envs, where = args.num_envs or 4096, simulator(args)
        report = bench_sim(character, load_preset(preset), envs, args.threads, args.pybullet, *where)
    else:
        size = (f"num_envs={args.num_envs}",) if args.num_envs else ()
        report = bench_train(character, load_preset(preset, size), args.algorithm or "awr", args.threads)
    if args.json:
        write_json(args.json, report)
    print(json.dumps(report, indent=1))
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Raise InputError for an option that the bench asked for does not have."""
    known = _BENCHES[args.what]
    foreign = [name for name in {n for names in _BENCHES.values() for n in names} if name not in known]
    given = sorted(f"--{name.replace('_', '-')}" for name in foreign if getattr(args, name))
    if given:
        there = ", ".join(f"--{name.replace('_', '-')}" for name in (*known, "json"))
        raise InputError(f"bench {args.what} takes {there}; leave out {', '.join(given)}")


def do_doctor(args: argparse.Namespace) -> int:
    """Say what this machine can do, and what would help."""
    from mimic.doctor import doctor, print_report

    report = doctor()
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report)
    return 0
