"""Distinct names for files, and names that are safe in a web address."""

import re
from collections.abc import Sequence


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names in order; a repeated name gets a number.

    >>> distinct(["walk", "walk", "run"])
    ['walk', 'walk-2', 'run']
    """
    found: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in found:
            number += 1
            candidate = f"{name}-{number}"
        found.append(candidate)
    return found


def in_address(name: str) -> str:
    """Replace every character of a name but letters, digits, ``.``, ``_`` and ``-`` by ``_``, for web addresses.

    >>> in_address("who? me")
    'who__me'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
