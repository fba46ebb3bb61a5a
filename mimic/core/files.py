"""Files and folders published by a rename: readers find the old content or the new, whole.

A process killed at any moment leaves, at worst, an orphan whose name begins with ``.tmp-`` or ``.``.
"""

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from mimic.core.errors import InputError

TEMPORARY = ".tmp-"  # how the name of an unfinished or replaced folder begins
_REPLACED = f"{TEMPORARY}replaced-"


def open_regular(path: Path, error: type[InputError] = InputError, *, follow_links: bool = True) -> IO[bytes]:
    """Open a regular file for reading. A FIFO, a device or a folder is refused at once, without waiting for data.

    Raises ``error`` if ``path`` is no regular file or cannot be opened. Without ``follow_links`` a symbolic link cannot.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0)))
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, ValueError) as cause:  # ValueError: a NUL in the name
        raise error(f"{path}: cannot be read ({getattr(cause, 'strerror', None) or cause})") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise error(f"{path}: not a regular file, but a folder, a device or a pipe")
    return open(descriptor, "rb")


def read_file(path: Path, most: int, error: type[InputError] = InputError) -> bytes:
    """Return the bytes of a regular file.

    Raises ``error`` if ``path`` is no regular file, cannot be read, or has more than ``most`` bytes.
    """
    with open_regular(path, error) as file:
        try:
            data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        except OSError as cause:
            raise error(f"{path}: cannot be read ({cause.strerror})") from None
    if len(data) > most:
        raise error(f"{path}: larger than {most} bytes, the limit for this file")
    return data


def make_folder(path: Path) -> None:
    """Make the folder ``path`` and its parents. Raises InputError if a folder cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: this folder cannot be made ({error.strerror})") from None


def check_writable(path: Path) -> None:
    """Raise InputError if a file ``path`` cannot be written, before the work that it will hold is done. Makes nothing."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise InputError(f"{path}: cannot be written ({folder} is not a folder)")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: cannot be written (no permission in {folder})")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then rename it to ``path``. Missing folders are made.

    Raises InputError if the file cannot be written.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None


def publish_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` (path inside the folder -> bytes) in their order as folder ``target``, replacing an earlier one.

    The files are synced to disk under a temporary name beside ``target``, and then renamed. A full folder cannot be
    overwritten by a rename, so the earlier folder is moved aside first. A process killed between these two renames leaves
    the earlier folder whole under another name. Every call begins with ``restore_folder``, which moves it back.

    Raises OSError, or any error of the writing; ``target`` is then unchanged and no temporary file is left.
    """
    temporary, replaced = target.with_name(f"{TEMPORARY}{os.getpid()}-{target.name}"), _replaced(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        restore_folder(target)
        shutil.rmtree(temporary, ignore_errors=True)
        _write_synced(temporary, files)
        if target.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            os.rename(target, replaced)
        os.rename(temporary, target)
        sync_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            restore_folder(target)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def restore_folder(target: Path) -> None:
    """Move back the folder that a killed ``publish_folder`` had moved away from ``target``, unless ``target`` exists."""
    if _replaced(target).exists() and not target.exists():
        os.rename(_replaced(target), target)


def original_of(orphan: Path) -> Path | None:
    """Return the path from which ``publish_folder`` moved ``orphan``; None if ``orphan`` is an unfinished folder."""
    name = orphan.name
    return orphan.with_name(name.removeprefix(_REPLACED)) if name.startswith(_REPLACED) else None


def sync_folder(path: Path) -> None:
    """Sync a folder's list of files to disk, so that a new file survives a power failure.

    On Windows this does nothing, because Windows cannot open a folder.
    """
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replaced(target: Path) -> Path:
    return target.with_name(f"{_REPLACED}{target.name}")


def _write_synced(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    parents = {folder}
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parents.add(path.parent)
        with open(path, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for parent in parents:
        sync_folder(parent)


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` to ``path`` as indented JSON. Raises InputError if the file cannot be written."""
    write_bytes(path, (json.dumps(data, indent=1) + "\n").encode())
