"""A motion file of another skeleton as a clip for training: retargeted into the folder of the run that uses it.

``FOLDER/NAME.npz`` is the clip, named after the user's file and take. ``FOLDER/NAME.json`` records the file's sha256 and
the options, so that a later command recognises the clip that it needs.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mimic.core.errors import ClipError, InputError
from mimic.core.files import make_folder, read_file, write_bytes, write_json
from mocap.clip_part import clip_part
from mocap.conventions import NO_OPTIONS, ReadOptions
from mocap.describe import describe
from mocap.formats import read_bytes, take_names
from mocap.formats.clip_npz import write_clip_npz
from mocap.motion import Motion
from mocap.skeleton import Clip
from retarget.guess_character import guess_character
from retarget.pipeline import Options
from retarget.quality_report import QualityReport
from retarget.retarget_file import load_motion, retarget_clip
from retarget.source import Source
from retarget.takes import file_name

Say = Callable[[str], None]
CLIPS_FOLDER = "clips"  # of a run
_NO_EDITS = Options()
_MAX_RECORD = 100_000  # bytes


@dataclass(frozen=True)
class Retargeting:
    """How motion files are retargeted.

    Attributes:
        character: the character, by name or path; None is a guess.
        options: the part to use, and the edits.
        reading: conventions of the file that are not guessed.
        map_file: a YAML of ``role: joint`` lines.
        licence: of the recording; None is the file's.
        loop: whether the user wants a cycle; None closes a whole recording that ends as it begins.
    """

    character: str | None = None
    options: Options = _NO_EDITS
    reading: ReadOptions = NO_OPTIONS
    map_file: Path | None = None
    licence: str | None = None
    loop: bool | None = None

    @staticmethod
    def of_take(take: str | None, character: str | None = None) -> "Retargeting":
        """Return the retargeting of a take with nothing else stated."""
        return Retargeting(character, reading=ReadOptions(take=take))

    @property
    def is_stated(self) -> bool:
        """Whether the user states anything."""
        return self != Retargeting()

    def record(self, file: Path) -> dict[str, Any]:
        """Return the file's name and sha256 and all options, for JSON. Raises ClipError or InputError for a missing file."""
        map_text = None if self.map_file is None else read_file(self.map_file, _MAX_RECORD).decode(errors="replace")
        return {
            "file": file.name,
            "sha256": hashlib.sha256(read_bytes(file)).hexdigest() if file.suffix else None,
            "character": self.character,
            "options": asdict(self.options),
            "reading": asdict(self.reading),
            "map": map_text,
            "licence": self.licence,
            "loop": self.loop,
        }


def must_be_retargeted(clip: str, how: Retargeting) -> bool:
    """Whether ``clip`` is a file of another skeleton, or the options ask for an edit of it. Raises ClipError."""
    if how.is_stated:
        return True
    file, _ = _split(clip)
    return is_file(str(file)) and not isinstance(load_motion(file), Motion)


def clip_title(clip: str, how: Retargeting) -> str:
    """Return the name of the clip made from a file: that of the file, with the take and the part."""
    file, part = _split(clip)
    return f"{_stem(file, how)}{part}"


def is_file(name: str) -> bool:
    """Whether the name of a clip is the path of a file."""
    return bool(Path(name).suffix) or os.sep in name


def is_prepared(clip: str, how: Retargeting, folder: Path) -> bool:
    """Whether ``folder`` has the clip already, made from the same bytes with the same options."""
    file, _ = _split(clip)
    path = folder / f"{_stem(file, how)}.npz"
    try:
        made = json.loads(read_file(path.with_suffix(".json"), _MAX_RECORD))
    except (InputError, OSError, ValueError):
        return False
    asked = json.loads(json.dumps(how.record(file)))
    return path.exists() and isinstance(made, dict) and made.get("made_from") == asked


