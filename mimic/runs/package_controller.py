"""A run's best checkpoint as a controller folder of its own: small, evaluated, and with its history.

What ships in ``mimic/controllers`` was made this way. The history is what the run's own files say: the whole
configuration, seed, samples, hours and the machine that packs it.
"""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from mimic.core.errors import InputError
from mimic.core.strict_config import to_dict
from mimic.core import checkpoint
from mimic.cli.run_clip import evaluate_controller
from mimic.runs.controller import find_controller, load_controller, training_cost
from mimic.runs.training import read_run


def pack(run: Path, out: Path, episodes: int = 32, threads: int = 0) -> dict[str, Any]:
    """Evaluate the best checkpoint of the run in folder ``run`` and write it as controller ``out``; its evaluation.

    Raises:
        InputError: ``out`` exists already.
        CheckpointError: ``run`` holds no run with a sound checkpoint.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another --out, or move it away")
    config = read_run(run)
    controller = load_controller(str(find_controller(str(run))))
    report = evaluate_controller(controller, episodes, threads)
    del report["controller"]
    preset = to_dict(config.preset)
    training = {
        **training_cost(controller),
        "machine": _machine(),
        "seed": config.seed,
        "num_envs": config.preset.num_envs,
        "policy": preset["policy"],
        **to_dict(config.preset.algorithm(config.algorithm)),
    }
    spec = {**controller.spec, "training": training, "evaluation": report}
    checkpoint.write_controller(out, controller.policy.state_dict(), spec)
    return {**report, "controller": str(out)}


def _machine() -> str:
    """The machine in words, as far as it concerns speed."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{gpu}, {platform.system()}"
