"""A bundle onto the disk, whole or not at all."""

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from mimic.core.errors import InputError
from mimic.core.files import write_bytes

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest a zip file can say


def write_folder(out: Path, files: Mapping[str, bytes]) -> None:
    """Publish ``files`` as folder ``out``; an earlier bundle there is replaced.

    Raises InputError if ``out`` holds anything else, or cannot be written.
    """
    temporary = out.with_name(f".tmp-{os.getpid()}-{out.name}")
    try:
        refuse_strange(out)
        shutil.rmtree(temporary, ignore_errors=True)
        for name, data in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_zip(out: Path, files: Mapping[str, bytes]) -> None:
    """Publish ``files`` as zip file ``out``, the same bytes every time. Raises InputError if it cannot be written."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    write_bytes(out, buffer.getvalue())


def refuse_strange(out: Path) -> None:
    """Raise InputError unless ``out`` is absent, empty, or holds nothing that its manifest does not name."""
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder, or add --zip")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    try:
        known = {"manifest.json", *json.loads((out / "manifest.json").read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    if strange := sorted(found - known):
        raise InputError(f"{out}: holds something else ({strange[0]}); name a new folder")
