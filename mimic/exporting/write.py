"""Writes the files of a bundle to disk, as a folder or as a zip file, completely or not at all."""

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from mimic.core.errors import InputError
from mimic.core.files import publish_folder, restore_folder, write_bytes

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest date of the format


def write_folder(out: Path, files: Mapping[str, bytes]) -> None:
    """Publish ``files`` as folder ``out`` by a rename; an earlier bundle there is replaced as a whole.

    Raises InputError if ``out`` holds files that its manifest does not name, or cannot be written.
    """
    try:
        restore_folder(out)
        refuse_foreign_files(out)
        publish_folder(out, files)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None


def write_zip(out: Path, files: Mapping[str, bytes]) -> None:
    """Publish ``files`` as zip file ``out``, the same bytes every time. Raises InputError if it cannot be written."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    write_bytes(out, buffer.getvalue())


def refuse_foreign_files(out: Path) -> None:
    """Raise InputError unless ``out`` is absent, an empty folder, or a folder whose manifest names all its files."""
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; name a folder, or add --zip")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    try:
        listed = {"manifest.json", *json.loads((out / "manifest.json").read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    if foreign := sorted(found - listed):
        raise InputError(f"{out} contains other files, such as {foreign[0]}; name a new folder")
