"""The parts of a glTF file without interpretation: its JSON, its buffers, and its accessors as arrays.

Files are untrusted: every size and index is checked before it is used. All accessors together may unpack to at most
``MAX_NUMBERS`` numbers.
"""

import base64
import binascii
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from mimic.core.errors import ClipError
from mimic.core.files import read_file
from mocap.formats.strict_json import MAX_BYTES, describe, parse_json

MAX_NUMBERS = 12_000_000
_MAX_KEYS = 200_000
_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\x00"
_TYPES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_COMPRESSED = {
    "EXT_meshopt_compression": "meshopt",
    "KHR_meshopt_compression": "meshopt",
}


class GltfFile:
    """A parsed glTF or GLB file. Buffers in separate files are read from ``folder``, or refused if that is None."""

    def __init__(self, data: bytes, name: str, folder: Path | None = None):
        self.name, self._folder = name, folder
        self._binary = b""
        text = data
        if data[:4] == _MAGIC:
            text = self._split(data)
        document = parse_json(text, name, _MAX_KEYS, "utf-8")
        if not isinstance(document, dict) or not isinstance(document.get("asset"), dict):
            raise ClipError(f"{name}: not a glTF file: it has no 'asset'")
        self.document = document
        version = document["asset"].get("version")
        if not isinstance(version, str) or not version.startswith("2"):
            raise ClipError(f"{name}: glTF version {describe(version)}; only version 2 is read")
        self._buffers: dict[int, bytes] = {}
        self._numbers = 0

    def list(self, key: str) -> list[dict[str, Any]]:
        """Return a top-level list of objects, empty if it is absent. Raises ClipError if it is anything else."""
        found = self.document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise ClipError(f"{self.name}: '{key}' is not a list of objects")
        return found

    def item(self, key: str, index: object) -> dict[str, Any]:
        """Return an entry of a top-level list. Raises ClipError if the list has no such index."""
        entries = self.list(key)
        return entries[self.index(index, len(entries), key)]

    def index(self, value: object, count: int, what: str) -> int:
        """Return ``value`` as an index below ``count``. Raises ClipError, which calls the indexed things ``what``."""
        if type(value) is not float or not 0 <= value < count or value != int(value):
            raise ClipError(f"{self.name}: {describe(value)} is not the index of one of {count} {what}")
        return int(value)

    def whole(self, entry: dict[str, Any], key: str, default: int | None = None) -> int:
        """Return the whole number, at least 0, under a key of an object; without the key, ``default``.

        Raises ClipError if the value is not one, or if the key and ``default`` are missing.
        """
        value = entry.get(key, default if default is None else float(default))
        if type(value) is not float or not 0 <= value < 2**40 or value != int(value):
            raise ClipError(f"{self.name}: {key} is {describe(value)}, expected a whole number of at least 0")
        return int(value)

    def floats(self, entry: dict[str, Any], key: str, count: int) -> tuple[float, ...] | None:
        """Return the ``count`` finite numbers under a key of an object, None without the key. Raises ClipError."""
        if key not in entry:
            return None
        value = entry[key]
        sound = isinstance(value, list) and len(value) == count
        if not sound or not all(type(v) is float and abs(v) < 1e12 for v in value):
            raise ClipError(f"{self.name}: {key} is {describe(value)}, expected {count} numbers")
        return tuple(value)

    def accessor(self, index: object, kind: str) -> np.ndarray[Any, Any]:
        """Return an accessor's numbers (count, components) as float64; ``kind`` is its expected type, such as VEC3.

        Normalised integers become fractions. Raises ClipError for another type, for numbers that are not finite, and for
        data outside the buffer.
        """
        entry = self.item("accessors", index)
        if entry.get("type") != kind:
            raise ClipError(f"{self.name}: accessor {index:g} is {describe(entry.get('type'))}, expected {kind}")
        count, width = self.whole(entry, "count"), _TYPES[kind]
        self._numbers += count * width
        if self._numbers > MAX_NUMBERS:
            raise ClipError(f"{self.name}: more than {MAX_NUMBERS} numbers, the most a clip may have")
        component = self._component(entry)
        if "bufferView" in entry:
            values = self._view(entry["bufferView"], self.whole(entry, "byteOffset", 0), count, width, component)
        else:
            values = np.zeros((count, width), component)
        if "sparse" in entry:
            values = self._sparse(entry["sparse"], values)
        with np.errstate(invalid="ignore"):  # signalling NaNs; refused below
            result = values.astype(np.float64)
        if entry.get("normalized") is True and component.kind in "iu":
            result = np.maximum(result / np.iinfo(component).max, -1.0)
        if not np.isfinite(result).all():
            raise ClipError(f"{self.name}: accessor {index:g} has numbers that are not finite")
        return result

    def _sparse(self, sparse: object, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the values after the replacements that a sparse accessor lists."""
        where, what = (sparse.get("indices"), sparse.get("values")) if isinstance(sparse, dict) else (None, None)
        if not isinstance(sparse, dict) or not isinstance(where, dict) or not isinstance(what, dict):
            raise ClipError(f"{self.name}: a sparse accessor has no indices or no values")
        count = self.whole(sparse, "count")
        if count > len(values):
            raise ClipError(f"{self.name}: a sparse accessor has {count} replacements, but only {len(values)} values")
        component = self._component(where)
        if component.kind != "u":
            raise ClipError(f"{self.name}: a sparse accessor's indices are not unsigned whole numbers")
        at = self._view(where.get("bufferView"), self.whole(where, "byteOffset", 0), count, 1, component)[:, 0]
        if count and at.max() >= len(values):
            raise ClipError(f"{self.name}: a sparse accessor replaces value {at.max()}, the last is {len(values) - 1}")
        new = self._view(
            what.get("bufferView"), self.whole(what, "byteOffset", 0), count, values.shape[1], values.dtype
        )
        values = values.copy()
        values[at] = new
        return values

    def _component(self, entry: dict[str, Any]) -> np.dtype[Any]:
        code = entry.get("componentType")
        if type(code) is not float or code not in _COMPONENTS:
            raise ClipError(
                f"{self.name}: componentType {describe(code)} is not one of {', '.join(map(str, _COMPONENTS))}"
            )
        return np.dtype(_COMPONENTS[int(code)])

    def _view(
        self, index: object, offset: int, count: int, width: int, component: np.dtype[Any]
    ) -> np.ndarray[Any, Any]:
        """Return elements (count, width) of a buffer view. Raises ClipError if they reach beyond the buffer."""
        view = self.item("bufferViews", index)
        extensions = view.get("extensions")
        for extension in extensions if isinstance(extensions, dict) else {}:
            if extension in _COMPRESSED:
                raise ClipError(
                    f"{self.name}: its animation is compressed with {_COMPRESSED[extension]} ({extension}), which is not "
                    "read; export it again without compression (a compressed mesh does no harm)"
                )
        data = self._buffer(view.get("buffer"))
        begin, length = self.whole(view, "byteOffset", 0), self.whole(view, "byteLength")
        size = width * component.itemsize
        stride = self.whole(view, "byteStride", 0) or size
        end = offset + (stride * (count - 1) + size if count else 0)
        if begin + length > len(data) or end > length or stride < size:
            raise ClipError(f"{self.name}: an accessor reaches beyond its buffer")
        if not count:
            return np.zeros((0, width), component)
        flat = np.frombuffer(data, np.uint8, end - offset, begin + offset)
        if stride == size:
            return flat.view(component).reshape(count, width)
        rows = np.lib.stride_tricks.as_strided(flat, (count, size), (stride, 1), writeable=False)
        return np.ascontiguousarray(rows).view(component).reshape(count, width)

    def _buffer(self, index: object) -> bytes:
        buffers = self.list("buffers")
        i = self.index(index, len(buffers), "buffers")
        if i not in self._buffers:
            self._buffers[i] = self._load(buffers[i], i)
        return self._buffers[i]

    def _load(self, buffer: dict[str, Any], index: int) -> bytes:
        uri = buffer.get("uri")
        if uri is None and index == 0 and self._binary:
            return self._binary
        if not isinstance(uri, str):
            raise ClipError(f"{self.name}: buffer {index} has no uri; only the first buffer of a GLB may lack it")
        if uri.startswith("data:"):
            header, _, content = uri.partition(",")
            if not header.endswith(";base64"):
                raise ClipError(f"{self.name}: buffer {index} is a data URI, but not base64")
            try:
                return base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise ClipError(f"{self.name}: buffer {index} is not valid base64") from None
        if self._folder is None or Path(uri).name != uri or not uri or ":" in uri:
            raise ClipError(
                f"{self.name}: buffer {index} is in {describe(uri)}; only files in the same folder are read"
            )
        try:
            return read_file(self._folder / uri, MAX_BYTES, ClipError)
        except ClipError as error:
            raise ClipError(f"{self.name}: buffer {index}: {error}") from None

    def _split(self, data: bytes) -> bytes:
        """Return the JSON chunk of a GLB and store its binary chunk. Raises ClipError."""
        if len(data) < 20:
            raise ClipError(f"{self.name}: a GLB file of {len(data)} bytes is cut short")
        version, total = struct.unpack_from("<II", data, 4)
        if version != 2 or total > len(data):
            raise ClipError(
                f"{self.name}: GLB version {version}, {len(data)} of {total} bytes; only complete files of version 2 are read"
            )
        text, at = b"", 12
        while at + 8 <= total:
            length, kind = struct.unpack_from("<I4s", data, at)
            chunk = data[at + 8 : at + 8 + length]
            if len(chunk) < length:
                raise ClipError(f"{self.name}: a chunk of the GLB is cut short")
            if kind == _JSON and not text:
                text = chunk
            elif kind == _BIN and not self._binary:
                self._binary = chunk
            at += 8 + math.ceil(length / 4) * 4
        if not text:
            raise ClipError(f"{self.name}: the GLB has no JSON chunk")
        return text.rstrip(b" \x00")
