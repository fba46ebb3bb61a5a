"""The command line as a module: ``python -m mimic --clip cartwheel``."""

import sys

from mimic.cli.entry import entry

if __name__ == "__main__":
    sys.exit(entry("mimic"))
