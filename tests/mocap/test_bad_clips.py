"""Whatever is wrong with a clip file ends in a ClipError of one line that says where; nothing else leaks out."""

import json
import random
import re
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from characters import load_character
from mimic.core.errors import ClipError
from mocap.formats import read_motion
from mocap.formats.deepmimic import read_deepmimic, write_deepmimic
from mocap.formats.strict_json import MAX_BYTES, MAX_KEYS, MAX_VALUES
from mocap.motion import velocities
from tests.motion_samples import random_motion

GOOD = {name: write_deepmimic(random_motion(name, frames=4), load_character(name)) for name in ("humanoid", "dog")}
HUMANOID = GOOD["humanoid"]


def with_number(text: str, row: int = 2, column: int = 3) -> bytes:
    """A good file with one number written as ``text``; row and column count from 1. Row r is on line r + 4."""
    lines = HUMANOID.decode().split("\n")
    numbers = lines[row + 3].strip("[],").split(", ")
    numbers[column - 1] = text
    lines[row + 3] = "[" + ", ".join(numbers) + "],"
    return "\n".join(lines).encode()


def with_frames(frames: object, loop: object = "wrap") -> bytes:
    return json.dumps({"Loop": loop, "Frames": frames}).encode()


@pytest.mark.parametrize(
    "number", ["1_0", "0x10", "\uff11", "1.", ".5", "+1", "01", "1,5 ", "1e", "--1", "NaN", "Infinity", "nan"]
)
def test_numbers_python_takes_and_json_does_not_name_their_line(number):
    with pytest.raises(ClipError, match=r"line 6|row 2 has 45"):
        read_deepmimic(with_number(number), None, "clip")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (with_number("1e999"), "row 2, column 3: inf is not finite"),
        (with_number("9" * 5000), "row 2, column 3: inf is not finite"),
        (with_number("1e300"), "row 2, column 3: 1e.300 is a position more than 10000.0 m"),
        (with_number("-0.1", column=1), "row 2, column 1: -0.1 is not a duration"),
        (with_number("0", column=1), "row 2, column 1: 0 is not a duration"),
        (with_number("90.5", column=21), "row 2, column 21: 90.5 rad is more than a whole turn of the right_knee"),
        (with_number("50", column=9), "row 2, column 9: 50 starts a quaternion whose length is not between 0.25 and 4"),
        (with_number("true"), "row 2, column 3: True is not a number"),
        (with_number("null"), "row 2, column 3: None is not a number"),
        (with_number('"1.0"'), "row 2, column 3: '1.0' is not a number"),
        (with_number("[[1]]"), "row 2, column 3: a list is not a number"),
        (HUMANOID.replace(b'"Frames"', b'"Loop": "none",\n"Frames"'), "line 3: key 'Loop' appears twice"),
        (HUMANOID[:-200], "line 8: "),
        (HUMANOID.replace(b"\n[", b"\n\x00[", 1), "line 4: "),
        (HUMANOID.replace(b"wrap", b"w\xffap"), r"line 2: not plain text \(byte 0xff\)"),
        (HUMANOID.decode().encode("utf-16"), "line 1: not plain text"),
        (HUMANOID + b"{}", "line 11: Extra data"),
        (HUMANOID.replace(b"wrap", b"wrp"), "Loop is 'wrp'; did you mean 'wrap'"),
        (HUMANOID.replace(b"Loop", b"loop"), "expected the keys Loop and Frames .* found 'loop', 'Frames'"),
        (b"", "line 1: Expecting value"),
        (b"[]", "found a list"),
        (b'"' + b"x" * 9999 + b'"', "found 'xxxx"),
        (b'{"\\ud800\\n": 1}', r"found '\\ud800\\n'"),
        (with_frames([]), "2 to 1000000 rows"),
        (with_frames([[1.0] * 44]), "2 to 1000000 rows"),
        (with_frames({"0": 1}), "2 to 1000000 rows"),
        (with_frames([[], []]), "row 1 is not a list of numbers"),
        (with_frames([[1.0] * 44, 3]), "row 2 is not a list of numbers"),
        (with_frames([[1.0] * 44, [1.0] * 43]), "row 2 has 43 numbers; the first row has 44"),
        (
            with_frames([[1.0] * 45] * 2),
            "row 1 has 45 numbers, which fits no character .dog 84, humanoid 44.",
        ),
        (with_frames([[0.1] + [0.0] * 43] * 2), "row 1, column 5: 0 starts a quaternion"),
        (with_frames([[0.1] * 44] * 2, ["wrap"]), "Loop is a list; "),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "or 10000 keys"),
        (b"[" * 100 + b"]" * 100, "found a list"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_broken_files_say_where(data, complaint):
    with pytest.raises(ClipError, match=complaint) as caught:
        read_deepmimic(data, None, "clip")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_bombs_are_refused_before_they_are_parsed():
    lists, keys = b"[]," * MAX_VALUES, b'"x": 1,' * (MAX_KEYS + 1)
    for data in (b" " * (MAX_BYTES + 1), b'{"Frames": [' + lists + b"[]]}", b"{" + keys + b'"y": 1}'):
        start = time.process_time()
        with pytest.raises(ClipError, match="the most a clip may have"):
            read_deepmimic(data, None, "bomb")
        assert time.process_time() - start < 1


def test_harmless_oddities_are_read():
    expected = read_deepmimic(HUMANOID, None, "clip")
    for data in (
        HUMANOID.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + HUMANOID,
        HUMANOID.replace(b"\n", b""),
        HUMANOID.replace(b'"Frames"', b'"LeftJoints": [9], "Frames"'),
    ):
        assert torch.equal(read_deepmimic(data, None, "clip").joint_quat, expected.joint_quat)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ClipError, match="no such file"):
        read_motion(tmp_path / "absent.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(ClipError, match="is a folder"):
        read_motion(tmp_path / "folder.txt")
    with pytest.raises(ClipError, match=r"no reader for '.bvhh' files; did you mean '.bvh'"):
        read_motion(tmp_path / "walk.bvhh")
    big = tmp_path / "big.txt"
    with big.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ClipError, match="larger than"):
        read_motion(big)


