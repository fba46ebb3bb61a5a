"""Save and load the checkpoints of a training run, and controllers.

A controller is the part of a checkpoint that is needed to act: the policy's tensors and a description of them.

    root/000123456/          one checked folder per checkpoint, named by its step
        policy.safetensors   a file for each group of tensors
        ...
        meta.json            counters, versions, configuration
        controller.json      the controller's description (makes the folder a controller)
        MANIFEST.json        sizes and sha256 of the above, written last

Tensors are stored as safetensors, so opening a stranger's file runs no code. Every file is hashed before it is parsed.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from mimic.core.checked_folder import (
    CheckpointWriteError,
    discard,
    read_checked_folder,
    read_manifest,
    remove_orphans,
    write_checked_folder,
)
from mimic.core.errors import CheckpointError

__all__ = [
    "META_FILE",
    "POLICY_FILE",
    "Checkpoint",
    "CheckpointError",
    "CheckpointWriteError",
    "ControllerFiles",
    "forget_after",
    "latest",
    "load",
    "preflight",
    "read_controller",
    "remove_orphans",
    "save",
    "steps",
    "write_controller",
]

_STEP = re.compile(r"\d{9,}")
_SUFFIX = ".safetensors"
META_FILE = "meta.json"
_CONTROLLER = "controller.json"
POLICY_FILE = f"policy{_SUFFIX}"
_VERSIONED = ("torch", "numpy", "mujoco")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint.

    ``warnings`` tell the user that newer checkpoints are damaged, or that other package versions wrote this one.
    """

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]  # on the CPU
    meta: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControllerFiles:
    """A policy's tensors (CPU) and the controller's description."""

    path: Path
    policy: dict[str, Tensor]
    spec: dict[str, Any]


def save(
    root: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    meta: Mapping[str, Any],
    spec: Mapping[str, Any] | None = None,
    score: float | None = None,
    keep: int = 3,
) -> Path:
    """Save a checkpoint as ``root/<step>`` and return that folder.

    Afterwards only the newest ``keep`` checkpoints and the one with the highest ``score`` are left. ``tensors`` maps
    group -> name -> tensor. ``meta`` holds the run's counters and configuration as JSON values. With ``spec``, the
    controller's description, the folder is a controller too; its policy is the group ``policy``. An undamaged checkpoint of the same step is kept, unless it has no score and the new one has.

    Raises CheckpointWriteError; earlier checkpoints are then intact.
    """
    target = root / f"{step:09d}"
    known = None if score is None or not math.isfinite(score) else float(score)
    if target.is_dir() and _is_sound(target) and (known is None or _score(target) is not None):
        return target
    files = {f"{group}{_SUFFIX}": _to_bytes(named) for group, named in tensors.items()}
    files[META_FILE] = _json_bytes({**meta, "step": step, "versions": _versions()})
    if spec is not None:
        files[_CONTROLLER] = _json_bytes(spec)
    write_checked_folder(target, files, {"step": step, "score": known})
    _prune(root, keep)
    return target


def load(path: Path) -> Checkpoint:
    """Load one checkpoint folder, every byte verified. Raises CheckpointError."""
    files = read_checked_folder(path)
    tensors = {n.removesuffix(_SUFFIX): _from_bytes(path / n, data) for n, data in files.items() if n.endswith(_SUFFIX)}
    meta = _json(path / META_FILE, files.get(META_FILE, b""))
    step, versions = meta.get("step"), meta.get("versions")
    if not isinstance(step, int):
        raise CheckpointError(f"{path / META_FILE}: the key 'step' must be a whole number, found {step!r}")
    other = f"{path}: written with {versions}, running {_versions()}; results may differ in the last bits"
    return Checkpoint(path, step, tensors, meta, () if versions == _versions() else (other,))


def latest(root: Path) -> Checkpoint:
    """Load the newest undamaged checkpoint in ``root``; its ``warnings`` name newer checkpoints that are damaged.

    Raises CheckpointError if there is none.
    """
    damaged: list[str] = []
    for step in reversed(steps(root)):
        try:
            found = load(root / f"{step:09d}")
        except CheckpointError as error:
            damaged.append(f"skipped a damaged checkpoint: {error}")
            continue
        return Checkpoint(found.path, found.step, found.tensors, found.meta, (*damaged, *found.warnings))
    if damaged:
        raise CheckpointError(f"{root}: no undamaged checkpoint; {'; '.join(damaged)}")
    raise CheckpointError(f"{root}: no checkpoint here; a checkpoint is a folder named by its step, such as 000123456")


def steps(root: Path) -> list[int]:
    """Return the steps of all checkpoints in ``root``, damaged ones too, in ascending order."""
    if not root.is_dir():
        return []
    return sorted(int(entry.name) for entry in root.iterdir() if _STEP.fullmatch(entry.name) and entry.is_dir())


def forget_after(root: Path, step: int) -> None:
    """Delete the checkpoints of steps after ``step``."""
    for later in steps(root):
        if later > step:
            discard(root / f"{later:09d}")


def best(root: Path) -> Path | None:
    """Return the folder of the checkpoint with the highest score; None if no checkpoint has a score.

    Of several with the same score this is the newest.
    """
    scored = [(score, step) for step in steps(root) if (score := _score(root / f"{step:09d}")) is not None]
    return root / f"{max(scored)[1]:09d}" if scored else None


def _score(path: Path) -> float | None:
    try:
        score = read_manifest(path)["notes"].get("score")
    except CheckpointError:
        return None
    return score if isinstance(score, float) else None


def preflight(root: Path, checkpoint_bytes: int) -> None:
    """Raise CheckpointWriteError unless three checkpoints of ``checkpoint_bytes`` each fit on the disk of ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if free < 3 * checkpoint_bytes:
        needed = 3 * checkpoint_bytes / 1e6
        raise CheckpointWriteError(
            f"{root}: the disk has {free / 1e6:.0f} MB free, and checkpoints need {needed:.0f} MB; free some space first"
        )


def write_controller(folder: Path, policy: Mapping[str, Tensor], spec: Mapping[str, Any]) -> Path:
    """Save a policy's tensors and its description ``spec`` as the folder ``folder``. Raises CheckpointWriteError."""
    write_checked_folder(folder, {POLICY_FILE: _to_bytes(policy), _CONTROLLER: _json_bytes(spec)})
    return folder


def read_controller(folder: Path) -> ControllerFiles:
    """Load a folder written by `write_controller`, or by `save` with a spec. Raises CheckpointError."""
    files = read_checked_folder(folder, [POLICY_FILE, _CONTROLLER])
    policy = _from_bytes(folder / POLICY_FILE, files[POLICY_FILE])
    return ControllerFiles(folder, policy, _json(folder / _CONTROLLER, files[_CONTROLLER]))


def _prune(root: Path, keep: int) -> None:
    kept = {root / f"{step:09d}" for step in steps(root)[-keep:]} | {best(root)}
    for step in steps(root):
        path = root / f"{step:09d}"
        if path not in kept:
            discard(path)


def _is_sound(path: Path) -> bool:
    try:
        read_checked_folder(path)
    except CheckpointError:
        return False
    return True


def _to_bytes(named: Mapping[str, Tensor]) -> bytes:
    # Own memory for each: safetensors refuses views that share some.
    return safetensors.torch.save({name: t.detach().to("cpu", copy=True).contiguous() for name, t in named.items()})


def _from_bytes(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return dict(safetensors.torch.load(data))
    except (
        safetensors.SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({' '.join(str(error).split())})") from None


def _json_bytes(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
