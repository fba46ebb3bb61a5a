"""Garbled files for every reader: ``python -m tests.mocap.fuzz --count 100000`` is the long run, the tests do the short.

A mutation flips bits, deletes, repeats or moves stretches, puts tokens in, swaps numbers, or cuts the file off; archives
and JSON are also changed inside, so that their checksums and syntax still hold. Whatever comes, a reader returns a sound
motion or raises ClipError of one line.
"""

import argparse
import copy
import io
import json
import random
import re
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from characters import load_character
from mimic.core.errors import ClipError
from mocap.formats.acclaim import read_amc
from mocap.formats.bvh import read_bvh
from mocap.formats.c3d import read_c3d
from mocap.formats.clip_npz import read_clip_npz, write_clip_npz
from mocap.formats.deepmimic import read_deepmimic, write_deepmimic
from mocap.formats.gltf import read_gltf
from mocap.formats.keypoints import read_keypoint_text, read_pose_npz
from mocap.formats.robot_csv import G1, read_robot_csv
from mocap.formats.smpl import read_smpl
from mocap.motion import Motion
from mocap.skeleton import Clip, KeypointMotion
from tests.mocap.archives import AMC, ASF, c3d, npz, smpl, walking_gltf
from tests.motion_samples import random_motion

MOST_SECONDS, MOST_BYTES = 0.1, 256_000_000
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
    """A reader, good files to start from, and how to garble them."""

    read: Callable[[bytes], Clip]
    good: tuple[bytes, ...]
    mutate: Callable[[bytes, random.Random], bytes]


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


def targets() -> dict[str, Target]:
    """All formats by name."""
    random_points = np.random.default_rng(3).integers(-900, 900, (6, 4, 4)).astype(np.float64)
    random_points[..., 3] = 0
    labels = ("LFHD", "RFHD", "LTOE", "*4")
    poses = {
        "positions": random_points[:, :3, :3] / 900,
        "quaternions": np.tile([0.0, 0, 0, 1], (6, 3, 1)),
        "bone_names": np.array(["Hips", "Spine", "Head"]),
        "parent_indices": np.array([-1, 0, 1]),
        "framerate": 60.0,
    }
    rows = "\n".join(",".join(f"{0.01 * i + t:.5f}" for i in range(81)) for t in range(3))
    robot = "\n".join(",".join(map(str, [0.0, 0, 0.79, 0, 0, 0, 1, *([0.1 * t] * len(G1))])) for t in range(4))
    gltf = walking_gltf()
    clips = [replace(random_motion(name, frames=4), source="x") for name in ("humanoid", "dog")]
    deepmimic = tuple(write_deepmimic(clip, load_character(clip.character)) for clip in clips)
    c3ds = tuple(c3d(random_points, labels, scale=s, processor=p) for s in (-0.1, 1.0) for p in (84, 85, 86))
    return {
        "bvh": Target(lambda data: read_bvh(data, "fuzz"), (BVH.encode(),), garble),
        "amc": Target(lambda data: read_amc(data, "fuzz", ASF.encode()), (AMC.encode(),), garble),
        "asf": Target(lambda data: read_amc(AMC.encode(), "fuzz", data), (ASF.encode(),), garble),
        "c3d": Target(lambda data: read_c3d(data, "fuzz"), c3ds, garble_header),
        "gltf": Target(lambda data: read_gltf(data, "fuzz"), (gltf.text(),), garble_json),
        "glb": Target(lambda data: read_gltf(data, "fuzz"), (gltf.binary(),), garble_glb),
        "clip npz": Target(lambda data: read_clip_npz(data, "fuzz"), tuple(map(write_clip_npz, clips)), garble_archive),
        "smpl npz": Target(lambda data: read_smpl(data, "fuzz"), (npz(smpl(72, 2)), npz(smpl(66, 2))), garble_archive),
        "pose npz": Target(lambda data: read_pose_npz(data, "fuzz"), (npz(poses),), garble_archive),
        "key points": Target(lambda data: read_keypoint_text(data, "fuzz"), (rows.encode(),), garble),
        "robot csv": Target(lambda data: read_robot_csv(data, "fuzz"), (robot.encode(),), garble),
        "deepmimic": Target(lambda data: read_deepmimic(data, None, "fuzz"), deepmimic, garble),
    }


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 0.1 -0.4 0
    CHANNELS 3 Zrotation Yrotation Xrotation
    JOINT LeftFoot
    {
      OFFSET 0 -0.4 0
      CHANNELS 3 Zrotation Yrotation Xrotation
      End Site
      {
        OFFSET 0 0 0.15
      }
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
0 0.9 1 10 20 30 40 50 60 1 2 3
0 0.9 1 -170 20 .5 4e1 5 -6. 1 2 3
0 0.9 1.1 -170 21 .5 4e1 5 -7. 1 2.5 3
"""


def check(target: Target, data: bytes) -> bool:
    """True if the reader takes the file, and then it is a sound motion; ClipError of a line is the only other way."""
    try:
        clip = target.read(data)
    except ClipError as error:
        if "\n" in str(error) or len(str(error)) > 600:
            raise AssertionError(f"not one short line: {str(error)[:700]!r}") from None
        return False
    values = clip.root_pos_w if isinstance(clip, Motion) else None
    values = clip.pos_w if isinstance(clip, KeypointMotion) else values
    values = clip.positions_w() if values is None else values
    if not torch.isfinite(values).all():
        raise AssertionError("a motion that is not finite")
    return True


@dataclass(frozen=True)
class Outcome:
    """What came of a run: files tried and taken, the slowest [s of this process], and how much memory grew [bytes]."""

    tried: int
    taken: int
    slowest_s: float
    grown_bytes: int


def run(name: str, count: int, seed: int) -> Outcome:
    """Garble ``count`` files of a format. Raises what a reader raises that is not ClipError, with the case's number."""
    target, taken, slowest = targets()[name], 0, 0.0
    for good in target.good:
        if not check(target, good):
            raise AssertionError(f"{name}: a good file is refused")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in range(count):
        rng = random.Random(f"{name} {seed} {case}")
        data = target.mutate(rng.choice(target.good), rng)
        start = time.process_time()
        try:
            taken += check(target, data)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, case {case}: {type(error).__name__}: {error}") from error
        slowest = max(slowest, time.process_time() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Outcome(count, taken, slowest, grown * 1024)


def main() -> int:
    """The long run: every format, or those that are named; says what was slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if unknown := set(args.formats) - set(targets()):
        parser.error(f"no format {', '.join(sorted(unknown))}; valid: {', '.join(targets())}")
    torch.set_num_threads(1)
    failed = False
    for name in args.formats or targets():
        outcome = run(name, args.count, args.seed)
        late = outcome.slowest_s > MOST_SECONDS or outcome.grown_bytes > MOST_BYTES
        failed |= late
        print(
            f"{name}: {outcome.tried} files, {outcome.taken} taken, slowest {1000 * outcome.slowest_s:.0f} ms, "
            f"memory +{outcome.grown_bytes / 1e6:.0f} MB{'  TOO MUCH' if late else ''}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
