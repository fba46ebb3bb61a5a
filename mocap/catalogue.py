"""The named clips: their files, their licences, and how they are downloaded.

A clip is looked for in ``$MIMIC_MOCAP`` (or its subfolder ``deepmimic``), inside an installed pybullet_data, and in the
cache (`mimic.core.cache_folder`). A clip that is in none of them is replaced by its fallback, an authored gait, with a
note on stderr. A clip without a fallback is downloaded into the cache: from DeepMimic's repository, or else out of
pybullet's wheel. Only :func:`fetch_clips` downloads clips under the non-commercial licence, once the user
accepts it. A file counts as the named clip only if it has the catalogue's sha256. Any other file is named by its path.
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from characters.character import load_character
from mimic.core import program
from mimic.core.cache_folder import cache_folder
from mimic.core.errors import ClipError, InputError, nearest
from mimic.core.printing import show
from mimic.core.strict_config import build, read_yaml
from mocap.clip_part import clip_part
from mocap.editing import mirror
from mocap.fetch import Opener, fetch, open_https, show_licence
from mocap.formats import read_bytes, read_motion
from mocap.formats.deepmimic import read_deepmimic, read_table
from mocap.gaits import author_gait
from mocap.motion import Motion, check_length
from mocap.pybullet_wheel import extract_clips
from mocap.stance import STAND, author_stance

MAX_CLIPS = 500  # of one task
MAX_TOTAL_SECONDS = 1000.0  # of its clips: a second is 1.4 MB of the reference
_JSON_NAMES = {"redistributable": "may_ship", "fallback": "stand_in"}


@dataclass(frozen=True)
class ClipConfig:
    """One clip of the YAML: a file, or a gait with an optional ``speed`` [m/s] and ``yaw_rate`` [degrees/s].

    ``download_sha256`` is the hash of the file to download, if that differs from ``sha256``. ``seconds`` is the duration that
    lists show while the file is missing. The clip is the mirror image of the file if it is ``mirrored``. ``in_pybullet``
    says that pybullet's wheel has the file, with ``sha256``.
    """

    character: str
    licence: str
    file: str | None = None
    sha256: str | None = None
    seconds: float | None = None
    gait: str | None = None
    speed: float | None = None
    yaw_rate: float | None = None
    fallback: str | None = None
    download_sha256: str | None = None
    mirrored: bool = False
    in_pybullet: bool = False

    def __post_init__(self) -> None:
        if (self.gait is None) == (self.file is None) or (self.file is None) != (self.sha256 is None):
            raise ValueError("a clip needs either a gait, or a file and its sha256")


@dataclass(frozen=True)
class LicenceConfig:
    """A licence of clips, and what follows from it for the program.

    Attributes:
        text: the owner's conditions in a sentence.
        redistributable: whether a product may include the clip.
        requires_acceptance: whether the user must accept the licence before the clip is downloaded.
    """

    text: str
    redistributable: bool
    requires_acceptance: bool = False


@dataclass(frozen=True)
class CatalogueConfig:
    """The keys of catalogue.yaml."""

    base_url: str
    licences: dict[str, LicenceConfig]
    clips: dict[str, ClipConfig]


@dataclass(frozen=True)
class ClipEntry:
    """A named clip. ``sha256`` lists the hashes that the clip's file may have; the last is that of the download.

    The program generates a clip that has a ``gait``. Such a clip has no file, no hash and no address.
    """

    name: str
    character: str
    file: str
    sha256: tuple[str, ...]
    licence: str
    redistributable: bool
    requires_acceptance: bool
    url: str
    mirrored: bool
    in_pybullet: bool
    seconds: float | None = None
    gait: str | None = None
    speed: float | None = None
    yaw_rate: float | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class ClipInfo:
    """A named clip as the command ``clips`` lists it.

    While the file is missing, ``available`` is False, and ``frames`` and ``loop`` are None. ``duration_s`` is then the
    catalogue's, or None. A clip is ``synthetic`` if the program authors it.
    ``where`` is the path of the file, the address of the download, or "authored". ``fallback`` is the clip that
    replaces this one while the file is missing.
    """

    name: str
    character: str
    licence: str
    redistributable: bool
    synthetic: bool
    available: bool
    where: str
    frames: int | None
    duration_s: float | None
    loop: bool | None
    fallback: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the values for JSON, under the names that scripts rely on."""
        values = asdict(self)
        return {_JSON_NAMES.get(name, name): value for name, value in values.items()}


