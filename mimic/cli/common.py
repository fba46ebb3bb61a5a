"""Functions that several commands share: printing, and the run and simulator that the arguments describe."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from mimic.core.errors import InputError
from mimic.core.files import write_json
from mimic.core.printing import show
from mimic.runs.motion_file import is_file
from mimic.runs.preset import Preset, check_settings, load_preset
from mimic.runs.run_config import RunConfig, library_run, run_of, tracking_run
from mimic.runs.tasks.gymnasium import GymnasiumTask
from mimic.runs.training import check_data, check_installed
from mimic.runs.warm_start import initial_controller
from mimic.sim import ENGINES, DeviceName, check_engine, simulation_device
from mocap.catalogue import available_name
from mocap.clip_library import LibraryClip, is_library


def say(line: str) -> None:
    """Print a line without buffering. If several processes train together, only the first one prints."""
    if os.environ.get("RANK", "0") == "0":
        show(line)


def announce(measurement: str) -> None:
    """Print on stderr which measurement begins; stdout holds only JSON."""
    show(f"timing {measurement}", sys.stderr)


def emit(args: argparse.Namespace, report: dict[str, Any]) -> int:
    """Print a report as JSON, and write it to the file ``--json`` if that is given; return the exit code 0."""
    if args.json:
        write_json(args.json, report)
    show(json.dumps(report, indent=1))
    return 0


def simulator(args: argparse.Namespace) -> tuple[str, DeviceName]:
    """Return the names of engine and device: ``--engine`` and ``--device``, else MuJoCo on the CPU."""
    engine: str = args.engine or "mujoco"
    device: DeviceName = args.device or "cpu"
    if note := ENGINES.get(engine).startup_note:
        show(note, sys.stderr)
    return engine, device


def default_preset(engine: str | None, device: DeviceName | None) -> str:
    """Return the name of the preset for a run without --preset; it depends on --engine and --device."""
    return "gpu" if simulation_device(engine or "mujoco", device or "cpu") == "cuda" else "fast"


def resolve_available_clip(args: argparse.Namespace) -> None:
    """Replace ``args.clip`` by its fallback if the recording is not installed.

    Output files are then named after the clip that is really used.
    """
    if not args.clip or is_library(args.clip) or is_file(args.clip):
        return
    asked, args.clip = args.clip, available_name(args.clip)
    if args.clip != asked:
        say(
            f"the recording '{asked}' is not installed (fetch {asked} downloads it); using '{args.clip}', which is synthetic"
        )


def new_run(args: argparse.Namespace, initial: str | None = None, clips: Sequence[LibraryClip] = ()) -> RunConfig:
    """Return the run that the arguments describe, which starts from the policy of the controller ``initial`` if given.

    ``clips`` are those of a library; without them, the run is of ``args.clip``.

    Raises InputError for an unknown clip, task, preset or key.
    """
    algorithm: str = args.algorithm or "awr"
    check_settings(args.set, algorithm)
    size = [f"num_envs={args.num_envs}"] if args.num_envs else []
    task: str | None = getattr(args, "task", None)
    usual = "gym" if task else "library" if clips else default_preset(args.engine, args.device)
    preset = load_preset(args.preset or usual, (*args.set, *size))
    _check_kind(preset, args.preset or usual, task)
    engine, device = simulator(args)
    check_engine(engine, device, learning=True)
    init_from = initial_controller(initial) if initial else None
    data = tuple(str(path.resolve()) for path in getattr(args, "data", ()))
    update = preset.algorithm(algorithm).update
    check_data(algorithm, update.data, data)
    check_installed(update)
    options: dict[str, Any] = {"engine": engine, "device": device, "init_from": init_from, "data": data}
    if task:
        run = run_of(GymnasiumTask(task, preset.env), preset, algorithm, args.seed or 0, **options)
    elif clips:
        run = library_run(clips, preset, algorithm, args.seed or 0, **options)
    else:
        run = tracking_run(args.clip, preset, algorithm, args.seed or 0, **options)
    run.task.check()
    return run


def _check_kind(preset: Preset, name: str, task: str | None) -> None:
    """Raise InputError if the preset is for another kind of task than the one asked for."""
    wanted = "gymnasium" if task else "tracking"
    if preset.task != wanted:
        other = "needs --task" if preset.task == "gymnasium" else "is for clips; --task takes the preset gym"
        raise InputError(f"--preset {name}: {other}")


def overridden_options(args: argparse.Namespace, run: RunConfig | None = None) -> list[str]:
    """Return the options that contradict ``run``; without a run, those that differ from the defaults."""
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
        usual = {"seed": run.seed, "num_envs": run.num_envs, "engine": run.engine, "device": run.device}
        usual |= {"algorithm": run.algorithm.name, "preset": None, "set": []}
    asked = {name: getattr(args, name) for name in usual}
    return [f"--{n.replace('_', '-')}" for n, said in asked.items() if said is not None and said != usual[n]]
