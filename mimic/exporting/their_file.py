"""Adds an animation to somebody else's GLB. Its meshes, materials, bones and binary data stay as they are, byte for byte."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mimic.core.errors import InputError
from mimic.core.files import read_file
from mocap.formats.gltf_file import GltfFile
from mocap.formats.strict_json import MAX_BYTES

Array = np.ndarray
_JSON, _BIN = b"JSON", b"BIN\0"
_FLOAT, _TYPES = 5126, {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


class TheirFile:
    """A GLB file of somebody else. Raises InputError if it is no complete GLB of version 2."""

    def __init__(self, path: Path):
        self.path = path
        data = read_file(path, MAX_BYTES, InputError)
        if data[:4] != b"glTF":
            raise InputError(f"{path}: --onto and --wear take a GLB file; save the character as one (.glb)")
        self.gltf = GltfFile(data, str(path), path.parent)
        chunks = dict(reversed(list(_chunks(data))))
        self.document: dict[str, Any] = json.loads(chunks[_JSON])
        binary = chunks.get(_BIN, b"")
        own = self.document.get("buffers", [{}])
        if own and "uri" in own[0]:
            raise InputError(f"{path}: its first buffer is in another file; save the character as one GLB file")
        self._binary = bytearray(binary[: own[0].get("byteLength", 0)] if own else b"")
        self.data = data

    @property
    def skin_joints(self) -> list[int]:
        """The nodes of the largest skin, or all nodes of a file without one."""
        skins = [skin["joints"] for skin in self.document.get("skins", [])]
        return max(skins, key=len) if skins else list(range(len(self.document["nodes"])))

    def add_animation(
        self, name: str, times: Array, tracks: Mapping[tuple[int, str], Array], extras: Mapping[str, object]
    ) -> None:
        """Add an animation, linear between keys.

        Args:
            name: of the animation; a name that the file has gets a number.
            times: (T,) [s].
            tracks: for each node and "rotation" or "translation", its keys (T, 4) xyzw or (T, 3).
            extras: values for glTF's extras.

        Raises InputError if a moved node has a matrix, which glTF does not allow to be animated.
        """
        for node, _ in tracks:
            if "matrix" in self.document["nodes"][node]:
                raise InputError(
                    f"{self.path}: node {node} has a matrix, which no animation may move; save it with separate "
                    "translation, rotation and scale"
                )
        taken = {animation.get("name") for animation in self.document.get("animations", [])}
        title, number = name, 1
        while title in taken:
            number += 1
            title = f"{name}-{number}"
        clock = self._accessor(times.astype(np.float32)[:, None], bounds=True)
        samplers, channels = [], []
        for (node, path), values in tracks.items():
            samplers.append(
                {"input": clock, "output": self._accessor(values.astype(np.float32)), "interpolation": "LINEAR"}
            )
            channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})
        self.document.setdefault("animations", []).append(
            {"name": title, "channels": channels, "samplers": samplers, "extras": dict(extras)}
        )

    def to_bytes(self) -> bytes:
        """Return the GLB with the added animations."""
        self.document.setdefault("buffers", [{}])[0]["byteLength"] = len(self._binary)
        text = json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        body = struct.pack("<I4s", len(text), _JSON) + text + struct.pack("<I4s", len(binary), _BIN) + binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body

    def _accessor(self, values: Array, bounds: bool = False) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        raw = np.ascontiguousarray(values).tobytes()
        views = self.document.setdefault("bufferViews", [])
        views.append({"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(raw)})
        self._binary += raw
        accessor = {
            "bufferView": len(views) - 1,
            "componentType": _FLOAT,
            "count": len(values),
            "type": _TYPES[values.shape[1]],
        }
        if bounds:
            accessor |= {"min": [float(values.min())], "max": [float(values.max())]}
        accessors = self.document.setdefault("accessors", [])
        accessors.append(accessor)
        return len(accessors) - 1


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and content of each chunk; ``GltfFile`` has checked that they are complete."""
    found, at = [], 12
    while at + 8 <= struct.unpack_from("<I", data, 8)[0]:
        length, kind = struct.unpack_from("<I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + (-length % 4)
    return found
