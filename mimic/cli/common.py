"""What verbs have in common: speaking, and what was said of the run and the simulator."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mimic.runs.preset import AlgorithmName
    from mimic.runs.training import RunConfig
    from mimic.sim import DeviceName


def say(line: str) -> None:
    """Print a line at once; of several processes that train together the first speaks."""
    if os.environ.get("RANK", "0") == "0":
        print(line, flush=True)


def simulator(args: argparse.Namespace) -> "tuple[str, DeviceName]":
    """Engine and device: those of ``--engine`` and ``--device``, else MuJoCo on the CPU."""
    from mimic.sim import ENGINES

    engine: str = args.engine or "mujoco"
    device: DeviceName = args.device or "cpu"
    if note := ENGINES.get(engine).startup_note:
        print(note, file=sys.stderr, flush=True)
    return engine, device


def usual_preset(engine: str | None, device: "DeviceName | None") -> str:
    """The preset of a run for which none was named, by what --engine and --device say."""
    from mimic.sim import simulation_device

    return "gpu" if simulation_device(engine or "mujoco", device or "cpu") == "cuda" else "fast"


def take_what_is_here(args: argparse.Namespace) -> None:
    """Name the clip's stand-in instead where the recording is not on this machine: what is made is called after it."""
    from mocap.catalogue import available_name

    asked, args.clip = args.clip, available_name(args.clip)
    if args.clip != asked:
        say(f"the recording '{asked}' is not here (fetch {asked} gets it); '{args.clip}' is authored, not captured")


def new_run(args: argparse.Namespace, initial: str | None = None) -> "RunConfig":
    """The run that the arguments describe, begun with controller ``initial`` if there is one.

    Raises InputError for an unknown clip, preset or key.
    """
    from mimic.runs.preset import check_settings, load_preset
    from mimic.runs.training import RunConfig
    from mimic.runs.warm_start import initial_controller
    from mimic.sim import check_engine
    from mocap.catalogue import load_clips

    algorithm: AlgorithmName = args.algorithm or "awr"
    load_clips(args.clip)
    check_settings(args.set, algorithm)
    size = [f"num_envs={args.num_envs}"] if args.num_envs else []
    preset = load_preset(args.preset or usual_preset(args.engine, args.device), (*args.set, *size))
    engine, device = simulator(args)
    check_engine(engine, device, learning=True)
    beginning = initial_controller(initial) if initial else None
    return RunConfig(args.clip, algorithm, args.seed or 0, preset, engine, device, beginning)


def asked_otherwise(args: argparse.Namespace, run: "RunConfig | None" = None) -> list[str]:
    """Options that ask for something else than ``run`` is, or without it, than a run of no options would be."""
    usual: dict[str, object] = {
        "seed": 0,
        "num_envs": None,
        "engine": "mujoco",
        "device": "cpu",
        "algorithm": "awr",
        "preset": "fast",
        "set": [],
    }
    if run:
        usual = {"seed": run.seed, "num_envs": run.preset.num_envs, "engine": run.engine, "device": run.device}
        usual |= {"algorithm": run.algorithm, "preset": None, "set": []}
    asked = {name: getattr(args, name) for name in usual}
    return [f"--{n.replace('_', '-')}" for n, said in asked.items() if said is not None and said != usual[n]]
