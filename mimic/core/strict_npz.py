"""Read arrays from an untrusted NumPy .npz archive, within limits of size and without pickle.

NumPy's own loader can unpickle, trusts the sizes in headers, and raises a dozen kinds of errors. This module skips
arrays of Python objects, because the recordings of MANN (Zhang et al. 2018) have one beside the data. Each function
raises the class ``error`` that the caller passes, a subclass of InputError.

``where`` is the name of the archive or of the array in messages.
"""

import ast
import io
import math
import struct
import sys
import zipfile
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimic.core.errors import ClipError, InputError

MAX_BYTES = 200_000_000  # of all arrays together, unpacked
_MAX_MEMBERS = 200
_MAX_HEADER = 4096
_KINDS = "fiubUS"

Errors = type[InputError]


def read_arrays(
    data: bytes, where: str, error: Errors = ClipError, max_bytes: int = MAX_BYTES
) -> dict[str, np.ndarray[Any, Any]]:
    """Return all arrays of numbers and of text in the archive ``data``, by name.

    Raises ``error`` if the archive is damaged, or its arrays have more than ``max_bytes`` bytes when unpacked.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MAX_MEMBERS:
                raise error(f"{where}: has {len(members)} arrays, but at most {_MAX_MEMBERS} are read")
            for member in members:
                if not member.filename.endswith(".npy"):
                    continue
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    content = file.read(max_bytes - total + 1)
                total += len(content)
                if total > max_bytes:
                    raise error(f"{where}: the arrays unpack to more than {max_bytes} bytes, the limit")
                array = _array(content, f"{where}: array {name[:40]!a}", error)
                if array is not None:
                    arrays[name] = array
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as cause:
        raise error(f"{where}: damaged, or not a .npz archive ({' '.join(str(cause).split())[:80]})") from None
    return arrays


def numbers(
    array: np.ndarray[Any, Any], shape: tuple[int | None, ...], where: str, error: Errors = ClipError
) -> Tensor:
    """Convert an array of numbers to a float64 tensor of the given shape; None in the shape allows any length.

    Raises ``error`` if the shape differs, or a value is not a finite number.
    """
    fits = array.ndim == len(shape) and all(want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in "fiu" or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise error(f"{where} has shape {array.shape} and type {array.dtype}, expected numbers of shape ({wanted})")
    tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64).copy())
    odd = ~torch.isfinite(tensor)
    if odd.any():
        raise error(f"{where} is not finite at index {tuple(odd.nonzero()[0].tolist())}")
    return tensor


def words(array: np.ndarray[Any, Any], where: str, error: Errors = ClipError) -> tuple[str, ...]:
    """Convert a one-dimensional array of text to strings. Raises ``error`` for any other array."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise error(f"{where} has shape {array.shape} and type {array.dtype}, expected a list of names")
    return tuple(_word(value) for value in array.tolist())


def word(array: np.ndarray[Any, Any], where: str, error: Errors = ClipError) -> str:
    """Return the string of an array that holds exactly one text. Raises ``error`` for any other array."""
    if array.ndim != 0 or array.dtype.kind not in "US":
        raise error(f"{where} has shape {array.shape} and type {array.dtype}, expected one text")
    return _word(array.item())


def scalar(array: np.ndarray[Any, Any], where: str, error: Errors = ClipError) -> float:
    """Return the number of an array that holds exactly one finite number. Raises ``error`` for any other array."""
    if array.size != 1 or array.dtype.kind not in "fiub" or not math.isfinite(array.item()):
        raise error(f"{where} has shape {array.shape} and type {array.dtype}, expected one finite number")
    return float(array.item())


def _word(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _array(content: bytes, where: str, error: Errors) -> np.ndarray[Any, Any] | None:
    """Return the array in the bytes of an .npy file; None if it holds Python objects. Raises ``error``."""
    version = content[6:7]
    if content[:6] != b"\x93NUMPY" or version not in (b"\x01", b"\x02", b"\x03"):
        raise error(f"{where} is not in NumPy's .npy format")
    width = 2 if version == b"\x01" else 4
    if len(content) < 8 + width:
        raise error(f"{where} is cut short: it has {len(content)} bytes, fewer than a header needs")
    length = struct.unpack("<H" if width == 2 else "<I", content[8 : 8 + width])[0]
    start = 8 + width + length
    if length > _MAX_HEADER or start > len(content):
        raise error(
            f"{where} states a header of {length} bytes, expected at most {_MAX_HEADER} and no more than the array's "
            f"{len(content)} bytes"
        )
    try:
        header = ast.literal_eval(content[8 + width : start].decode("latin-1").strip())
        descr, order, shape = header["descr"], header["fortran_order"], header["shape"]
        kind = np.dtype(descr) if isinstance(descr, str) else None
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError, IndexError):
        raise error(f"{where} has a header that cannot be parsed") from None
    if kind is not None and kind.kind == "O":
        return None
    whole = isinstance(shape, tuple) and len(shape) <= 8 and all(type(n) is int and 0 <= n < 2**40 for n in shape)
    if kind is None or kind.kind not in _KINDS or not whole or not kind.itemsize:
        raise error(f"{where} has shape {shape!r:.80} and type {descr!r:.80}, expected numbers or text of known size")
    if math.prod(shape) * kind.itemsize != len(content) - start:
        stated = math.prod(shape) * kind.itemsize
        raise error(f"{where} has {len(content) - start} bytes of data, but its header states {stated}")
    if kind.kind == "U":  # NumPy hands code points on unseen, and Python breaks on those that are none
        points = np.frombuffer(content, np.dtype("u4").newbyteorder(kind.byteorder), offset=start)
        if bool(((points > sys.maxunicode) | ((points >= 0xD800) & (points <= 0xDFFF))).any()):
            raise error(f"{where} holds text with invalid Unicode code points")
    return np.frombuffer(content, kind, offset=start).reshape(shape, order="F" if order else "C")
