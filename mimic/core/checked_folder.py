"""Write folders that are either complete or absent, and detect any damage when they are read.

Writing: ``mimic.core.files.publish_folder`` publishes the files by a rename and writes ``MANIFEST.json`` (sizes, sha256)
last. A process killed at any moment leaves the folder as it was. At worst an orphan ``.tmp-*`` stays, which
`remove_orphans` deletes.

Reading: the manifest must equal, byte for byte, the manifest that this module would write. Every file is hashed before
it is parsed. Hashes find damage; they do not stop an attacker who rewrites both file and manifest.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mimic.core.errors import CheckpointError
from mimic.core.files import TEMPORARY, open_regular, original_of, publish_folder

FORMAT_VERSION = 1
MANIFEST = "MANIFEST.json"
_MAX_MANIFEST = 1_000_000  # bytes


class CheckpointWriteError(CheckpointError):
    """A checkpoint could not be written (disk full, no permission). Earlier checkpoints are intact."""

    exit_code = 5


def write_checked_folder(target: Path, files: Mapping[str, bytes], notes: Mapping[str, Any] | None = None) -> None:
    """Publish ``files`` (file name without a folder -> bytes) as folder ``target``, replacing an earlier one.

    ``notes`` are JSON values that the manifest stores beside the list of files, such as a checkpoint's score.

    Raises CheckpointWriteError if the folder cannot be written; ``target`` is then unchanged and no temporary file is left.
    Raises CheckpointError for a name that is not a plain file name.
    """
    try:
        whole = {_plain(name): data for name, data in files.items()}
        publish_folder(target, {**whole, MANIFEST: _manifest_bytes(_describe(files), notes or {})})
    except (OSError, RuntimeError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointWriteError(f"{target}: could not be saved ({reason}); earlier checkpoints are intact") from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the verified manifest of ``folder``, with keys ``format``, ``files`` and ``notes``.

    Raises CheckpointError if the manifest is missing, damaged or of another format.
    """
    data = _read_plain_file(folder / MANIFEST, _MAX_MANIFEST)
    try:
        manifest = json.loads(data)
        version, files, notes = manifest["format"], dict(manifest["files"]), dict(manifest["notes"])
        whole = data == _manifest_bytes(files, notes, version) and all(
            type(entry["size"]) is int and isinstance(entry["sha256"], str) for entry in files.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise CheckpointError(f"{folder / MANIFEST}: damaged; copy the folder again, or use another checkpoint")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder}: another version of mimic wrote it in format {version}; this version reads only format {FORMAT_VERSION}. "
            "Use that version, or another checkpoint"
        )
    return {"format": version, "files": files, "notes": notes}


def read_checked_folder(folder: Path, names: Iterable[str] | None = None) -> dict[str, bytes]:
    """Return the content of each file of ``folder`` (or only of ``names``), checked against the manifest.

    Raises CheckpointError if a file is missing or damaged.
    """
    listed = read_manifest(folder)["files"]
    result: dict[str, bytes] = {}
    for name in listed if names is None else names:
        if name not in listed:
            raise CheckpointError(f"{folder}: has no {name}; it holds {', '.join(sorted(listed))}")
        size, digest = listed[name]["size"], listed[name]["sha256"]
        data = _read_plain_file(folder / _plain(name), size)
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise CheckpointError(
                f"{folder / name}: damaged (its sha256 is not the one in {MANIFEST}); "
                "copy the folder again, or use another checkpoint"
            )
        result[name] = data
    return result


def remove_orphans(root: Path) -> list[Path]:
    """Delete the temporary folders that a killed writer left in ``root``, and return their paths.

    Call it only while no process writes there.

    If the writer had moved a folder aside and was killed before it replaced that folder, the folder is moved back.
    """
    orphans = sorted(root.glob(f"{TEMPORARY}*")) if root.is_dir() else []
    for orphan in orphans:
        original = original_of(orphan)
        if original is not None and not original.exists():
            orphan.rename(original)
        else:
            discard(orphan)
    return orphans


def discard(folder: Path) -> None:
    """Rename a folder, then delete it, so that no reader finds half of it. A folder that cannot be renamed stays."""
    doomed = folder.parent / f"{TEMPORARY}doomed-{folder.name.removeprefix('.')}"
    try:
        folder.rename(doomed)
    except OSError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


def _describe(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    return {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}


def _manifest_bytes(files: Mapping[str, Any], notes: Mapping[str, Any], version: int = FORMAT_VERSION) -> bytes:
    """Return the manifest as canonical JSON with a digest of its own content, so that any changed bit is found."""
    body = {"format": version, "files": files, "notes": notes}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()
    return (json.dumps({**body, "digest": digest}, sort_keys=True, indent=1) + "\n").encode()


def _plain(name: str) -> str:
    if not name or name == MANIFEST or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
        raise CheckpointError(
            f"'{name}' is not a plain file name; such a name contains no folder, begins with no dot and is not {MANIFEST}"
        )
    return name


def _read_plain_file(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file; of a file longer than ``most`` bytes, the first ``most + 1``.

    The caller thus sees that a file is too long. Raises CheckpointError for a link or an unreadable file.
    """
    with open_regular(path, CheckpointError, follow_links=False) as file:
        try:
            return file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
