"""Load the policies of Gymnasium's tasks from runs, and evaluate them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, InputError
from mimic.gym_tasks.batched.vec_env import make_task_env
from mimic.gym_tasks.task_env import TaskVecEnv
from mimic.gym_tasks.task_return import TaskReturn, task_return
from mimic.rl.policy import Policy, load_policy
from mimic.runs.controller import RUNS_FOLDER
from mimic.runs.tasks.gymnasium import FORMAT

EVALUATION_SEED = 2019


@dataclass(frozen=True)
class TaskController:
    """A policy for the Gymnasium task ``task``, from the folder ``path`` with the specification ``spec``."""

    path: Path
    task: str
    policy: Policy
    spec: dict[str, Any]


def load_task_controller(name: str) -> TaskController:
    """Load the policy meant by a run (its best checkpoint), the name of a run, a checkpoint, or a folder of `pack`.

    Raises:
        InputError: there is no such policy, or the policy was trained on a clip.
        CheckpointError: the checkpoint is damaged.
    """
    folder = next((path for path in (Path(name), RUNS_FOLDER / name) if os.path.isdir(path)), None)
    if folder is None:
        raise InputError(f"no controller '{name}'; give a run of `train --task`, or a checkpoint of one")
    if (root := folder / "ckpt").is_dir():
        folder = checkpoint.best(root) or checkpoint.latest(root).path
    files = checkpoint.read_controller(folder)
    task = _task_of(files.spec, folder)
    policy = files.spec.get("policy")
    if not isinstance(policy, dict):
        raise CheckpointError(f"{folder}: the key 'policy' is missing")
    return TaskController(folder, task, load_policy(files.policy, policy), files.spec)


def evaluate_task(
    controller: TaskController, task: str, episodes: int, seed: int = EVALUATION_SEED, threads: int = 0
) -> TaskReturn:
    """Play ``episodes`` episodes of ``task`` with the policy's most probable actions, and return the results.

    Raises InputError if there is no such task, or its observations or actions have other sizes than the policy's.
    """
    env = make_task_env(task, episodes, seed, threads)
    check_fits(controller, env)
    return task_return(env, controller.policy.mean)


def check_fits(controller: TaskController, env: TaskVecEnv) -> None:
    """Raise InputError if the policy's observations or actions have other sizes than the task's."""
    policy = controller.policy
    mine, its = (policy.obs_dim, policy.act_dim, policy.choices), (env.obs_dim, env.act_dim, env.choices)
    if mine != its:
        raise InputError(
            f"{controller.path}: trained on '{controller.task}' with {_sizes(*mine)}; '{env.name}' has {_sizes(*its)}"
        )


def _sizes(obs_dim: int, act_dim: int, choices: int) -> str:
    return f"{obs_dim} observations and {f'{choices} choices' if choices else f'{act_dim} actions'}"


def _task_of(spec: dict[str, Any], folder: Path) -> str:
    task = spec.get("task")
    if not isinstance(task, dict) or not isinstance(task.get("id"), str):
        of = f" of clip '{spec['clip']}'; leave out --task" if "clip" in spec else ""
        raise InputError(f"{folder}: not a controller of a Gymnasium task{of and ', but'}{of}")
    if spec.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder}: format {spec.get('format')}, this program reads {FORMAT}; another version of mimic wrote it"
        )
    return str(task["id"])
