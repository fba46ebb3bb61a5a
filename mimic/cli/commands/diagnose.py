"""Say in words why a run does not learn."""

import argparse

from mimic.analysis.diagnose import diagnose
from mimic.analysis.evidence import gather
from mimic.core.files import write_json


def run(args: argparse.Namespace) -> int:
    """Say in words why a run does not learn."""
    diagnosis = diagnose(gather(args.run, args.episodes, args.threads))
    print(diagnosis.text())
    if args.json:
        write_json(args.json, diagnosis.to_json())
    return 0
