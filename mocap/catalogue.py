"""The named clips: what there is, where it lies, under which licence, and how to get it.

A clip is looked for in ``$MIMIC_MOCAP`` (or its subfolder ``deepmimic``), inside an installed pybullet_data, in the
cache (``$MIMIC_CACHE``, else ``~/.cache/mimic``), and downloaded into the cache when it is nowhere. Only bytes with the
catalogue's sha256 are taken for a named clip; any other file is named by its path.
"""

import hashlib
import importlib.util
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from characters.character import load_character
from characters.errors import ClipError, InputError, nearest
from characters.strict_config import build, read_yaml
from mocap.fetch import Opener, fetch, open_https, show_licence
from mocap.formats import read_bytes, read_motion
from mocap.formats.deepmimic import read_deepmimic, read_table
from mocap.mirror import mirror
from mocap.motion import Motion


@dataclass(frozen=True)
class ClipConfig:
    """One clip as the YAML has it; ``download_sha256`` where the file to download is another one."""

    character: str
    file: str
    sha256: str
    licence: str
    download_sha256: str | None = None
    mirrored: bool = False


@dataclass(frozen=True)
class CatalogueConfig:
    """catalogue.yaml, key by key."""

    base_url: str
    licences: dict[str, str]
    clips: dict[str, ClipConfig]


@dataclass(frozen=True)
class ClipEntry:
    """A named clip: ``sha256`` holds every content it may have, the last one being that of the download."""

    name: str
    character: str
    file: str
    sha256: tuple[str, ...]
    licence: str
    url: str
    mirrored: bool


@dataclass(frozen=True)
class ClipInfo:
    """A line of the listing; what only the file can tell is None where there is no file yet."""

    name: str
    character: str
    licence: str
    available: bool
    where: str
    frames: int | None
    duration_s: float | None
    loop: bool | None


class _Found(NamedTuple):
    path: Path
    data: bytes


def clip_names() -> list[str]:
    """All short names, sorted."""
    return sorted(_catalogue().clips)


def resolve(name: str) -> ClipEntry:
    """The catalogue's entry. Raises InputError with the nearest names if there is none."""
    catalogue = _catalogue()
    if name not in catalogue.clips:
        raise InputError(f"no clip '{name}'; {nearest(name, catalogue.clips)}")
    clip = catalogue.clips[name]
    hashes = (clip.sha256, clip.download_sha256) if clip.download_sha256 else (clip.sha256,)
    licence, url = catalogue.licences[clip.licence], catalogue.base_url + clip.file
    return ClipEntry(name, clip.character, clip.file, hashes, licence, url, clip.mirrored)


def load_clip(name: str, opener: Opener = open_https) -> Motion:
    """The motion of a named clip, downloaded if need be, or of the clip file at a path.

    Raises InputError for an unknown name or a clip that cannot be had, ClipError for a broken file.
    """
    if Path(name).suffix or os.sep in name:
        return replace(read_motion(name), source=name, license="not stated")
    entry = resolve(name)
    found = _find(entry) or _download(entry, opener)
    character = load_character(entry.character)
    motion = read_deepmimic(found.data, character, name)
    motion = replace(motion, source=str(found.path), license=entry.licence)
    return mirror(motion, character) if entry.mirrored else motion


def list_clips() -> list[ClipInfo]:
    """Every named clip, without downloading anything. Raises InputError if MIMIC_MOCAP is not usable."""
    return [_info(resolve(name)) for name in clip_names()]


def _info(entry: ClipEntry) -> ClipInfo:
    found = _find(entry)
    if not found:
        return ClipInfo(entry.name, entry.character, entry.licence, False, entry.url, None, None, None)
    table = read_table(found.data, entry.name)
    where, frames = str(found.path), len(table.rows)
    return ClipInfo(entry.name, entry.character, entry.licence, True, where, frames, table.duration, table.loop)


def _find(entry: ClipEntry) -> _Found | None:
    """The clip's file on this machine. A file of another content is passed over, except where the user put it."""
    user = _user_folders()
    for folder in (*user, *_package_folders(), _cache_folder()):
        path = folder / entry.file
        if not path.is_file():
            continue
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() in entry.sha256:
            return _Found(path, data)
        if folder in user:
            advice = f"give --clip {path} to use it as it is"
            raise ClipError(f"{path} is not the file the catalogue calls '{entry.name}' (other sha256); {advice}")
    return None


def _download(entry: ClipEntry, opener: Opener) -> _Found:
    path = _cache_folder() / entry.file
    try:
        fetch(entry.url, entry.sha256[-1], path, opener)
    except InputError as error:
        advice = f"set MIMIC_MOCAP to a folder that has {entry.file}"
        raise InputError(f"clip '{entry.name}' is not on this machine, and {error}; {advice}") from None
    show_licence(entry.licence)
    return _Found(path, read_bytes(path))


def _user_folders() -> tuple[Path, ...]:
    name = os.environ.get("MIMIC_MOCAP")
    if not name:
        return ()
    folder = Path(os.path.expanduser(name))
    if not folder.is_dir():
        raise InputError(f"MIMIC_MOCAP={name} is not a folder; unset it, or name one that has clip files")
    return (folder, folder / "deepmimic")


def _package_folders() -> tuple[Path, ...]:
    spec = importlib.util.find_spec("pybullet_data")  # finds it without running it
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return tuple(Path(folder) / "data" / "motions" for folder in folders)


def _cache_folder() -> Path:
    # os.path's expanduser, unlike pathlib's, does not raise where there is no home
    return Path(os.path.expanduser(os.environ.get("MIMIC_CACHE") or "~/.cache/mimic")) / "deepmimic"


@cache
def _catalogue() -> CatalogueConfig:
    path = Path(__file__).with_name("catalogue.yaml")
    return build(CatalogueConfig, read_yaml(path), str(path))
