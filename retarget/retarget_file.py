"""Reads a motion file, retargets it to a character, and makes its quality report."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch

from characters.character import Character, load_character
from mimic.core.errors import InputError
from mocap.catalogue import clip_names, load_clip
from mocap.conventions import NO_OPTIONS, ReadOptions
from mocap.formats import read_clip
from mocap.motion import Motion, check_length
from mocap.skeleton import Clip
from retarget.mapping import read_map
from retarget.pipeline import Options, joints_by_role, retarget
from retarget.quality_report import QualityReport, make_quality_report
from retarget.repair import repair
from retarget.user_character import files_of, user_character


@dataclass(frozen=True, eq=False)
class RetargetResult:
    """A retargeted motion with its character and quality report."""

    motion: Motion
    character: Character
    report: QualityReport


def retarget_file(
    file: Path,
    character: str,
    out: Path,
    options: Options,
    reading: ReadOptions = NO_OPTIONS,
    map_file: Path | None = None,
    name: str | None = None,
) -> RetargetResult:
    """Read a motion file and retarget it to a character; the result is returned, not written.

    Args:
        file: a motion file, or the name of a clip in the catalogue.
        character: a name, or the path of a user's MJCF or YAML; the converted character is written beside ``out``.
        out: the .npz file that the caller will write.
        options: the part of the recording to use, and the edits to make.
        reading: unit, axes and frame rate of the file, where they should not be guessed.
        map_file: a YAML of ``role: joint name`` lines.
        name: of the motion; by default the file's.

    Raises:
        InputError: the file, the map or the character cannot be used, or ``out`` is no .npz file or the input.
    """
    _check_out(file, out)
    clip = load_motion(file, reading)
    return retarget_clip(replace(clip, name=name) if name else clip, character, out, options, map_file)


def retarget_clip(
    clip: Clip, character: str, out: Path, options: Options, map_file: Path | None = None
) -> RetargetResult:
    """Retarget a clip that was read already; arguments and errors as of `retarget_file`."""
    names = read_map(map_file) if map_file else None
    figure, notes = _character(character, out)
    result = retarget(clip, figure, options, names)
    report = make_quality_report(result.motion, figure, result.targets, (*notes, *result.notes))
    report = replace(report, mapping=result.mapping, root_motion=result.root_motion)
    return RetargetResult(result.motion, figure, report)


def load_motion(file: Path, reading: ReadOptions = NO_OPTIONS) -> Clip:
    """Load a motion file, or a clip by its name in the catalogue.

    ``reading`` gives unit, axes and frame rate of a file. Raises InputError if the file cannot be read, or if
    ``reading`` is given for a clip of the catalogue.
    """
    if file.suffix or str(file) not in clip_names():
        return read_clip(file, reading)
    options = {"fps": "the file's frame rate"}
    given = [options.get(f.name, f"--{f.name}") for f in fields(reading) if getattr(reading, f.name) is not None]
    if given:
        raise InputError(
            f"'{file}' is a clip of the catalogue, whose unit and axes are known; remove {', '.join(given)}"
        )
    return load_clip(str(file))


def quality_report_of(clip: Clip) -> QualityReport | None:
    """Return the quality report of a clip of one of our characters, with a note on its repair; None for other clips.

    Raises ClipError if the clip has more frames or seconds than ``check_length`` allows.
    """
    if not isinstance(clip, Motion):
        return None
    check_length(clip)
    character = load_character(clip.character)
    card = make_quality_report(clip, character)
    return card if card.verdict == "pass" else replace(card, notes=(*card.notes, _when_trained(clip, character)))


def _check_out(file: Path, out: Path) -> None:
    if out.suffix.lower() != ".npz":
        raise InputError(f"{out}: a retargeted clip is written as .npz; use --out {out.with_suffix('.npz')}")
    if out.exists() and file.exists() and out.samefile(file):
        raise InputError(f"{out} is the input file, which would be overwritten; choose another --out")


def _when_trained(clip: Motion, character: Character) -> str:
    repaired = repair(clip, character)
    card = make_quality_report(repaired, character)
    left = "; ".join(f"{check.label}: {check.value:g} {check.unit}" for check in card.checks if check.verdict != "pass")
    how = "lifts this clip out of the ground (solving it anew makes it no better)"
    if not torch.equal(repaired.joint_quat, clip.joint_quat):
        how = "mends this clip when it loads it: feet are held where they stand, a loop is closed"
    return f"training {how}. What it then has: {card.verdict}" + (f" ({left})" if left else "")


def _character(name: str, out: Path) -> tuple[Character, tuple[str, ...]]:
    """Return the character, and a note on the other files that its MJCF reads, if there are any."""
    if not name.endswith((".xml", ".mjcf", ".yaml", ".yml")):
        return load_character(name), ()
    figure = user_character(Path(name), out.parent)
    first, *others = files_of(Path(name))
    parts = ", ".join(str(file.relative_to(first.parent)) for file in others)
    return figure, (f"{first.name} reads {parts}",) if parts else ()


def mapping_of(clip: Clip) -> dict[str, str]:
    """Return the joint of each role that retargeting would take, by name; empty if it cannot tell or needs none."""
    if isinstance(clip, Motion):
        return {}
    try:
        return joints_by_role(clip)
    except InputError:
        return {}
