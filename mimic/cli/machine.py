"""The machine: what it can do, and how fast."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from characters import character_names
from mimic.cli.arguments import ALGORITHMS, Family, Parser, Verbs, add_engine, add_threads, whole
from mimic.cli.common import simulator, usual_preset


def add(verbs: Verbs) -> None:
    """``bench``, ``doctor``."""
    family = verbs.add_family("bench", "WHAT", "measure speed")
    sim = _bench(family, "sim", do_bench_sim, "the environment, beside the simulator alone")
    sim.add_argument("--num-envs", type=whole, default=4096, help="environments side by side (default 4096)")
    sim.add_argument("--preset", default="fast", help="default fast")
    sim.add_argument("--pybullet", action="store_true", help="time pybullet's DeepMimic environment beside it")
    add_engine(sim)
    add_threads(sim)

    train = _bench(family, "train", do_bench_train, "training, and where its time goes")
    train.add_argument("--num-envs", type=whole, help="environments side by side (default: the preset's)")
    train.add_argument("--preset", help="default fast; on a GPU's engine gpu")
    train.add_argument("--algorithm", choices=ALGORITHMS, default="awr", help="default awr")
    add_engine(train)
    add_threads(train)

    retarget = _bench(family, "retarget", do_bench_retarget, "retargeting, beside mink")
    retarget.add_argument(
        "--clip", type=Path, metavar="FILE", help="what to retarget (default: a clip at hand, enlarged)"
    )

    doctor = verbs.add("doctor", do_doctor, "what this machine can do, and what would help")
    doctor.add_argument("--json", action="store_true")


def _bench(family: Family, name: str, action: Any, help_text: str) -> Parser:
    bench = family.add(name, action, help_text)
    bench.add_argument("--character", choices=character_names(), default="humanoid", help="default humanoid")
    bench.add_argument("--json", type=Path, metavar="OUT", help="a file for what is printed")
    return bench


def do_bench_sim(args: argparse.Namespace) -> int:
    """Measure the environment's speed, as a ratio to the simulator's in the same run."""
    from bench.sim import bench_sim
    from mimic.runs.preset import load_preset
    from mimic.sim import check_engine

    where = simulator(args)
    check_engine(*where)
    _wait("environment and simulator in turns, some 15 seconds")
    return _told(
        args, bench_sim(args.character, load_preset(args.preset), args.num_envs, args.threads, args.pybullet, *where)
    )


def do_bench_train(args: argparse.Namespace) -> int:
    """Measure the learner's speed, as a ratio to plain ways in the same run."""
    from bench.train import bench_train
    from mimic.runs.preset import load_preset
    from mimic.sim import check_engine

    size = (f"num_envs={args.num_envs}",) if args.num_envs else ()
    preset = load_preset(args.preset or usual_preset(args.engine, args.device), size)
    engine, device = simulator(args)
    check_engine(engine, device, learning=True)
    _wait("some fifty iterations, a minute or less on two cores")
    return _told(args, bench_train(args.character, preset, args.algorithm, args.threads, engine, device))


def do_bench_retarget(args: argparse.Namespace) -> int:
    """Measure retargeting, beside mink on the same targets."""
    from bench.retarget_speed import bench_retarget

    _wait("retargeting and mink in turns, a minute or so")
    return _told(args, bench_retarget(args.character, args.clip))


def _wait(for_what: str) -> None:
    print(f"timing {for_what}", file=sys.stderr, flush=True)


def _told(args: argparse.Namespace, report: dict[str, Any]) -> int:
    from mimic.core.files import write_json

    if args.json:
        write_json(args.json, report)
    print(json.dumps(report, indent=1))
    return 0


def do_doctor(args: argparse.Namespace) -> int:
    """Say what this machine can do, and what would help."""
    from mimic.cli.doctor import doctor, print_report

    report = doctor()
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        print_report(report)
    return 0
