"""The clips of a library made ready for training: files of other skeletons are retargeted, and bad clips are named."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from characters import load_character
from mimic.core.errors import InputError
from mimic.runs.motion_file import Retargeting, is_file, must_be_retargeted, prepare_file, warn_of_failed_checks
from mocap.catalogue import available_name, load_clip
from mocap.clip_library import LibraryClip
from mocap.clip_part import clip_part
from mocap.motion import Motion
from retarget.quality_report import make_quality_report

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
    how = Retargeting(character=wanted)
    return tuple(_ready(one, found[one.name], how, folder, say) for one in clips)


def _motion(name: str) -> Motion | None:
    """Load a clip; None if its file moves another skeleton."""
    return None if must_be_retargeted(name, Retargeting()) else load_clip(name)


def _ready(clip: LibraryClip, motion: Motion | None, how: Retargeting, folder: Path, say: Say) -> LibraryClip:
    if motion is None:
        return replace(clip, name=prepare_file(clip.name, how, folder, say))
    if is_file(clip_part(clip.name).clip):
        warn_of_failed_checks(clip.name, make_quality_report(motion, load_character(motion.character)), say)
        return clip
    return replace(clip, name=available_name(clip.name))
