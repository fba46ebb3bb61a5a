"""The batched tasks by their Gymnasium names."""

from mimic.core.errors import InputError, nearest
from mimic.gym_tasks.batched.planar import HalfCheetah, Hopper, Walker2d
from mimic.gym_tasks.batched.spatial import Ant, Humanoid
from mimic.gym_tasks.batched.task import BatchedTask
from mimic.gym_tasks.task_env import TaskVecEnv

BATCHED: dict[str, tuple[type[BatchedTask], int]] = {
    f"{task.__name__}-v{version}": (task, version)
    for task in (Ant, HalfCheetah, Hopper, Humanoid, Walker2d)
    for version in (4, 5)
}


class BatchedVecEnv(TaskVecEnv):
    """N copies of the task ``task_id``, one of ``BATCHED``, with the same episodes as ``GymVecEnv`` of the same seed.

    ``threads``: number of copies that are stepped in parallel. Raises InputError for any other task.
    """

    def __init__(self, task_id: str, num_envs: int, seed: int = 0, threads: int = 1) -> None:
        if task_id not in BATCHED:
            raise InputError(f"no batched task '{task_id}'; {nearest(task_id, BATCHED)}")
        task, version = BATCHED[task_id]
        super().__init__(task_id, task(version, num_envs, seed, threads))


def make_task_env(task_id: str, num_envs: int, seed: int = 0, threads: int = 1) -> TaskVecEnv:
    """Make N copies of a Gymnasium task, as a batched task if one exists. Raises InputError for an unknown task."""
    if task_id in BATCHED:
        return BatchedVecEnv(task_id, num_envs, seed, threads)
    from mimic.gym_tasks.gymnasium_env import GymVecEnv

    return GymVecEnv(task_id, num_envs, seed)
