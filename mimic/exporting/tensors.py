"""Write numbers for any language: JSON, and float32 arrays one after another in a binary file."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DTYPE = "<f4"


def json_bytes(value: Mapping[str, Any], compact: bool = False) -> bytes:
    """Return JSON in UTF-8 whose floats read back exactly; ``compact`` leaves out spaces and line breaks.

    Raises ValueError for NaN and infinity.
    """
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    return (json.dumps(value, allow_nan=False, **layout) + "\n").encode()


def short(array: Any) -> Any:
    """Convert an array to nested lists of floats with the fewest digits that read back as the same float32."""
    values = np.asarray(array, dtype=np.float32)
    return np.vectorize(lambda x: float(str(x)), otypes=[object])(values).tolist() if values.size else values.tolist()


def exact(array: Any) -> Any:
    """Convert an array to nested lists of its numbers as float64."""
    return np.asarray(array, dtype=np.float64).tolist()


def concat_tensors(arrays: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], bytes]:
    """Concatenate arrays as little-endian float32; return an index (byte offset and shape by name) and the bytes."""
    index: dict[str, dict[str, Any]] = {}
    parts: list[bytes] = []
    offset = 0
    for name, array in arrays.items():
        values = np.ascontiguousarray(np.asarray(array), dtype=DTYPE)
        index[name] = {"offset": offset, "shape": list(values.shape)}
        parts.append(values.tobytes())
        offset += values.nbytes
    return index, b"".join(parts)


def split_tensors(index: Mapping[str, Mapping[str, Any]], data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays by name, the inverse of ``concat_tensors``. Raises ValueError if one is outside the data."""
    return {name: _slice(name, entry["offset"], entry["shape"], data) for name, entry in index.items()}


def _slice(name: str, offset: int, shape: Sequence[int], data: bytes) -> np.ndarray:
    count = 1
    for size in shape:
        count *= size  # Python's integers do not overflow, whatever a stranger's file says
    if min(offset, count) < 0 or offset % 4 or offset + 4 * count > len(data):
        raise ValueError(f"tensor '{name}' lies outside the binary file")
    return np.frombuffer(data, DTYPE, count, offset).reshape(tuple(shape))
