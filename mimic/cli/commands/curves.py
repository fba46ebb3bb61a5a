"""Draw the learning curves of runs in one picture and print them as a table."""

import argparse

from mimic.analysis.curves import curve_table, draw_curves, reach_table, read_groups
from mimic.cli.common import say
from mimic.core.printing import show


def run(args: argparse.Namespace) -> int:
    """Draw the learning curves of runs in one picture and print them as a table."""
    groups = read_groups(args.runs)
    show(curve_table(groups))
    if args.reach:
        show("\n" + reach_table(groups, args.reach))
    draw_curves(groups, args.out)
    say(f"picture: {args.out}")
    return 0
