"""Print text safely: names, licences and paths may be untrusted, and a terminal obeys control characters.

Every line that the program prints goes through :func:`show` or :func:`printable`.
"""

import re
import sys
from typing import TextIO

# C0 and C1 controls but for tab and newline, and the marks that reverse the direction of the text after them
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_LONGEST = 2000  # characters of a line of an error message


def printable(text: str) -> str:
    r"""Return the text with every control character written as an escape.

    >>> printable("walk\x1b[2J")
    'walk\\x1b[2J'
    """
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


def shortened(text: str) -> str:
    """Return the text with every line cut after 2000 characters."""
    lines = text.split("\n")
    return "\n".join(
        f"{line[:_LONGEST]}... ({len(line)} characters)" if len(line) > _LONGEST else line for line in lines
    )


def show(text: object = "", file: TextIO | None = None) -> None:
    """Print a line at once, to stdout or ``file``, with its control characters escaped."""
    print(printable(str(text)), file=file or sys.stdout, flush=True)


def show_error(text: object) -> None:
    """Print a line on stderr, with control characters escaped and very long lines cut."""
    show(shortened(str(text)), sys.stderr)
