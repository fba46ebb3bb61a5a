"""Several clips that are learned together: ``a,b,c``, a folder of clip files, or a YAML file called a pack.

A pack lists clips, each with an optional weight, span [s] and mirror image::

    clips:
      - walk
      - {clip: jog.npz, weight: 2, span: [0.5, 3.0], mirror: true}
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mimic.core.errors import ConfigError, InputError
from mimic.core.strict_config import build, read_yaml
from mocap.catalogue import MAX_CLIPS, clip_names
from mocap.clip_part import ClipPart, clip_part
from mocap.formats import READERS

_PACKS = (".yaml", ".yml")


@dataclass(frozen=True)
class LibraryClip:
    """A clip of a library: its name as ``load_clip`` takes it, and its weight among the episodes of training."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True)
class PackClip:
    """One clip of a pack's YAML; with ``mirror``, its mirror image is a second clip of the same weight."""

    clip: str
    weight: float = 1.0
    span: tuple[float, ...] | None = None
    mirror: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0.0):
            raise ValueError(f"the weight of '{self.clip}' must be a number above 0, found {self.weight:g}")
        if self.span is not None and not (len(self.span) == 2 and 0.0 <= self.span[0] < self.span[1] < math.inf):
            raise ValueError(f"the span of '{self.clip}' must be [start, end] in seconds, found {[*self.span]}")


@dataclass(frozen=True)
class Pack:
    """The content of a pack's YAML."""

    clips: tuple[PackClip, ...]


def is_library(text: str) -> bool:
    """Whether ``text`` means several clips: it has a comma, or is a folder or a YAML file."""
    if os.path.isdir(text):
        return True
    return (not os.path.exists(text) and "," in text) or text.lower().endswith(_PACKS)


def read_library(text: str) -> tuple[LibraryClip, ...]:
    """Return the clips of ``a,b,c``, of a folder or of a pack; any other text is a single clip.

    Raises:
        InputError: there is no clip, two clips have one name, or there are more than ``MAX_CLIPS``.
        ConfigError: the pack has an unknown key or a wrong value.
    """
    if os.path.isdir(text):
        found = _in_folder(Path(text))
    elif text.lower().endswith(_PACKS):
        found = _in_pack(Path(text))
    else:
        names = text.split(",") if is_library(text) else [text]
        found = [LibraryClip(name.strip()) for name in names if name.strip()]
    if not found:
        raise InputError(f"'{text}': names no clip; write the clips as walk,run,jump")
    _check(found, text)
    return tuple(found)


def short_name(clip: str) -> str:
    """Return the name for files made from a clip: its name, or that of its file without folder and format, and its part."""
    part = clip_part(clip)
    return Path(part.clip).stem + part.suffix


def _in_folder(folder: Path) -> list[LibraryClip]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in READERS and path.is_file())
    if not files:
        raise InputError(f"{folder}: holds no clip; the files of clips end in {', '.join(sorted(READERS))}")
    return [LibraryClip(str(path)) for path in files]


def _in_pack(path: Path) -> list[LibraryClip]:
    data = read_yaml(path)
    if isinstance(listed := data.get("clips"), list):
        data = data | {"clips": [{"clip": one} if isinstance(one, str) else one for one in listed]}
    try:
        pack = build(Pack, data, str(path))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    found = []
    for one in pack.clips:
        name = one.clip if one.clip in clip_names() else str(path.parent / one.clip)
        span = None if one.span is None else (one.span[0], one.span[1])
        for mirrored in (False, True) if one.mirror else (False,):
            found.append(LibraryClip(ClipPart(name, span, mirrored).name, one.weight))
    return found


def _check(clips: Sequence[LibraryClip], text: str) -> None:
    """Raise InputError for too many clips, two of one name, or a name with a plus, which separates names."""
    if len(clips) > MAX_CLIPS:
        raise InputError(f"'{text[:40]}': {len(clips)} clips; at most {MAX_CLIPS} are learned together")
    names = [short_name(one.name) for one in clips]
    for one, name in zip(clips, names, strict=True):
        if names.count(name) > 1:
            both = " and ".join(other.name for other in clips if short_name(other.name) == name)
            raise InputError(f"two clips have the name '{name}' ({both}); rename one, or leave it out")
        if len(clips) > 1 and "+" in one.name:
            raise InputError(f"{one.name}: a plus separates the names of clips; rename the file")
