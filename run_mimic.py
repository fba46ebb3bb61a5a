#!/usr/bin/env python3
"""Command line of mimic, run from a source checkout: ``python run_mimic.py --clip cartwheel``."""

import sys
from collections.abc import Sequence

from mimic.cli.entry import entry


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see `mimic.cli.main.main`."""
    from mimic.cli.main import main as command

    return command(argv, "run_mimic.py")


if __name__ == "__main__":
    sys.exit(entry("run_mimic.py"))
