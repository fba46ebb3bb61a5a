"""Download named clips whose licence has been accepted."""

import argparse

from mimic.cli.common import say
from mocap.catalogue import fetch_clips


def run(args: argparse.Namespace) -> int:
    """Download named clips whose licence has been accepted."""
    for info in fetch_clips(args.names, args.accept_licence):
        say(f"{info.name}: " + ("authored; it needs no file" if info.synthetic else f"its file is {info.where}"))
    return 0
