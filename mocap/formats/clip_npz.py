"""This program's own clip files: a Motion, bit for bit, in a NumPy archive without pickle.

The reader refuses another ``format`` or ``version``. Writing the same motion twice gives the same bytes.
"""

import io
from typing import Any

import numpy as np
from torch import Tensor

from mimic.core.errors import ClipError
from mimic.core.strict_npz import numbers, read_arrays, scalar, word, words
from mocap.motion import Motion

FORMAT, VERSION = "mimic-clip", 1
_TENSORS = ("times", "root_pos_w", "root_quat_w", "joint_quat")
_TEXTS = ("name", "character", "source", "license")


def write_clip_npz(motion: Motion) -> bytes:
    """Write a motion as a file that :func:`read_clip_npz` reads back bit for bit."""
    arrays: dict[str, Any] = {"format": FORMAT, "version": VERSION, "loop": motion.loop}
    arrays |= {key: getattr(motion, key) for key in _TEXTS}
    arrays |= {key: getattr(motion, key).numpy() for key in _TENSORS}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, joint_names=np.array(motion.joint_names, dtype=str), **arrays)
    return file.getvalue()


def read_clip_npz(data: bytes, name: str) -> Motion:
    """Read one of this program's clip files. Raises ClipError for another format or version, or a broken file."""
    return from_arrays(read_arrays(data, name), name)


def from_arrays(arrays: dict[str, np.ndarray[Any, Any]], name: str) -> Motion:
    """Return the motion in the arrays of one of this program's clip files. Raises ClipError."""
    if not is_ours(arrays):
        raise ClipError(f"{name}: not a {FORMAT} file; its array 'format' must be '{FORMAT}'")
    needed = {"version", "loop", "joint_names", *_TENSORS, *_TEXTS}
    if missing := sorted(needed - arrays.keys()):
        raise ClipError(f"{name}: the clip lacks the arrays {', '.join(missing)}")
    version = scalar(arrays["version"], f"{name}: version")
    if version != VERSION:
        raise ClipError(
            f"{name}: the file has version {version:g} of the format {FORMAT}, but only version {VERSION} is read; "
            "make it again with this program"
        )
    joint_names = words(arrays["joint_names"], f"{name}: joint_names")
    texts = {key: word(arrays[key], f"{name}: {key}") for key in _TEXTS}

    def tensor(key: str, *shape: int | None) -> Tensor:
        return numbers(arrays[key], shape, f"{name}: {key}")

    return Motion(
        name=texts["name"],
        character=texts["character"],
        joint_names=joint_names,
        times=tensor("times", None),
        root_pos_w=tensor("root_pos_w", None, 3),
        root_quat_w=tensor("root_quat_w", None, 4),
        joint_quat=tensor("joint_quat", None, len(joint_names), 4),
        loop=bool(scalar(arrays["loop"], f"{name}: loop")),
        source=texts["source"],
        license=texts["license"],
    )


def is_ours(arrays: dict[str, np.ndarray[Any, Any]]) -> bool:
    """Whether an archive is labelled as one of this program's clip files."""
    kind = arrays.get("format")
    return kind is not None and kind.ndim == 0 and kind.dtype.kind == "U" and kind.item() == FORMAT
