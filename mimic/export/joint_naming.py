"""Names for files."""

import re
from collections.abc import Sequence


def distinct(names: Sequence[str]) -> list[str]:
    """The names in their order, a number added to each that has been there before.

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
    """The name with nothing in it that has a meaning in a web address.

    >>> in_address("who? me")
    'who__me'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)
