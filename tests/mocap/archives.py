"""Small files of foreign formats, made in memory: what the tests of their readers start from."""

import base64
import io
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

ASF = """# a comment
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name lfemur
     direction 0 -1 0
     length 2.0
     axis 0 0 20 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name ltibia
     direction 0.6 -0.8 0
     length 3.0
     axis 10 7.62852e-016 20 XYZ
    dof rx
  end
  begin
     id 3
     name spine
     direction 0 1 0
     length 4.0
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root lfemur spine
    lfemur ltibia
  end
"""
AMC = """#!OML:ASF H:\\somewhere
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 10 20 30
lfemur -10 20 30.5
ltibia 3.64024e-015
2
root 1 2 3 11 21 31
lfemur -11 21 31
ltibia 40
"""


def npz(arrays: Mapping[str, Any]) -> bytes:
    """An archive of arrays; whatever is not one is pickled, as careless people do."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def smpl(width: int = 156, frames: int = 4, seed: int = 0) -> dict[str, Any]:
    """The arrays of an AMASS file."""
    random = np.random.default_rng(seed)
    return {
        "poses": random.normal(0, 0.3, (frames, width)),
        "trans": random.normal(0, 1, (frames, 3)),
        "betas": random.normal(0, 1, 16),
        "gender": np.array(b"female"),
        "mocap_framerate": 120.00004578,
    }


def c3d(
    points: np.ndarray[Any, Any],
    labels: tuple[str, ...],
    rate: float = 100.0,
    units: str = "mm",
    processor: int = 84,
    scale: float = -0.1,
    first: int = 1,
    announced: int | None = None,
    extra: Mapping[tuple[str, str], Any] = {},
) -> bytes:
    """A C3D file of points (T, N, 4); with a positive scale they are stored as 16-bit words."""
    order = {84: "<", 85: "<", 86: ">"}[processor]
    frames, count = points.shape[:2]

    def real(value: float) -> bytes:
        if processor != 85:
            return struct.pack(order + "f", value)
        word = struct.pack("<f", 4 * value)
        return word[2:] + word[:2]

    def text(values: tuple[str, ...]) -> tuple[int, list[int], bytes]:
        width = max(map(len, values))
        return -1, [width, len(values)], "".join(v.ljust(width) for v in values).encode("latin-1")

    def parameter(value: Any) -> tuple[int, list[int], bytes]:
        if isinstance(value, tuple):
            return text(value)
        if isinstance(value, float):
            return 4, [], real(value)
        words = value if isinstance(value, list) else [value]
        return 2, [len(words)] if isinstance(value, list) else [], struct.pack(f"{order}{len(words)}H", *words)

    entries = {
        ("POINT", "USED"): count,
        ("POINT", "SCALE"): scale,
        ("POINT", "RATE"): rate,
        ("POINT", "FRAMES"): (announced or frames) % 65536,
        ("POINT", "LABELS"): labels,
        ("POINT", "UNITS"): (units,),
        **extra,
    }
    names = sorted({group for group, _ in entries})
    section = b""
    for number, group in enumerate(names, 1):
        section += struct.pack("<bb", len(group), -number) + group.encode() + struct.pack(order + "HB", 3, 0)
    for (group, name), value in entries.items():
        kind, shape, content = parameter(value)
        body = struct.pack("<bB", kind, len(shape)) + bytes(shape) + content + b"\x00"
        section += struct.pack("<bb", len(name), names.index(group) + 1) + name.encode()
        section += struct.pack(order + "H", 2 + len(body)) + body
    blocks = (len(section) + 4 + 2 + 511) // 512
    section = bytes([1, 80, blocks, processor]) + section
    last = (first + (announced or frames) - 1) % 65536
    header = struct.pack("<BB", 2, 80) + struct.pack(order + "5H", count, 0, first, last, 0)
    header += real(scale) + struct.pack(order + "2H", 2 + blocks, 0) + real(rate)
    if scale > 0:
        whole = points.copy()
        whole[..., :3] = np.round(points[..., :3] / scale)
        data = whole.astype(order + "i2").tobytes()
    else:
        data = b"".join(real(v) for v in points.reshape(-1).tolist())
    return header.ljust(512, b"\x00") + section.ljust(512 * blocks, b"\x00") + data


class Gltf:
    """Builds a glTF document with its buffer as a data URI."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "nodes": [
                {"name": "Armature", "children": [1], "scale": [0.01] * 3},
                {"name": "Hips", "children": [2], "translation": [0, 100, 0]},
                {"name": "Spine", "translation": [0, 20, 0]},
            ],
            "skins": [{"joints": [1, 2]}],
            "accessors": [],
            "bufferViews": [],
            "buffers": [],
            "animations": [],
        }
        self._data = b""

    def view(self, data: bytes, **more: Any) -> int:
        """A buffer view of the bytes; its index."""
        self._data += b"\x00" * (-len(self._data) % 4)
        entry = {"buffer": 0, "byteOffset": len(self._data), "byteLength": len(data), **more}
        self.document["bufferViews"].append(entry)
        self._data += data
        return len(self.document["bufferViews"]) - 1

    def accessor(self, values: Any, code: str = "<f4", **more: Any) -> int:
        """An accessor of the values; its index."""
        array = np.array(values, dtype=code)
        width = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[1 if array.ndim == 1 else array.shape[1]]
        kind = {"<f4": 5126, "i1": 5120, "u1": 5121, "<i2": 5122, "<u2": 5123}[code]
        entry = {"componentType": kind, "type": width, "count": len(array), **more}
        if "bufferView" not in entry and "sparse" not in entry:
            entry["bufferView"] = self.view(array.tobytes())
        self.document["accessors"].append(entry)
        return len(self.document["accessors"]) - 1

    def animate(self, name: str, *channels: tuple[int, str, int, int, str]) -> None:
        """An animation of (node, path, input, output, interpolation)."""
        samplers = [{"input": i, "output": o, "interpolation": method} for _, _, i, o, method in channels]
        targets = [{"sampler": s, "target": {"node": c[0], "path": c[1]}} for s, c in enumerate(channels)]
        self.document["animations"].append({"name": name, "samplers": samplers, "channels": targets})

    def text(self) -> bytes:
        """The .gltf file."""
        uri = "data:application/octet-stream;base64," + base64.b64encode(self._data).decode()
        buffers = [{"uri": uri, "byteLength": len(self._data)}]
        return json.dumps({**self.document, "buffers": buffers}).encode()

    def binary(self) -> bytes:
        """The .glb file."""
        buffers = [{"byteLength": len(self._data)}]
        text = json.dumps({**self.document, "buffers": buffers}).encode()
        text += b" " * (-len(text) % 4)
        data = self._data + b"\x00" * (-len(self._data) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\x00") + data
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def walking_gltf() -> Gltf:
    """Two bones below a small armature: the hips move and turn, the spine turns."""
    gltf = Gltf()
    times = gltf.accessor([0, 1 / 30, 2 / 30])
    moved = gltf.accessor([[0, 100, 0], [0, 100, 10], [0, 100, 20]])
    half = 2**-0.5
    turned = gltf.accessor([[0, 0, 0, 1], [0, half, 0, half], [0, 1, 0, 0]])
    gltf.animate("walk", (1, "translation", times, moved, "LINEAR"), (2, "rotation", times, turned, "LINEAR"))
    return gltf
