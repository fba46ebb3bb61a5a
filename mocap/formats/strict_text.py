"""Parses text and numbers of an untrusted BVH, AMC or table, within limits of size.

A number consists of a sign, digits, one point (or a comma where the file has no points) and an exponent. Python's float
also accepts ``1_0``, ``nan``, ``infinity`` and digits of other scripts. Here these and numbers too large for a float
raise a ClipError with the line.
"""

import math
import re

from mimic.core.errors import ClipError

MAX_BYTES = 64_000_000
MAX_NUMBERS = 12_000_000
MAX_LINES = 4_000_000
MAX_LINE = 1_000_000  # characters
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,5})?")
_ODD = re.compile(r"[^0-9+\-.eE\s]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")


def decode(data: bytes, where: str) -> str:
    """Decode a file to text without byte order mark and carriage returns. Raises ClipError if the data is not text.

    The encoding is UTF-8, else Latin-1, which never fails. Control characters mean a binary file.
    """
    if len(data) > MAX_BYTES:
        raise ClipError(f"{where}: larger than {MAX_BYTES} bytes, the most a clip may have")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ClipError(f"{where}: line {line}: not plain text (character {ord(found.group()):#04x})")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MAX_LINES:
        raise ClipError(f"{where}: more than {MAX_LINES} lines, the most a clip may have")
    start = 0
    while len(text) - start > MAX_LINE:  # from line to line, a million characters at a time
        last = text.rfind("\n", start, start + MAX_LINE + 1)
        if last < 0:
            line = text.count("\n", 0, start) + 1
            raise ClipError(f"{where}: line {line} has more than {MAX_LINE} characters")
        start = last + 1
    return text


def number(token: str, where: str) -> float:
    """Parse one number strictly. Raises ClipError that begins with ``where``."""
    if not _NUMBER.fullmatch(token):
        raise ClipError(f"{where}: {short(token)} is not a number")
    value = float(token)
    if not math.isfinite(value):
        raise ClipError(f"{where}: {short(token)} is not finite")
    return value


def number_row(line: str, where: str) -> list[float]:
    """Parse the numbers of a line, separated by whitespace. Raises ClipError that begins with ``where``."""
    tokens = line.split()
    if not _ODD.search(line):
        try:
            values = [float(token) for token in tokens]
        except ValueError:
            pass
        else:
            if math.isfinite(sum(map(abs, values))):
                return values
    return [number(token, where) for token in tokens]  # the slow way finds the culprit


_POINT = re.compile(r"(?<![A-Za-z0-9_.])[+-]?[0-9]*\.[0-9]|(?<![A-Za-z0-9_.])[0-9]+\.(?![A-Za-z0-9_])")


def points_for_commas(text: str) -> str:
    """Replace decimal commas by points; text with a number that has a point is returned unchanged.

    A point in a name, as in ``thigh.L.001``, is no decimal point.
    """
    return text if _POINT.search(text) else re.sub(r"(?<=[0-9]),|,(?=[0-9])", ".", text)


def short(token: str) -> str:
    """Quote a word of the file for an error message, cut to 40 characters."""
    return ascii(token[:40])
