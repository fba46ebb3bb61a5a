"""One reader (and writer) a file format, and the table that chooses it by suffix."""

from collections.abc import Callable
from pathlib import Path

from characters.character import Character
from characters.errors import ClipError, nearest
from mocap.formats.deepmimic import read_deepmimic
from mocap.formats.strict_json import MAX_BYTES
from mocap.motion import Motion

READERS: dict[str, Callable[[bytes, Character | None, str], Motion]] = {".txt": read_deepmimic}


def read_motion(path: Path | str, character: Character | None = None) -> Motion:
    """Read a motion file, named after the file's stem; without ``character`` it is guessed from the file.

    Raises ClipError: no such file, an unknown suffix, or anything wrong inside.
    """
    path = Path(path)
    if path.suffix not in READERS:
        raise ClipError(f"{path}: no reader for '{path.suffix}' files; {nearest(path.suffix, READERS)}")
    return READERS[path.suffix](read_bytes(path), character, path.stem)


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
