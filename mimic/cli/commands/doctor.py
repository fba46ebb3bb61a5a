"""Check this machine and print a remedy for every fault."""

import argparse
import json

from mimic.cli.doctor import doctor, print_report
from mimic.core.printing import show


def run(args: argparse.Namespace) -> int:
    """Check this machine and print a remedy for every fault."""
    report = doctor()
    if args.json:
        show(json.dumps(report, indent=1))
    else:
        print_report(report)
    return 0
