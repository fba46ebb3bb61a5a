"""Say in words why a run does not learn."""

import argparse
from typing import TYPE_CHECKING

from mimic.analysis.diagnose import Diagnosis, diagnose
from mimic.analysis.evidence import config_of, gather
from mimic.core.files import write_json
from mimic.core.printing import show

if TYPE_CHECKING:
    from mimic.analysis.task_diagnosis import TaskDiagnosis


def run(args: argparse.Namespace) -> int:
    """Print why a run does not learn, and what to try."""
    diagnosis = _of_task(args) if config_of(args.run).task.name == "gymnasium" else _of_clip(args)
    show(diagnosis.text())
    if args.json:
        write_json(args.json, diagnosis.to_json())
    return 0


def _of_clip(args: argparse.Namespace) -> Diagnosis:
    return diagnose(gather(args.run, args.episodes, args.threads))


def _of_task(args: argparse.Namespace) -> "TaskDiagnosis":
    from mimic.analysis.task_diagnosis import diagnose_task, gather_task

    return diagnose_task(gather_task(args.run, args.episodes, args.threads))
