"""Files that are there whole or not at all."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from mimic.core.errors import InputError


def make_folder(path: Path) -> None:
    """The folder and those above it. Raises InputError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror})") from None


def write_bytes(path: Path, data: bytes) -> None:
    """Write under a temporary name and rename; missing folders are made. Raises InputError where it cannot be written."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None


def write_json(path: Path, data: Any) -> None:
    """Write as JSON; see :func:`write_bytes`."""
    write_bytes(path, (json.dumps(data, indent=1) + "\n").encode())
