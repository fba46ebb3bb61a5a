"""The tasks of runs: one file each, found by name.

A file registers a frozen dataclass with the methods of `mimic.runs.task.Task`.
"""

from typing import TYPE_CHECKING

from mimic.core.registry import Registry

if TYPE_CHECKING:
    from mimic.runs.task import Task

TASKS: "Registry[type[Task]]" = Registry("task", "mimic.runs.tasks", one_per_file=True)
