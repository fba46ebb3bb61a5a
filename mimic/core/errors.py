"""Errors that the caller can correct: one line says what was wrong and what would have worked.

The command line prints the message of an :class:`InputError` and leaves with its exit code, without a traceback.
"""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """An argument, a file or a setting cannot be used."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration file or ``--set`` value is wrong."""


class ClipError(InputError):
    """A motion file is damaged, or is not in the format that its name says."""


class CheckpointError(InputError):
    """A checkpoint or controller is damaged, incomplete or from another version."""

    exit_code = 6


def nearest(word: str, options: Iterable[str]) -> str:
    """Return a hint for an unknown name: the closest valid names, then all valid names.

    >>> nearest("cartwel", ["walk", "cartwheel"])
    "did you mean 'cartwheel'? valid: cartwheel, walk"
    """
    valid = sorted(options)
    close = difflib.get_close_matches(word, valid, n=2, cutoff=0.5)
    listing = "valid: " + ", ".join(valid)
    if not close:
        return listing
    return "did you mean " + " or ".join(f"'{name}'" for name in close) + f"? {listing}"