class _Found(NamedTuple):
    path: Path
    data: bytes


def clip_names() -> list[str]:
    """Return the names of all clips of the catalogue, sorted."""
    return sorted(_catalogue().clips)


def resolve(name: str) -> ClipEntry:
    """Return the catalogue's entry of a clip. Raises InputError with the nearest names if there is none."""
    catalogue = _catalogue()
    if name not in catalogue.clips:
        raise InputError(f"no clip '{name}'; {nearest(name, catalogue.clips)}")
    clip = catalogue.clips[name]
    licence = catalogue.licences[clip.licence]
    return ClipEntry(
        name=name,
        character=clip.character,
        file=clip.file or "",
        sha256=tuple(hash_ for hash_ in (clip.sha256, clip.download_sha256) if hash_),
        licence=licence.text,
        redistributable=licence.redistributable,
        requires_acceptance=licence.requires_acceptance,
        url=catalogue.base_url + clip.file if clip.file else "",
        mirrored=clip.mirrored,
        in_pybullet=clip.in_pybullet,
        seconds=clip.seconds,
        gait=clip.gait,
        speed=clip.speed,
        yaw_rate=clip.yaw_rate,
        fallback=clip.fallback,
    )


def load_clip(name: str, opener: Opener = open_https) -> Motion:
    """Load the motion of a named clip, or of the clip file at a path, or a part of one (mocap/clip_part.py).

    A clip that is not on this machine is replaced by its fallback, with a note on stderr, or downloaded through
    ``opener``. Raises InputError for an unknown name or a clip that cannot be downloaded, ClipError for a broken file.
    """
    if (part := clip_part(name)).suffix and not os.path.exists(name):
        return part.of(load_clip(part.clip, opener))
    if Path(name).suffix or os.sep in name:
        motion = read_motion(name)
        check_length(motion)
        return replace(motion, source=name, license=motion.license or "not stated")
    entry = resolve(name)
    if entry.gait:
        return replace(_author(entry), license=entry.licence, name=name)
    found = _find(entry)
    if not found and entry.fallback:
        _say_fallback(name, entry.fallback)
        return load_clip(entry.fallback, opener)
    if not found and entry.requires_acceptance:
        raise InputError(
            f"clip '{name}' is not on this machine; {program.command(f'fetch {name}')} shows its licence and downloads it"
        )
    found = found or _download(entry, opener)
    character = load_character(entry.character)
    motion = read_deepmimic(found.data, character, name)
    motion = replace(motion, source=str(found.path), license=entry.licence)
    return mirror(motion, character) if entry.mirrored else motion


def names_in(names: str) -> list[str]:
    """Split ``a+b+c`` into the names of clips. The path of an existing file is kept whole, with any plus in it.

    Raises InputError for more than ``MAX_CLIPS``.
    """
    found = [names] if os.path.exists(names) else names.split("+")
    if len(found) > MAX_CLIPS:
        raise InputError(f"'{names[:40]}...': {len(found)} clips; at most {MAX_CLIPS} are learned together")
    return found


def load_clips(names: str) -> tuple[Motion, ...]:
    """Load the motions of one clip, or of several clips as ``a+b+c``. Raises as ``load_clip`` does."""
    motions: list[Motion] = []
    for name in names_in(names):
        motions.append(load_clip(name))
        if sum(motion.duration for motion in motions) > MAX_TOTAL_SECONDS:
            raise InputError(
                f"'{names[:40]}...': the clips last more than {MAX_TOTAL_SECONDS:g} s in all; name fewer clips"
            )
    if len(found := sorted({motion.character for motion in motions})) > 1:
        raise InputError(f"'{names}': the clips are of different characters ({', '.join(found)}); name clips of one")
    return tuple(motions)


def available_name(name: str) -> str:
    """Return the name of the clip that ``load_clip(name)`` loads here: the fallback's, if the recording is missing."""
    if len(parts := names_in(name)) > 1:
        return "+".join(available_name(part) for part in parts)
    if (part := clip_part(name)).suffix and not os.path.exists(name):
        return available_name(part.clip) + part.suffix
    if Path(name).suffix or os.sep in name:
        return name
    entry = resolve(name)
    return entry.fallback if entry.fallback and not _find(entry) else name


