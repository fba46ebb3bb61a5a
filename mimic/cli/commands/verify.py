"""Check a controller bundle, print the result, and write it to the file --json."""

import argparse

from mimic.cli.tables import print_verdict
from mimic.core.errors import InputError
from mimic.core.files import write_json
from mimic.exporting.verify import verify


def run(args: argparse.Namespace) -> int:
    """Check a controller bundle, print the result, and write it to the file --json."""
    try:
        verdict = verify(args.bundle)
    except InputError as error:
        if args.json:
            write_json(args.json, {"ok": False, "bundle": str(args.bundle), "error": str(error)})
        raise
    if args.json:
        write_json(args.json, verdict.to_json())
    print_verdict(verdict.to_json())
    return 0
