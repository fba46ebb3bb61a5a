"""One reader (and writer) a file format, and the table that chooses it by suffix, or by content where one suffix has
several formats."""

from collections.abc import Callable
from pathlib import Path

from characters.character import Character
from characters.errors import ClipError, nearest
from mocap.conventions import NO_OPTIONS, ReadOptions
from mocap.formats.bvh import read_bvh
from mocap.formats.deepmimic import read_deepmimic
from mocap.formats.strict_json import MAX_BYTES
from mocap.motion import Motion
from mocap.skeleton import Clip

Reader = Callable[[bytes, Path, ReadOptions], Clip]


def _bvh(data: bytes, path: Path, options: ReadOptions) -> Clip:
    return read_bvh(data, path.stem, options)


def _deepmimic(data: bytes, path: Path, options: ReadOptions) -> Clip:
    return read_deepmimic(data, None, path.stem)


READERS: dict[str, Reader] = {".bvh": _bvh, ".txt": _deepmimic}


def read_clip(path: Path | str, options: ReadOptions = NO_OPTIONS) -> Clip:
    """Read any motion file, named after the file's stem: a Motion if it is of one of our characters, a SkeletonMotion
    or KeypointMotion otherwise, in our units and axes, with what was guessed in its ``reading``.

    Raises ClipError: no such file, an unknown suffix, or anything wrong inside.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ClipError(f"{path}: no reader for '{path.suffix}' files; {nearest(suffix, READERS)}")
    return READERS[suffix](read_bytes(path), path, options)


def read_motion(path: Path | str, character: Character | None = None) -> Motion:
    """Read a motion of one of our characters; without ``character`` it is guessed from the file.

    Raises ClipError as :func:`read_clip` does, and for a file that moves another skeleton.
    """
    path = Path(path)
    if path.suffix.lower() == ".txt" and character is not None:
        return read_deepmimic(read_bytes(path), character, path.stem)
    clip = read_clip(path)
    if not isinstance(clip, Motion):
        advice = f"first: run_mimic.py retarget {path} --character humanoid --out {path.stem}.npz"
        raise ClipError(f"{path}: moves a skeleton of its own ({clip.reading.format}); {advice}")
    if character is not None and clip.character != character.name:
        raise ClipError(f"{path}: moves the {clip.character}, not the {character.name}")
    return clip


def read_bytes(path: Path) -> bytes:
    """The whole file, if it is a plain one of a size a clip may have. Raises ClipError."""
    try:
        if not path.is_file():
            raise ClipError(f"{path}: no such file")
        if path.stat().st_size > MAX_BYTES:
            raise ClipError(f"{path}: larger than {MAX_BYTES} bytes, the most a clip may have")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ClipError(f"{path}: cannot be read ({error})") from None
