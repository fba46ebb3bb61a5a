"""List the named clips."""

import argparse
import json

from mimic.cli.tables import print_clips
from mimic.core.printing import show
from mimic.runs.controller import shipped_controllers
from mocap.catalogue import list_clips


def run(args: argparse.Namespace) -> int:
    """List the named clips."""
    clips, controllers = list_clips(), shipped_controllers()
    if args.json:
        show(json.dumps([info.to_json() | {"controller": info.name in controllers} for info in clips], indent=1))
    else:
        print_clips(clips, controllers)
    return 0
