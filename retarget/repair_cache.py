"""Repaired clips on disk: a repair takes seconds, and every training, evaluation, film and page asks for it again.

A file's name is the hash of everything that the repair reads: the clip, the character, the code and the numerical
libraries. A file that cannot be read counts as missing.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch

from characters.character import Character
from mimic.core.cache_folder import cache_folder
from mimic.core.errors import InputError
from mimic.core.files import read_file, write_bytes
from mimic.core.strict_npz import MAX_BYTES
from mocap.formats.clip_npz import read_clip_npz, write_clip_npz
from mocap.motion import Motion

MAX_IN_MEMORY = 64
MAX_FILES = 500  # in the folder; the least recently used ones are removed
_ROOT = Path(__file__).parents[1]
_CODE = ("characters", "mimic/core", "mocap", "retarget")
_LIBRARIES = ("numpy", "scipy", "torch")
_in_memory: dict[str, Motion] = {}


def cached(key: str, compute: Callable[[], Motion]) -> Motion:
    """Return the clip that was stored under ``key``, or else compute and store it, where the folder can be written."""
    if key not in _in_memory:
        while len(_in_memory) >= MAX_IN_MEMORY:
            _in_memory.pop(next(iter(_in_memory)))
        _in_memory[key] = _cached_on_disk(cache_folder() / "repaired" / f"{key}.npz", compute)
    return _in_memory[key]


def fingerprint(motion: Motion, character: Character) -> str:
    """Hash everything on which the poses of the repaired motion depend, to the bit."""
    figure = replace(character, model_path=Path())  # where the file lies does not matter; the bodies hold its content
    settings = (motion.loop, motion.joint_names, figure, torch.get_num_threads())
    content = sha256(f"{_program()} {settings!r}".encode())
    for values in (motion.times, motion.root_pos_w, motion.root_quat_w, motion.joint_quat):
        content.update(values.contiguous().numpy().tobytes())
    return content.hexdigest()


def _cached_on_disk(path: Path, compute: Callable[[], Motion]) -> Motion:
    with contextlib.suppress(InputError):
        clip = read_clip_npz(read_file(path, MAX_BYTES), str(path))
        with contextlib.suppress(OSError):
            os.utime(path)
        return clip
    clip = compute()
    with contextlib.suppress(InputError, OSError):
        write_bytes(path, write_clip_npz(clip))
        _remove_oldest(path.parent)
    return clip


@cache
def _program() -> str:
    """Hash the code that repairs clips, and name what computes for it."""
    code = sha256()
    for folder in _CODE:
        for file in sorted((_ROOT / folder).rglob("*.py")):
            code.update(file.relative_to(_ROOT).as_posix().encode() + file.read_bytes())
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return " ".join((code.hexdigest(), sys.version, torch.backends.cpu.get_cpu_capability(), *libraries))


def _remove_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MAX_FILES:]:
        file.unlink(missing_ok=True)
