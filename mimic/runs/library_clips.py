"""The clips of a library made ready for training: files of other skeletons are retargeted, and bad clips are named."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from characters import load_character
from mimic.core.errors import InputError
from mimic.core.files import make_folder, write_bytes
from mocap.catalogue import available_name, load_clip
from mocap.clip_library import LibraryClip
from mocap.clip_part import clip_part
from mocap.formats import read_clip
from mocap.formats.clip_npz import write_clip_npz
from mocap.motion import Motion
from retarget.pipeline import Options
from retarget.quality_report import QualityReport, make_quality_report
from retarget.retarget_file import retarget_file

Say = Callable[[str], None]
_DEFAULT_CHARACTER = "humanoid"


def prepare_clips(
    clips: Sequence[LibraryClip], folder: Path, say: Say, character: str | None = None
) -> tuple[LibraryClip, ...]:
    """Retarget the files that move another skeleton, and name the clips whose quality report has failed checks.

    Args:
        clips: the clips, as ``read_library`` gives them.
        folder: where retargeted clips are written, as ``NAME.npz``.
        say: where to report.
        character: the character of the library; None means that of the first clip which has one, else the humanoid.

    Returns:
        the clips, with the names of the retargeted files in place of the originals.

    Raises:
        InputError: a clip cannot be read or retargeted, or two clips are of different characters.
    """
    found = {one.name: _motion(one.name) for one in clips}
    of_character = [(name, motion.character) for name, motion in found.items() if motion is not None]
    wanted = character or (of_character[0][1] if of_character else _DEFAULT_CHARACTER)
    for name, its in of_character:
        if its != wanted:
            first = f"'{of_character[0][0]}' is" if character is None else "the controller is"
            raise InputError(f"the clips of a library are of one character: {first} of '{wanted}', '{name}' of '{its}'")
    return tuple(_ready(one, found[one.name], wanted, folder, say) for one in clips)


def _motion(name: str) -> Motion | None:
    """Load a clip; None if its file moves another skeleton."""
    file = clip_part(name).clip
    if _is_file(file) and not isinstance(read_clip(file), Motion):
        return None
    return load_clip(name)


def _is_file(name: str) -> bool:
    return bool(Path(name).suffix) or os.sep in name


def _ready(clip: LibraryClip, motion: Motion | None, character: str, folder: Path, say: Say) -> LibraryClip:
    part = clip_part(clip.name)
    if motion is None:
        path = folder / f"{Path(part.clip).stem}.npz"
        if "+" in str(path):
            raise InputError(f"{path}: a plus separates the names of clips; choose another --out, or rename the file")
        result = retarget_file(Path(part.clip), character, path, Options())
        make_folder(folder)
        write_bytes(path, write_clip_npz(result.motion))
        say(f"{part.clip}: retargeted to the {character}, {path}")
        _warn(clip.name, result.report, say)
        return replace(clip, name=replace(part, clip=str(path)).name)
    if _is_file(part.clip):
        _warn(clip.name, make_quality_report(motion, load_character(motion.character)), say)
        return clip
    return replace(clip, name=available_name(clip.name))


def _warn(name: str, report: QualityReport, say: Say) -> None:
    failed = [f"{check.label}: {check.value:g} {check.unit}" for check in report.checks if check.verdict == "fail"]
    if failed:
        say(f"warning: {name}: its quality report fails ({'; '.join(failed)}); it is trained on all the same")
