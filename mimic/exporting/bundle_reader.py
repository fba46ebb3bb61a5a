"""Read an untrusted bundle: the reader unpacks nothing to disk, runs nothing, and limits every size."""

import hashlib
import json
import math
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol

from mimic.core.errors import InputError
from mimic.core.files import open_regular
from mimic.exporting.bundle import MANIFEST
from mimic.exporting.runtime_free import LIBRARY_VERSION, SCHEMA_VERSION

MAX_FILE = 128_000_000  # bytes
MAX_TOTAL = 512_000_000
MAX_MANIFEST = 1_000_000
MAX_FILES = 1_000
_EDITOR_FILE = re.compile(r"(?:.*/)?(?:\.import|\.godot)/.*|.*\.(?:meta|import|uid)")  # Godot and Unity write these
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/){0,4}[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class BundleError(InputError):
    """A bundle is damaged, incomplete, of another schema version, or contradicts its manifest."""


class BundleReader(Protocol):
    """Reads the files of a folder or of a zip file."""

    def names(self) -> set[str]:
        """Return the names of all files."""

    def read(self, name: str, limit: int) -> bytes:
        """Read at most ``limit`` + 1 bytes of a file, so that the caller notices a longer one."""


def read_bundle(path: Path) -> dict[str, bytes]:
    """Read every file of a bundle (a folder or zip file), manifest included, and check sizes and hashes.

    Files that the editors of Godot and Unity write beside others (``.import/``, ``.godot/``, ``*.import``, ``*.uid``,
    ``*.meta``) are not read.

    Raises BundleError, which names the file and the fault.
    """
    source: BundleReader = _FolderReader(path) if path.is_dir() else _ZipReader(path)
    if MANIFEST not in source.names():
        raise BundleError(f"{path}: has no {MANIFEST}, so it is not a controller bundle")
    data = source.read(MANIFEST, MAX_MANIFEST)
    if len(data) > MAX_MANIFEST:
        raise BundleError(f"{path}: {MANIFEST} is larger than {MAX_MANIFEST} bytes")
    listed = _listed(parse(data, MANIFEST), path)
    files = {MANIFEST: data}
    total = sum(size for size, _ in listed.values())
    if total > MAX_TOTAL or len(listed) > MAX_FILES:
        raise BundleError(
            f"{path}: {len(listed)} files of {total} bytes; a bundle has up to {MAX_FILES} files of {MAX_TOTAL} bytes"
        )
    foreign = source.names() - {MANIFEST} - set(listed)
    for name in sorted(name for name in foreign if not _EDITOR_FILE.fullmatch(name)):
        raise BundleError(f"{path}: {name!r} is not in the manifest; remove it")
    for name, (size, digest) in listed.items():
        if name not in source.names():
            raise BundleError(f"{path}: {name} is missing, though the manifest lists it")
        files[name] = source.read(name, size)
        if len(files[name]) != size:
            raise BundleError(f"{path}: {name} is not {size} bytes long, as the manifest says; export again")
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise BundleError(f"{path}: {name} is damaged (its sha256 is not the manifest's); export again")
    return files


def parse(data: bytes, name: str) -> Any:
    """Parse strict JSON. Raises BundleError for NaN, infinity, a number too large for a float, or a key given twice."""

    def refuse(token: str) -> NoReturn:
        raise BundleError(f"{name}: {token[:20]} is no finite number of at most 20 digits")

    def finite(token: str) -> float:
        value = float(token)
        return value if math.isfinite(value) else refuse(token)

    def whole(token: str) -> int:
        return int(token) if len(token) <= 20 else refuse(token)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise BundleError(f"{name}: the key {twice[:40]!r} appears twice in one object")
        return found

    try:
        return json.loads(
            data.decode(), parse_constant=refuse, parse_float=finite, parse_int=whole, object_pairs_hook=unique
        )
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name}: not valid JSON ({error})") from None


