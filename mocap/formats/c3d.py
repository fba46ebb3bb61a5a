"""Reads C3D: labelled markers of an optical system, after the public description of the format.

A file consists of 512-byte blocks: a header, a section of parameters, then frames of points and analog samples. Byte 4
of the parameters states the number format (84 Intel, 85 DEC, 86 MIPS). A negative scale means that points are floats.
The reader skips analog channels, unlabelled markers (``*12``), and computed angles and forces, which are not positions.
A residual below zero means that the marker was occluded.
"""

import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mimic.core.errors import ClipError
from mocap.conventions import NO_OPTIONS, DeclaredConventions, ReadOptions, frame_rate, keypoints_to_canonical
from mocap.skeleton import KeypointMotion

_BLOCK = 512
_MAX_NUMBERS = 12_000_000
_PROCESSORS = {84: "<", 85: "<", 86: ">"}
_DEC = 85
_UNITS = {"mm": "mm", "cm": "cm", "m": "m", "millimeters": "mm", "meters": "m", "in": "inch"}
# groups of POINT labels that are results, not markers
_COMPUTED = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS", "MODELED_MARKERS")
_COMPUTED_NAME = re.compile(r"(angles?|force|moment|power|grf|cop|absangle\w*|progress\w*)$", re.IGNORECASE)


@dataclass(frozen=True)
class C3dTable:
    """The content of a C3D file without interpretation.

    Attributes:
        labels: labels of the N points, "" for a point without one.
        points: (T, N, 4) float64: x, y, z in the file's unit, then -1 where the point was not seen, else 1.
        rate: frames a second.
        announced: number of frames that the file states.
        parameters: an array of numbers or a list of texts for each ``GROUP:NAME``.
    """

    labels: tuple[str, ...]
    points: np.ndarray[Any, Any]
    rate: float
    announced: int
    parameters: dict[str, Any]


def read_c3d(data: bytes, name: str, options: ReadOptions = NO_OPTIONS) -> KeypointMotion:
    """Read the markers of a C3D file. Raises ClipError for any broken file."""
    table = read_table(data, name)
    computed = {label for group in _COMPUTED for label in _texts(table.parameters.get(f"POINT:{group}"))}
    keep = [
        i
        for i, label in enumerate(table.labels)
        if label and not label.startswith("*") and label not in computed and not _COMPUTED_NAME.search(label)
    ]
    if not keep:
        raise ClipError(f"{name}: the file has no labelled markers, and unlabelled ones are not read")
    xyz = torch.from_numpy(np.ascontiguousarray(table.points[:, keep, :3]))
    seen = torch.from_numpy(table.points[:, keep, 3] >= 0) & torch.isfinite(xyz).all(-1)
    xyz = torch.where(seen[..., None], xyz, torch.zeros_like(xyz))
    left_out = len(table.labels) - len(keep)
    warnings = (
        [f"{left_out} of {len(table.labels)} points are unlabelled or computed, and left out"] if left_out else []
    )
    if not seen.all():
        warnings.append(
            f"{100 * (1 - float(seen.double().mean())):.1f} % of the markers' places are missing (not seen)"
        )
    if table.announced > len(table.points):
        warnings.append(f"cut short: {table.announced} frames are announced, {len(table.points)} are there")
    unit = _UNITS.get("".join(_texts(table.parameters.get("POINT:UNITS"))[:1]).lower())
    screen = "".join(_texts(table.parameters.get("POINT:Y_SCREEN"))[:1]).lower().lstrip("+")
    up = screen if re.fullmatch("-?[xyz]", screen) else None
    declared = DeclaredConventions(unit=unit, up=up, usual_up="z")
    fps = frame_rate(1 / table.rate if table.rate > 0 else 0.0, options, name)
    names = _unique([_bare(table.labels[i]) for i in keep])
    return keypoints_to_canonical(name, "C3D", names, xyz, seen, fps, options, declared, warnings=tuple(warnings))


def read_table(data: bytes, name: str) -> C3dTable:
    """Parse a C3D file without interpreting its points. Raises ClipError."""
    if len(data) < 2 * _BLOCK or data[1] != 80:
        raise ClipError(f"{name}: not a C3D file (its second byte is not 80)")
    start = (data[0] - 1) * _BLOCK
    if start < 0 or start + 4 > len(data) or data[start + 3] not in _PROCESSORS:
        raise ClipError(f"{name}: no parameters where the header says, or their number format is not 84, 85 or 86")
    processor = data[start + 3]
    try:
        parameters = _parameters(data, start, processor)
        return _frames(data, parameters, processor, name)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise ClipError(f"{name}: the C3D file is garbled ({' '.join(str(error).split())[:60]})") from None


