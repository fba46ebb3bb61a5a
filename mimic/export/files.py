"""Files that are there whole or not at all, and names for them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from characters.errors import InputError


def make_folder(path: Path) -> None:
    """The folder and those above it. Raises InputError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror})") from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write under a temporary name and rename. Raises InputError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None


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