def _listed(manifest: Any, path: Path) -> dict[str, tuple[int, str]]:
    """Return size and sha256 of each file that the manifest lists.

    Raises BundleError for another schema version, or for a list that is not valid.
    """
    version = manifest.get("schema_version") if isinstance(manifest, Mapping) else None
    if version not in (SCHEMA_VERSION, LIBRARY_VERSION) or isinstance(version, bool):
        raise BundleError(
            f"{path}: the manifest has schema version {version!r}, but this program reads {SCHEMA_VERSION} and "
            f"{LIBRARY_VERSION}"
        )
    files = manifest.get("files")
    if not isinstance(files, Mapping):
        raise BundleError(f"{path}: {MANIFEST} lists no files")
    listed: dict[str, tuple[int, str]] = {}
    for name, entry in files.items():
        size, digest = (entry.get("size"), entry.get("sha256")) if isinstance(entry, Mapping) else (None, None)
        if not _NAME.fullmatch(name) or name == MANIFEST:
            raise BundleError(f"{path}: {name[:80]!r} is not a valid file name in a bundle")
        if type(size) is not int or not 0 <= size <= MAX_FILE or not isinstance(digest, str):
            raise BundleError(f"{path}: {MANIFEST} must give sha256 and size (0 to {MAX_FILE} bytes) of {name}")
        listed[name] = (size, digest)
    return listed


class _FolderReader:
    """Reads a bundle in a folder; refuses links and devices inside it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._names: set[str] = set()
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = Path(parent) / name
                inside = path.relative_to(folder).as_posix()
                mode = path.lstat().st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise BundleError(f"{folder}: {inside!r} is a link or a device, not a file")
            self._names |= {(Path(parent) / name).relative_to(folder).as_posix() for name in files}
            if len(self._names) > 2 * MAX_FILES:
                raise BundleError(f"{folder}: more than {MAX_FILES} files")

    def names(self) -> set[str]:
        """Return the names of all files below the folder."""
        return self._names

    def read(self, name: str, limit: int) -> bytes:
        """Read at most ``limit`` + 1 bytes, so that the caller sees if the file is longer than ``limit``."""
        with open_regular(self._folder / name, BundleError, follow_links=False) as file:
            try:
                return file.read(limit + 1)
            except OSError as error:
                raise BundleError(f"{self._folder}: {name} cannot be read ({error.strerror})") from None


class _ZipReader:
    """Reads a bundle in a zip file, entry by entry into memory; no entry's name becomes a path on disk."""

    def __init__(self, path: Path):
        self._path = path
        try:
            file = open_regular(path, BundleError)
            if os.fstat(file.fileno()).st_size > MAX_TOTAL:
                raise BundleError(f"{path}: larger than {MAX_TOTAL} bytes, the most a bundle may have")
            self._archive = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise BundleError(f"{path}: neither a folder nor a zip file ({error})") from None
        entries = [entry for entry in self._archive.infolist() if not entry.is_dir()]
        self._entries = {entry.filename: entry for entry in entries}
        if len(entries) > MAX_FILES or len(self._entries) < len(entries):
            raise BundleError(f"{path}: more than {MAX_FILES} files, or the same file twice")
        for entry in entries:
            if not _NAME.fullmatch(entry.filename):
                raise BundleError(f"{path}: {entry.filename[:80]!r} is not a valid file name in a bundle")
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise BundleError(f"{path}: {entry.filename} is a link; a bundle has files only")

    def names(self) -> set[str]:
        """Return the names of all files in the archive."""
        return set(self._entries)

    def read(self, name: str, limit: int) -> bytes:
        """Read at most ``limit`` + 1 bytes of a file, whatever size the archive states."""
        try:
            with self._archive.open(self._entries[name]) as file:
                return file.read(limit + 1)
        except (
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            RuntimeError,
            NotImplementedError,
            ValueError,
        ) as error:
            raise BundleError(f"{self._path}: {name} cannot be read ({error})") from None
