"""Package the best checkpoint of a run as a controller folder, with an evaluation and a record of the training.

The controllers in ``mimic/controllers`` were made by this module. The record holds the run's settings, seed, samples and
hours, and the machine on which the controller was packaged.
"""

import os
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.core.strict_config import to_dict
from mimic.runs.controller import find_controller, load_controller, training_cost
from mimic.runs.controller_spec import TrainingRecord
from mimic.runs.distill_config import is_distillation, read_distillation
from mimic.runs.evaluate_controller import ControllerEvaluation, EvaluationSetup, evaluate_controller
from mimic.runs.evaluate_library import LibraryEvaluation, evaluate_library
from mimic.runs.run_config import read_run


def package_controller(
    run: Path, out: Path, episodes: int = 32, threads: int = 0
) -> ControllerEvaluation | LibraryEvaluation:
    """Evaluate the best checkpoint of the run in folder ``run``, and write the checkpoint as the controller ``out``.

    Raises:
        InputError: ``out`` exists already.
        CheckpointError: ``run`` is not a run with an undamaged checkpoint.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another --out, or move it away")
    settings = settings_of(run)
    controller = load_controller(find_controller(run))
    setup = EvaluationSetup(episodes, threads=threads)
    judge = evaluate_library if controller.has_library else evaluate_controller
    evaluation: ControllerEvaluation | LibraryEvaluation = judge(controller, setup)
    stored = evaluation.to_json()
    del stored["controller"]
    training = TrainingRecord(**asdict(training_cost(controller)), machine=machine(), extra=settings)
    spec = replace(controller.spec, training=training, evaluation=stored)
    checkpoint.write_controller(out, controller.policy.state_dict(), spec.to_json())
    return replace(evaluation, controller=out)


def settings_of(run: Path) -> dict[str, Any]:
    """Read the settings of the run or distillation in the folder ``run``, for the controller's description."""
    if is_distillation(run):
        distilled = to_dict(read_distillation(run).distill)
        return {"seed": distilled["seed"], "num_envs": distilled["num_envs"], "distill": distilled}
    config = read_run(run)
    return {
        "seed": config.seed,
        "num_envs": config.num_envs,
        "policy": to_dict(config.policy),
        "rollout": to_dict(config.algorithm.rollout),
        "update": to_dict(config.algorithm.update),
    }


def machine() -> str:
    """Describe processor, cores, GPU and operating system, which determine the speed of training, in words."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{gpu}, {platform.system()}"
