"""Ways to garble a file, and what a fuzz run needs to know of a format: its reader, good files, and how to garble them.

A mutation flips bits, deletes, repeats or moves stretches, puts tokens in, swaps numbers, or cuts the file off; archives
and JSON are also changed inside, so that their checksums and syntax still hold.
"""

import copy
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mimic.core.errors import InputError

TOKENS = [
    *(b"[", b"]", b"{", b"}", b",", b":", b'"', b"-", b"\x00", b"\xff", b"e", b".", b"\r\n", b"\n", b" ", b"\t"),
    *(b"1e999", b"NaN", b"nan", b"-Infinity", b"inf", b"1_0", b"0x10", b"null", b"true", b"0" * 400, b"1e-320"),
    *(b"99999999999", b"-1", b"4294967296", b"[" * 3000, b'{"a":' * 500, b"CHANNELS 6", b"End Site", b"}" * 50),
    *(b"JOINT x\n{\n" * 50, b"Frames: 999999999", b":RADIANS", b"begin", b"\xef\xbb\xbf", "\uff11".encode()),
]
ODD: list[Any] = [None, True, -1, 0, 1.5, 1e300, 2**40, 10**18, "", "x", "VEC3", [], {}, [None], [[]], -(2**31), "1"]
_NUMBER = re.compile(rb"-?\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Target:
    """A reader, a function that makes good inputs to start from, and how to garble them.

    An input is the bytes of a file, or the files of a folder by name. The reader raises ``refuses`` for one that is bad;
    what it returns otherwise must pass ``sound``. ``share``: a format that is slow to read gets this share of the files.
    """

    read: Callable[[Any], Any]
    good: Callable[[], tuple[Any, ...]]
    mutate: Callable[[Any, random.Random], Any]
    refuses: type[InputError] = InputError
    sound: Callable[[Any], bool] = bool
    share: float = 1.0


def garble(data: bytes, rng: random.Random) -> bytes:
    """One to three changes anywhere in the bytes."""
    for _ in range(rng.randint(1, 3)):
        a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        b = min(b, a + rng.choice([1, 8, 500]))
        kind = rng.randrange(8)
        if kind == 0 and a < len(data):
            data = data[:a] + bytes([data[a] ^ (1 << rng.randrange(8))]) + data[a + 1 :]
        elif kind == 1:
            data = data[:a] + data[b:]
        elif kind == 2:
            data = data[:b] + data[a:b] * rng.randint(1, 3) + data[b:]
        elif kind == 3:
            data = data[:a] + rng.choice(TOKENS) + data[a:]
        elif kind == 4 and (numbers := list(_NUMBER.finditer(data[:20_000]))):
            hit = rng.choice(numbers)
            token = rng.choice([rng.choice(numbers).group(), rng.choice(TOKENS), b"%g" % rng.uniform(-1e5, 1e5)])
            data = data[: hit.start()] + token + data[hit.end() :]
        elif kind == 5:
            data = data[:a]
        elif kind == 6 and len(data) > 4:
            a = rng.randrange(len(data) - 3)
            word = rng.choice([b"\xff\xff", b"\x00\x00", b"\xff\x7f", b"\xff\xff\xff\x7f", rng.randbytes(4)])
            data = data[:a] + word + data[a + len(word) :]
        else:
            data = data[b:] + data[a:b]
    return data


def garble_header(data: bytes, rng: random.Random) -> bytes:
    """As :func:`garble`, half the time in the first kilobyte, where a binary file says what is in it."""
    if rng.random() < 0.5:
        return garble(data[:1100], rng) + data[1100:]
    return garble(data, rng)


def garble_archive(data: bytes, rng: random.Random) -> bytes:
    """An archive whose members are garbled, exchanged, or of other shapes and kinds; now and then its own bytes."""
    if rng.random() < 0.25:
        return garble(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(list(members))
        kind = rng.randrange(5)
        if kind == 0:
            members[name] = garble(members[name], rng)
        elif kind == 1:
            members[name] = members[rng.choice(list(members))]
        elif kind == 2:
            del members[name]
            if not members:
                members["x.npy"] = b""
        elif kind == 3:
            members[name] = _npy(_odd_array(rng))
        else:
            members[name] = _npy(_spoiled(members[name], rng))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


def _odd_array(rng: random.Random) -> np.ndarray[Any, Any]:
    choices: list[Any] = [
        np.zeros(0),
        np.array(None),
        np.array([None]),
        np.array("x"),
        np.array(b"x"),
        np.zeros((2, 2), bool),
    ]
    choices += [np.zeros((1, 1, 1, 1)), np.array([1 + 2j]), np.array(1e400), np.zeros((3, 81)), np.zeros((2, 156))]
    choices += [np.array(["a", "a"]), np.array([-1, 0, 1], np.int8), np.array("2020-01-01", "datetime64[D]")]
    return np.asarray(rng.choice(choices))


def _spoiled(content: bytes, rng: random.Random) -> np.ndarray[Any, Any]:
    """The array with a number changed, or another kind, or another shape."""
    try:
        array = np.lib.format.read_array(io.BytesIO(content)).copy()
    except Exception:  # NumPy's own reader has many ways to fail; ours is what is tested
        return np.zeros(1)
    if array.dtype.kind in "fiu" and array.size and rng.random() < 0.6:
        value = rng.choice([np.nan, np.inf, -np.inf, 1e300, -1.0, 0.0, 1e9])
        with np.errstate(all="ignore"):
            array.reshape(-1)[rng.randrange(array.size)] = value if array.dtype.kind == "f" else rng.randrange(-5, 100)
        return array
    if rng.random() < 0.5 and array.dtype.kind in "fiu":
        with np.errstate(all="ignore"):
            return array.astype(rng.choice(["f2", "f4", ">f8", "i8", "U4", "S3"]))
    return array.reshape(-1)[: rng.randrange(array.size + 1)] if rng.random() < 0.5 else array[None]


def garble_json(data: bytes, rng: random.Random) -> bytes:
    """JSON with values changed, removed or exchanged; now and then its own bytes."""
    if rng.random() < 0.3:
        return garble(data, rng)
    document = json.loads(data)
    for _ in range(rng.randint(1, 2)):
        places = list(_places(document))
        holder, key = rng.choice(places)
        kind = rng.randrange(4)
        if kind == 0:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        elif kind == 1 and isinstance(holder, dict):
            del holder[key]
        elif kind == 2:
            other, other_key = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[other_key])) if _has(other, other_key) else None
        elif isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = rng.choice([holder[key] + 1, holder[key] - 1, -holder[key], holder[key] * 1000, 2**31])
        if not list(_places(document)):
            break
    return json.dumps(document).encode()


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        yield value, key
        yield from _places(inner)


def garble_glb(data: bytes, rng: random.Random) -> bytes:
    """A GLB with its JSON changed inside, or its bytes."""
    if rng.random() < 0.4:
        return garble_header(data, rng)
    length = int.from_bytes(data[12:16], "little")
    text = garble_json(data[20 : 20 + length], rng)
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = data[:8] + (20 + len(text) + len(rest)).to_bytes(4, "little")
    return head + len(text).to_bytes(4, "little") + data[16:20] + text + rest