def prepare_file(clip: str, how: Retargeting, folder: Path, say: Say, in_use: bool = False) -> str:
    """Retarget a motion file into ``folder`` and return the clip's name for ``load_clip``; say each step in a line.

    A clip that was made from the same bytes with the same options is taken as it is. A clip whose report fails is used
    with a warning. ``in_use`` says that a run was trained on the clip, which then stays as it is.

    Raises:
        InputError: the file cannot be read or retargeted, or the clip is in use and was made in another way.
    """
    file, part = _split(clip)
    path = folder / f"{_stem(file, how)}.npz"
    if is_prepared(clip, how, folder):
        say(f"clip: {path}, retargeted before")
        return f"{path}{part}"
    if in_use and path.exists():
        raise InputError(
            f"{path}: a run was trained on this clip, which was made from another file or with other options; choose "
            "another --out"
        )
    if "+" in str(path):
        raise InputError(f"{path}: a plus separates the names of clips; choose another --out, or rename the file")
    if how.reading.take is not None and not take_names(file):
        raise ClipError(f"{file}: files of this format have one take; leave --take out")
    source = load_motion(file, how.reading)
    say(f"reading {file}: {_description(source)}")
    character, guessed = _character(source, how)
    options, closed = _options(source, how)
    say(f"retargeting to the {character}{guessed}{closed}")
    result = retarget_clip(replace(source, name=path.stem), character, path, options, how.map_file)
    licence = how.licence or result.motion.license
    make_folder(folder)
    write_bytes(path, write_clip_npz(replace(result.motion, license=licence)))
    made_from = how.record(file)
    write_json(path.with_suffix(".json"), {"made_from": made_from, "report": result.report.to_json()})
    say(f"clip: {path}, {result.motion.duration:.1f} s{_said(result.report)}")
    warn_of_failed_checks(str(file), result.report, say)
    return f"{path}{part}"


def warn_of_failed_checks(name: str, report: QualityReport, say: Say) -> None:
    """Say which checks of a clip's quality report failed, if any did."""
    failed = [f"{check.label}: {check.value:g} {check.unit}" for check in report.checks if check.verdict == "fail"]
    if failed:
        say(f"warning: {name}: its quality report fails ({'; '.join(failed)}); it is trained on all the same")


def _split(clip: str) -> tuple[Path, str]:
    """Return the file or the catalogue's name, and the suffix for a part of it."""
    if os.path.exists(clip):
        return Path(clip), ""
    part = clip_part(clip)
    return Path(part.clip), part.suffix


def _stem(file: Path, how: Retargeting) -> str:
    take = how.reading.take
    return f"{file.stem}-{file_name(take)}" if take else file.stem


def _character(source: Clip, how: Retargeting) -> tuple[str, str]:
    """Return the character to retarget to, and in words that it is a guess."""
    if how.character:
        return how.character, ""
    if isinstance(source, Motion):
        return source.character, ""
    return guess_character(source), " (a guess; --character is an option)"


def _options(source: Clip, how: Retargeting) -> tuple[Options, str]:
    """Return the edits, with a cycle closed although the user does not say so, and that in words."""
    whole = how.options.start is None and how.options.end is None
    if how.loop is not None or not whole or isinstance(source, Motion) or not Source.of(source).is_cycle:
        return how.options, ""
    return replace(how.options, loop=True), ", as a cycle, for it ends as it begins (a guess; --no-loop is an option)"


def _description(source: Clip) -> str:
    found = describe(source)
    chosen = ", ".join(f"{key} {entry['value']}" for key, entry in found["assumptions"].items() if key != "fps")
    size = f"{len(found['bones'])} joints, {found['duration_s']:.1f} s at {found['fps']:g} frames a second"
    return "; ".join([f"{found['format']}, {size}; {chosen}", *found["warnings"]])


def _said(report: QualityReport) -> str:
    return "".join(f"; {note}" for note in report.notes) + f"; quality report: {report.verdict}"