def _frames(data: bytes, parameters: dict[str, Any], processor: int, name: str) -> C3dTable:
    order = _PROCESSORS[processor]
    num_points, analog_total = struct.unpack_from(order + "2H", data, 2)
    first, last = struct.unpack_from(order + "2H", data, 6)
    scale = _real(data, 12, processor)
    block, per_frame = struct.unpack_from(order + "2H", data, 16)
    rate = _number(parameters, "POINT:RATE", _real(data, 20, processor))
    block = int(_number(parameters, "POINT:DATA_START", block))
    scale = _number(parameters, "POINT:SCALE", scale)
    analog_total = analog_total if per_frame else 0
    width = 4 * num_points + analog_total
    begin = (block - 1) * _BLOCK
    if not num_points or not math.isfinite(scale) or scale == 0 or not _BLOCK <= begin < len(data):
        raise ClipError(
            f"{name}: {num_points} points of scale {scale:g}, data from byte {begin}; "
            f"points and scale must not be 0, and the data begin between bytes {_BLOCK} and {len(data)}"
        )
    size = 4 if scale < 0 else 2
    there = (len(data) - begin) // (width * size)
    declared = _frame_count(parameters, first, last)
    frames = declared if 0 < declared <= there else there
    if not frames >= 1 or frames * width > _MAX_NUMBERS:
        raise ClipError(
            f"{name}: the file holds {frames} frames of {num_points} points; "
            f"at least 1 frame and at most {_MAX_NUMBERS} numbers are read"
        )
    raw = _values(data, begin, frames * width, size, processor).reshape(frames, width)[:, : 4 * num_points]
    points = raw.reshape(frames, num_points, 4).copy()
    if size == 2:
        points[..., :3] *= abs(scale)
    points[..., 3] = np.where((points[..., 3] < 0) | ~np.isfinite(points[..., 3]), -1.0, 1.0)
    labels: list[str] = []
    for key in ("POINT:LABELS", *(f"POINT:LABELS{n}" for n in range(2, 12))):
        labels += _texts(parameters.get(key))
    labels = (labels + [""] * num_points)[:num_points]
    return C3dTable(tuple(labels), points, float(rate), declared, parameters)


def _frame_count(parameters: dict[str, Any], first: int, last: int) -> int:
    """Return the number of frames that the file states.

    ``first`` and ``last`` are the header's frame numbers. Its 16 bits overflow, so TRIAL:ACTUAL_START_FIELD and ..._END_FIELD come first, then POINT:LONG_FRAMES.
    """
    ends = [parameters.get(f"TRIAL:ACTUAL_{end}_FIELD") for end in ("START", "END")]
    whole = [int(e[0]) % 65536 + 65536 * (int(e[1]) % 65536) for e in ends if isinstance(e, np.ndarray) and e.size == 2]
    if len(whole) == 2 and whole[1] >= whole[0] > 0:
        return whole[1] - whole[0] + 1
    long_count = int(_number(parameters, "POINT:LONG_FRAMES", 0))
    header = last - first + 1
    return (
        long_count if long_count > 0 else header if header > 0 else int(_number(parameters, "POINT:FRAMES", 0)) % 65536
    )


def _values(data: bytes, begin: int, count: int, size: int, processor: int) -> np.ndarray[Any, Any]:
    order = _PROCESSORS[processor]
    if size == 2:
        return np.frombuffer(data, order + "i2", count, begin).astype(np.float64)
    if processor != _DEC:
        with np.errstate(invalid="ignore"):
            return np.frombuffer(data, order + "f4", count, begin).astype(np.float64)
    # DEC's floats have their 16-bit halves swapped and are four times what IEEE would read
    halves = np.frombuffer(data, "<u2", 2 * count, begin).reshape(-1, 2)[:, ::-1]
    with np.errstate(invalid="ignore"):
        return np.ascontiguousarray(halves).view("<f4").reshape(-1).astype(np.float64) / 4


def _real(data: bytes, at: int, processor: int) -> float:
    return float(_values(data, at, 1, 4, processor)[0])


def _parameters(data: bytes, start: int, processor: int) -> dict[str, Any]:
    """Return an array of numbers or a list of texts for each ``GROUP:NAME``.

    ``start`` is the place of the section [bytes], ``processor`` its number format. Every entry states the distance to the
    next.
    """
    groups: dict[int, str] = {}
    entries: list[tuple[int, str, Any]] = []
    at = start + 4
    while at + 2 < len(data):
        length, group = struct.unpack_from("<bb", data, at)
        length = abs(length)
        if not length or not group:
            break
        name = data[at + 2 : at + 2 + length].decode("latin-1").strip().upper()
        pointer = at + 2 + length
        step = struct.unpack_from(_PROCESSORS[processor] + "H", data, pointer)[0]
        if group < 0:
            groups[-group] = name
        else:
            entries.append((group, name, _parameter(data, pointer + 2, processor)))
        if not step or len(entries) > 5_000:
            break
        at = pointer + step
    return {f"{groups.get(group, group)}:{name}": value for group, name, value in entries}


def _parameter(data: bytes, at: int, processor: int) -> Any:
    kind, dimensions = struct.unpack_from("<bB", data, at)
    shape = list(data[at + 2 : at + 2 + dimensions])
    at += 2 + dimensions
    count = math.prod(shape)
    if dimensions > 7 or len(shape) != dimensions or at + count * abs(kind) > len(data):
        return None
    if kind == -1:
        width = shape[0] if shape else 1
        text = data[at : at + count].decode("latin-1")
        return [text[i : i + width].strip() for i in range(0, len(text), max(width, 1))]
    if kind == 4:
        return _values(data, at, count, 4, processor)
    if kind in (1, 2):
        return np.frombuffer(data, f"{_PROCESSORS[processor]}i{kind}", count, at)
    return None


def _number(parameters: dict[str, Any], key: str, otherwise: float) -> float:
    value = parameters.get(key)
    return float(value[0]) if isinstance(value, np.ndarray) and value.size and math.isfinite(value[0]) else otherwise


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else []


def _bare(label: str) -> str:
    """Return a label without its subject: ``LFHD`` for ``Bob:LFHD``."""
    return label.rsplit(":", 1)[-1] or label


def _unique(names: list[str]) -> tuple[str, ...]:
    unique: list[str] = []
    for name in names:
        wanted, number = name, 2
        while wanted in unique:
            wanted, number = f"{name}#{number}", number + 1
        unique.append(wanted)
    return tuple(unique)