def check(data: bytes) -> bool:
    """True if the reader takes the file, and then it is a sound motion; ClipError is the only other way out."""
    try:
        motion = read_deepmimic(data, None, "fuzz")
    except ClipError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        return False
    rates = velocities(motion, load_character(motion.character))
    for values in (rates.root_linvel_w, rates.root_angvel_w, rates.joint_vel):
        assert torch.isfinite(values).all()
    return True


TOKENS = [
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b'"',
    b"-",
    b"1e999",
    b"NaN",
    b"-Infinity",
    b"\x00",
    b"\xff",
    b"null",
    b"1_0",
    b"0" * 400,
    b"e",
    b".",
    b"\r\n",
    b"[" * 3000,
    b'"Loop":"none",',
    b"1e-320",
    b"99999999999",
]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One or two of: bits flipped, a stretch deleted, repeated or moved, a token put in, a number swapped, a cut."""
    for _ in range(rng.randint(1, 2)):
        a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        b = min(b, a + rng.choice([1, 8, 500]))
        kind = rng.randrange(7)
        if kind == 0 and a < len(data):
            data = data[:a] + bytes([data[a] ^ (1 << rng.randrange(8))]) + data[a + 1 :]
        elif kind == 1:
            data = data[:a] + data[b:]
        elif kind == 2:
            data = data[:b] + data[a:b] * rng.randint(1, 3) + data[b:]
        elif kind == 3:
            data = data[:a] + rng.choice(TOKENS) + data[a:]
        elif kind == 4:
            numbers = list(re.finditer(rb"-?\d+\.\d+(e-?\d+)?", data))
            if numbers:
                hit, other = rng.choice(numbers), rng.choice(numbers)
                token = rng.choice([other.group(), rng.choice(TOKENS), b"%g" % rng.uniform(-1e5, 1e5)])
                data = data[: hit.start()] + token + data[hit.end() :]
        elif kind == 5:
            data = data[:a]
        else:
            data = data[b:] + data[a:b]
    return data


def test_two_thousand_garbled_files():
    rng = random.Random(20)
    files = list(GOOD.values())
    taken = sum(check(mutate(rng.choice(files), rng)) for _ in range(2000))
    assert 20 < taken < 1900  # the mutations are neither all harmless nor all fatal


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["Loop", "Frames", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_and_json(data):
    check(data)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    st.sampled_from(["wrap", "none"]),
    st.lists(st.lists(st.floats(), min_size=44, max_size=44), min_size=2, max_size=3),
)
def test_arbitrary_numbers(loop, frames):
    check(with_frames(frames, loop))
