"""Package the best checkpoint of a run as a controller folder: small, evaluated, and with its history.

The controllers in ``mimic/controllers`` were made by this module. The history consists of the run's configuration, seed,
samples and hours, and of the machine on which it is packaged.
"""

import os
import platform
from dataclasses import asdict, replace
from pathlib import Path

import torch

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.core.strict_config import to_dict
from mimic.runs.controller import Controller, find_controller, load_controller, training_cost
from mimic.runs.controller_spec import TrainingRecord
from mimic.runs.evaluate_controller import ControllerEvaluation, EvaluationSetup, evaluate_controller
from mimic.runs.run_config import RunConfig, read_run


def package_controller(run: Path, out: Path, episodes: int = 32, threads: int = 0) -> ControllerEvaluation:
    """Evaluate the best checkpoint of the run in folder ``run`` and write it as controller ``out``.

    Raises:
        InputError: ``out`` exists already.
        CheckpointError: ``run`` holds no run with an undamaged checkpoint.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another --out, or move it away")
    config = read_run(run)
    controller = load_controller(find_controller(str(run)))
    evaluation = evaluate_controller(controller, EvaluationSetup(episodes, threads=threads))
    stored = evaluation.to_json()
    del stored["controller"]
    spec = replace(controller.spec, training=_training_record(controller, config), evaluation=stored)
    checkpoint.write_controller(out, controller.policy.state_dict(), spec.to_json())
    return replace(evaluation, controller=out)


def _training_record(controller: Controller, config: RunConfig) -> TrainingRecord:
    settings = {
        "seed": config.seed,
        "num_envs": config.num_envs,
        "policy": to_dict(config.policy),
        "rollout": to_dict(config.algorithm.rollout),
        "update": to_dict(config.algorithm.update),
    }
    return TrainingRecord(**asdict(training_cost(controller)), machine=_machine(), extra=settings)


def _machine() -> str:
    """Processor, cores, GPU and operating system, which determine the speed of training."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{gpu}, {platform.system()}"
