"""Readers and writers of motion files, one module a format, and the table that chooses a reader.

The suffix of a file chooses the reader; where a suffix stands for several formats, the content does.
"""

from collections.abc import Callable
from pathlib import Path

from mimic.core.errors import ClipError, nearest
from mimic.core.files import read_file
from mimic.core.strict_npz import read_arrays
from mocap.conventions import NO_OPTIONS, ReadOptions
from mocap.describe import retarget_command
from mocap.formats import clip_npz, keypoints, smpl
from mocap.formats.acclaim import find_asf, read_amc
from mocap.formats.bvh import read_bvh
from mocap.formats.c3d import read_c3d
from mocap.formats.deepmimic import read_deepmimic
from mocap.formats.gltf import gltf_takes, read_gltf
from mocap.formats.robot_csv import read_robot_csv
from mocap.formats.strict_json import MAX_BYTES
from mocap.motion import Motion
from mocap.skeleton import Clip

Reader = Callable[[bytes, Path, ReadOptions], Clip]


def _read_text(data: bytes, path: Path, options: ReadOptions) -> Clip:
    """Read a ``.txt`` file as DeepMimic's JSON or as rows of key points, by its first character."""
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        return read_deepmimic(data, None, path.stem)
    if start not in [bytes([byte]) for byte in b"+-.0123456789"]:
        raise ClipError(f"{path.stem}: a .txt file must be a DeepMimic clip (JSON) or rows of key points (numbers)")
    return keypoints.read_keypoint_text(data, path.stem, options)


def _read_npz(data: bytes, path: Path, options: ReadOptions) -> Clip:
    """Read an ``.npz`` file as this program's own clip, as SMPL or as world poses, by the names of its arrays."""
    arrays = read_arrays(data, path.stem)
    if clip_npz.is_ours(arrays):
        return clip_npz.from_arrays(arrays, path.stem)
    if "poses" in arrays or {"global_orient", "body_pose"} <= arrays.keys():
        model = read_bytes(Path(options.skeleton), 400_000_000) if options.skeleton is not None else None
        return smpl.from_arrays(arrays, path.stem, options, model)
    if "positions" in arrays:
        return keypoints.from_arrays(arrays, path.stem, options)
    found = ", ".join(sorted(arrays)[:8]) or "nothing"
    raise ClipError(
        f"{path.stem}: no known motion in the arrays {found}; SMPL needs 'poses', world poses need 'positions'"
    )


READERS: dict[str, Reader] = {
    ".amc": lambda data, path, options: read_amc(data, path.stem, read_bytes(find_asf(path, options)), options),
    ".bvh": lambda data, path, options: read_bvh(data, path.stem, options),
    ".c3d": lambda data, path, options: read_c3d(data, path.stem, options),
    ".csv": lambda data, path, options: read_robot_csv(data, path.stem, options),
    ".glb": lambda data, path, options: read_gltf(data, path.stem, options, path.parent),
    ".gltf": lambda data, path, options: read_gltf(data, path.stem, options, path.parent),
    ".npz": _read_npz,
    ".txt": _read_text,
}
# what people try, and what to do instead
_ELSEWHERE = {
    ".fbx": "open it in Blender and export it as .bvh or .glb",
    ".asf": "an ASF has only bones; give the .amc beside it",
    ".pkl": "a pickle may run programs and is never opened; save the motion as .npz",
    ".trc": "convert it to .c3d",
}


def read_clip(path: Path | str, options: ReadOptions = NO_OPTIONS) -> Clip:
    """Read any motion file as a clip that is named after the file's stem.

    The result is a Motion if the file moves one of our characters, else a SkeletonMotion or a KeypointMotion. Units and
    axes are the project's; ``conventions`` lists the reader's assumptions about the file's.

    Raises ClipError for a missing file, an unknown suffix, or anything wrong inside.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise ClipError(f"{path} is a folder; name a file in it")
    if not suffix:
        raise ClipError(
            f"{path}: no such clip, and no motion file without a suffix; valid suffixes: {', '.join(sorted(READERS))}"
        )
    if suffix in _ELSEWHERE:
        raise ClipError(f"{path}: '{suffix}' files are not read; {_ELSEWHERE[suffix]}")
    if suffix not in READERS:
        raise ClipError(f"{path}: no reader for '{path.suffix}' files; {nearest(suffix, READERS)}")
    return READERS[suffix](read_bytes(path), path, options)


def take_names(path: Path | str) -> tuple[str, ...]:
    """Return the names of the takes in a glTF or GLB file; empty for files of other formats. Raises ClipError."""
    path = Path(path)
    return gltf_takes(read_bytes(path), path.stem) if path.suffix.lower() in (".glb", ".gltf") else ()


def read_motion(path: Path | str) -> Motion:
    """Read a motion of one of our characters. The file's contents decide which character.

    Raises ClipError as :func:`read_clip` does, and for a file that moves another skeleton.
    """
    path = Path(path)
    clip = read_clip(path)
    if not isinstance(clip, Motion):
        advice = f"first: {retarget_command(clip, path)}"
        raise ClipError(f"{path}: the file moves another skeleton ({clip.conventions.format}); {advice}")
    return clip


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most ``most`` bytes. Raises ClipError for anything else at the path."""
    return read_file(path, most, ClipError)
