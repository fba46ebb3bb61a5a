"""Reads recordings of dogs: key points as rows of text, and archives (npz) of the world poses of joints.

Both hold the dog of MANN (Zhang et al. 2018, Mode-Adaptive Neural Networks). The text is that of Google's
motion_imitation (Peng et al. 2020).

A row of the text has three coordinates for each of the MANN dog's 27 points, y up, in metres, at 60 frames a second. The
archive has world positions and quaternions (x, y, z, w) of named joints, and ``parent_indices``; recordings of
people in 100STYLE (Mason et al. 2022) have the same form. The array ``parent_names`` of an archive is pickled and therefore never read.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimic.core.errors import ClipError
from mimic.core.rotations import quat_conj, quat_mul, quat_normalize, quat_rotate
from mimic.core.strict_npz import numbers, read_arrays, scalar, words
from mocap.conventions import (
    NO_OPTIONS,
    DeclaredConventions,
    ReadOptions,
    frame_rate,
    keypoints_to_canonical,
    skeleton_to_canonical,
)
from mocap.formats.strict_text import MAX_NUMBERS, decode, number_row
from mocap.skeleton import Assumption, KeypointMotion, Skeleton, SkeletonMotion

_TEXT_FPS = 60.0
_MAX_BONES, _MAX_FRAMES = 2_000, 1_000_000
# name: parent, in the order of the MANN recordings
DOG_POINTS = {
    "Hips": None,
    "Spine": "Hips",
    "Spine1": "Spine",
    "Neck": "Spine1",
    "Head": "Neck",
    "HeadSite": "Head",
    "LeftShoulder": "Spine1",
    "LeftArm": "LeftShoulder",
    "LeftForeArm": "LeftArm",
    "LeftHand": "LeftForeArm",
    "LeftHandSite": "LeftHand",
    "RightShoulder": "Spine1",
    "RightArm": "RightShoulder",
    "RightForeArm": "RightArm",
    "RightHand": "RightForeArm",
    "RightHandSite": "RightHand",
    "LeftUpLeg": "Hips",
    "LeftLeg": "LeftUpLeg",
    "LeftFoot": "LeftLeg",
    "LeftFootSite": "LeftFoot",
    "RightUpLeg": "Hips",
    "RightLeg": "RightUpLeg",
    "RightFoot": "RightLeg",
    "RightFootSite": "RightFoot",
    "Tail": "Hips",
    "Tail1": "Tail",
    "Tail1Site": "Tail1",
}


def read_keypoint_text(data: bytes, name: str, options: ReadOptions = NO_OPTIONS) -> KeypointMotion:
    """Read the points in a text file, numbers separated by commas, blanks or both. Raises ClipError with the line."""
    rows: list[list[float]] = []
    for line_number, line in enumerate(decode(data, name).split("\n"), 1):
        where = f"{name}: line {line_number}"
        if not line.strip():
            continue
        cells = line.strip().removesuffix(",").split(",")
        row = [value for cell in cells for value in _cell(cell, where)]
        if len(row) != 3 * len(DOG_POINTS):
            raise ClipError(
                f"{where} has {len(row)} numbers; a row needs {3 * len(DOG_POINTS)}, three for each key point of a dog"
            )
        rows.append(row)
        if len(rows) * len(row) > MAX_NUMBERS:
            raise ClipError(f"{name}: more than {MAX_NUMBERS} numbers, the most a clip may have")
    if not rows:
        raise ClipError(f"{name}: the file is empty; it needs rows of {3 * len(DOG_POINTS)} numbers")
    pos = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), -1, 3)
    names = tuple(DOG_POINTS)
    parents = tuple(-1 if parent is None else names.index(parent) for parent in DOG_POINTS.values())
    fps = Assumption(f"{_TEXT_FPS!r}", "guess", "what the dog recordings have; the file has no rate")
    if options.fps is not None:
        fps = Assumption(f"{options.fps!r}", "user")
    seen = torch.ones(pos.shape[:2], dtype=torch.bool)
    declared = DeclaredConventions(unit="m", up="y")
    return keypoints_to_canonical(name, "key points (text)", names, pos, seen, fps, options, declared, parents)


def read_pose_npz(data: bytes, name: str, options: ReadOptions = NO_OPTIONS) -> SkeletonMotion | KeypointMotion:
    """Read an archive of world poses. Raises ClipError for a broken one."""
    return from_arrays(read_arrays(data, name), name, options)


def from_arrays(
    arrays: dict[str, np.ndarray[Any, Any]], name: str, options: ReadOptions = NO_OPTIONS
) -> SkeletonMotion | KeypointMotion:
    """Return the motion in the arrays ``positions``, ``bone_names`` and ``framerate``; without ``quaternions``, key points.

    Raises ClipError.
    """
    if missing := sorted({"positions", "bone_names", "framerate"} - arrays.keys()):
        raise ClipError(f"{name}: the archive lacks the arrays {', '.join(missing)}")
    names = words(arrays["bone_names"], f"{name}: bone_names")
    if len(names) > _MAX_BONES:
        raise ClipError(f"{name}: more than {_MAX_BONES} bones, the most that are read")
    pos = numbers(arrays["positions"], (None, len(names), 3), f"{name}: positions")
    if not 1 <= len(pos) <= _MAX_FRAMES or not names:
        raise ClipError(f"{name}: {len(pos)} frames of {len(names)} bones; at least one of each is needed")
    rate = scalar(arrays["framerate"], f"{name}: framerate")
    fps = frame_rate(1 / rate if rate > 0 else 0.0, options, name)
    parents = _parents(arrays, names, name)
    declared = DeclaredConventions(unit="m", up="y")
    if "quaternions" not in arrays:
        seen = torch.ones(pos.shape[:2], dtype=torch.bool)
        return keypoints_to_canonical(name, "key points (npz)", names, pos, seen, fps, options, declared, parents)
    xyzw = numbers(arrays["quaternions"], (len(pos), len(names), 4), f"{name}: quaternions")
    if ((xyzw.norm(dim=-1) - 1).abs() > 0.01).any():
        raise ClipError(f"{name}: quaternions are not of unit length")
    quat_w = quat_normalize(xyzw[..., [3, 0, 1, 2]])
    quat, local = _local(pos, quat_w, parents)
    # a skeleton without a rest pose of its own rests as it is at first
    skeleton = Skeleton(names, parents, local[0].clone(), quat[0].clone())
    return skeleton_to_canonical(name, "world poses (npz)", skeleton, quat, local, fps, options, declared)


def _local(pos_w: Tensor, quat_w: Tensor, parents: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return rotations (T, J, 4) and positions (T, J, 3) in the parents' frames, from poses in the world."""
    quat, pos = quat_w.clone(), pos_w.clone()
    bones = [b for b, p in enumerate(parents) if p >= 0]
    above = [parents[b] for b in bones]
    back = quat_conj(quat_w[:, above])
    quat[:, bones] = quat_normalize(quat_mul(back, quat_w[:, bones]))
    pos[:, bones] = quat_rotate(back, pos_w[:, bones] - pos_w[:, above])
    return quat, pos


def _parents(arrays: dict[str, np.ndarray[Any, Any]], names: tuple[str, ...], name: str) -> tuple[int, ...]:
    if "parent_indices" not in arrays:
        raise ClipError(f"{name}: the archive lacks the array parent_indices")
    indices = numbers(arrays["parent_indices"], (len(names),), f"{name}: parent_indices").tolist()
    if any(p != int(p) or not -1 <= p < b for b, p in enumerate(indices)):
        raise ClipError(f"{name}: each of parent_indices must be -1 or the index of an earlier bone")
    return tuple(int(p) for p in indices)


def _cell(cell: str, where: str) -> list[float]:
    values = number_row(cell, where)
    if not values:
        raise ClipError(f"{where}: a value between two commas is missing")
    return values