def fetch_clips(names: Sequence[str], accept_licence: bool, opener: Opener = open_https) -> list[ClipInfo]:
    """Download the named clips, or all for "all". Clips that are on this machine already are skipped.

    Returns a description of each clip. ``opener`` opens the addresses. Without ``accept_licence`` nothing is downloaded, and the error states the licences. Raises InputError for an unknown
    name, a licence that was not accepted, or a clip that cannot be downloaded.
    """
    entries = [resolve(name) for name in (clip_names() if "all" in names else dict.fromkeys(names))]
    wanted = [entry for entry in entries if not entry.gait and not _find(entry)]
    if wanted and not accept_licence:
        licences = dict.fromkeys(entry.licence for entry in wanted)
        terms = "; ".join(f"{_names_under(wanted, text)}: {text}" for text in licences)
        raise InputError(f"nothing was downloaded. The licence of {terms}. If you accept it, add --accept-licence")
    for entry in wanted:
        _download(entry, opener)
    return [_info(entry) for entry in entries]


def _names_under(entries: Sequence[ClipEntry], licence: str) -> str:
    return ", ".join(entry.name for entry in entries if entry.licence == licence)


@cache  # once a process and clip
def _say_fallback(name: str, fallback: str) -> None:
    advice = f"{program.command(f'fetch {name}')} downloads the recording"
    show(
        f"clip '{name}': the recording is not on this machine; using the synthetic '{fallback}' ({advice})", sys.stderr
    )


def list_clips() -> list[ClipInfo]:
    """Describe every named clip without downloading anything. Raises InputError if MIMIC_MOCAP is not a folder."""
    return [_info(resolve(name)) for name in clip_names()]


def _info(entry: ClipEntry) -> ClipInfo:
    def info(where: str, available: bool, frames: int | None, seconds: float | None, loop: bool | None) -> ClipInfo:
        return ClipInfo(
            name=entry.name,
            character=entry.character,
            licence=entry.licence,
            redistributable=entry.redistributable,
            synthetic=entry.gait is not None,
            available=available,
            where=where,
            frames=frames,
            duration_s=seconds,
            loop=loop,
            fallback=entry.fallback,
        )

    if entry.gait:
        motion = _author(entry)
        return info("authored", True, motion.num_frames, motion.duration, motion.loop)
    found = _find(entry)
    if not found:
        return info(entry.url, False, None, entry.seconds, None)
    table = read_table(found.data, entry.name)
    return info(str(found.path), True, len(table.rows), table.duration, table.loop)


def _author(entry: ClipEntry) -> Motion:
    if entry.gait == STAND:
        return author_stance(load_character(entry.character))
    return author_gait(str(entry.gait), entry.speed, entry.yaw_rate)


def _find(entry: ClipEntry) -> _Found | None:
    """Find the clip's file on this machine, or return None.

    A file with another sha256 is skipped. Raises ClipError if such a file is in the user's folder, ``$MIMIC_MOCAP``.
    """
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
            raise ClipError(f"{path} is not the file of the clip '{entry.name}' (other sha256); {advice}")
    return None


def _download(entry: ClipEntry, opener: Opener) -> _Found:
    path = _cache_folder() / entry.file
    try:
        try:
            fetch(entry.url, entry.sha256[-1], path, opener)
        except InputError as error:
            if not entry.in_pybullet:
                raise
            _extract_from_pybullet(error)
    except InputError as error:
        advice = f"set MIMIC_MOCAP to a folder that has {entry.file}"
        raise InputError(f"clip '{entry.name}' is not on this machine, and {error}; {advice}") from None
    show_licence(entry.licence)
    return _Found(path, read_bytes(path))


def _extract_from_pybullet(reason: InputError) -> None:
    """Put all clips of pybullet's wheel into the cache. Raises InputError with both reasons if that fails too."""
    clips = _catalogue().clips.values()
    files = {clip.file: clip.sha256 for clip in clips if clip.in_pybullet and clip.file and clip.sha256}
    try:
        extract_clips(files, _cache_folder())
    except InputError as error:
        raise InputError(f"{reason}; {error}") from None


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
    return cache_folder() / "deepmimic"


@cache
def _catalogue() -> CatalogueConfig:
    path = Path(__file__).with_name("catalogue.yaml")
    return build(CatalogueConfig, read_yaml(path), str(path))
