"""Package the best checkpoint of a run of a Gymnasium task, as `mimic.runs.package_controller` does for a run of a clip."""

from dataclasses import asdict
from pathlib import Path

from mimic.core import checkpoint
from mimic.core.errors import InputError
from mimic.gym_tasks.task_return import TaskReturn
from mimic.runs.controller import read_cost
from mimic.runs.controller_spec import TrainingRecord
from mimic.runs.package_controller import machine, settings_of
from mimic.runs.task_controller import evaluate_task, load_task_controller


def package_task_controller(run: Path, out: Path, episodes: int = 32, threads: int = 0) -> TaskReturn:
    """Evaluate the best checkpoint of the run in folder ``run`` and write it as controller ``out``.

    Raises:
        InputError: ``out`` exists already.
        CheckpointError: ``run`` holds no run with an undamaged checkpoint.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another --out, or move it away")
    controller = load_task_controller(str(run))
    found = evaluate_task(controller, controller.task, episodes, threads=threads)
    cost = read_cost(controller.path)
    training = TrainingRecord(**asdict(cost), machine=machine(), extra=settings_of(run))
    spec = {**controller.spec, "training": training.to_json(), "evaluation": found.to_json()}
    checkpoint.write_controller(out, controller.policy.state_dict(), spec)
    return found
