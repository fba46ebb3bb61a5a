"""A BVH file as numbers, without interpretation: the tree of joints with their channels, and the rows of numbers.

The reader accepts rows that are wrapped or cut short at the end, and another number of rows than ``Frames:`` states.
Writing and reading a table gives the same table.
"""

import re
from array import array
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mimic.core.errors import ClipError, nearest
from mocap.formats.strict_text import MAX_NUMBERS, decode, number, number_row, points_for_commas, short

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
_MAX_JOINTS, _MAX_FRAMES = 2_000, 1_000_000
_MOTION = re.compile(r"^[ \t]*motion[ \t]*$", re.IGNORECASE | re.MULTILINE)
_FRAMES = re.compile(r"\s*frames\s*:\s*(\S+)[^\n]*(?:\s+frame\s*time\s*:\s*(\S+)[^\n]*)?", re.IGNORECASE)
_WORD = re.compile(r"\s*([{}]|[^\s{}]+)")
_REST_OF_LINE = re.compile(r"[ \t]*([^\n{]*)")


@dataclass(frozen=True)
class BvhJoint:
    """A joint of a BVH file; ``parent`` is an index, -1 for a ROOT; ``tips`` are the offsets of the joint's End Sites."""

    name: str
    parent: int
    offset: tuple[float, ...]
    channels: tuple[str, ...]
    tips: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class BvhTable:
    """The content of a BVH file: ``rows`` (T, C) float64 have one column per channel, joint by joint."""

    joints: tuple[BvhJoint, ...]
    frame_time: float
    rows: Tensor
    warnings: tuple[str, ...] = ()


def read_table(data: bytes, name: str) -> BvhTable:
    """Parse a BVH file without interpreting its numbers. Raises ClipError."""
    text = points_for_commas(decode(data, name))
    motion = _MOTION.search(text)
    if not motion:
        raise ClipError(f"{name}: no line MOTION; a BVH file has HIERARCHY and MOTION")
    joints = _Header(text[: motion.start()], name).joints()
    where = f"{name}: line {text.count(chr(10), 0, motion.end()) + 2}"
    counts = _FRAMES.match(text, motion.end())
    if not counts:
        raise ClipError(f"{where}: expected 'Frames: N' after MOTION")
    declared = number(counts[1], where)
    if not (0 <= declared <= _MAX_FRAMES and declared == int(declared)):
        raise ClipError(f"{where}: {short(counts[1])} is not a number of frames from 0 to {_MAX_FRAMES}")
    width = sum(len(joint.channels) for joint in joints)
    if not width:
        raise ClipError(f"{name}: no joint has a channel, so nothing moves")
    first_line = text.count("\n", 0, counts.end()) + 1
    rows, warnings = _read_rows(text[counts.end() :], first_line, width, int(declared), name)
    frame_time = number(counts[2], where) if counts[2] else 0.0
    return BvhTable(joints, frame_time, rows, warnings)


def write_table(table: BvhTable) -> bytes:
    """Write a table as a BVH file; every number has the shortest form that reads back as the same number."""
    lines = ["HIERARCHY"]
    children: dict[int, list[int]] = {}
    for b, joint in enumerate(table.joints):
        children.setdefault(joint.parent, []).append(b)

    def offset(values: tuple[float, ...]) -> str:
        return "OFFSET " + " ".join(map(_text, values))

    pending: list[tuple[int, int] | str] = [(root, 0) for root in reversed(children.get(-1, []))]
    while pending:
        entry = pending.pop()
        if isinstance(entry, str):
            lines.append(entry)
            continue
        b, depth = entry
        joint, tab = table.joints[b], "\t" * depth
        lines += [f"{tab}{'JOINT' if joint.parent >= 0 else 'ROOT'} {joint.name}", tab + "{"]
        lines += [f"{tab}\t{offset(joint.offset)}"]
        lines += [" ".join((f"{tab}\tCHANNELS", str(len(joint.channels)), *joint.channels))]
        for tip in joint.tips:
            lines += [f"{tab}\tEnd Site", tab + "\t{", f"{tab}\t\t{offset(tip)}", tab + "\t}"]
        pending.append(tab + "}")
        pending += [(child, depth + 1) for child in reversed(children.get(b, []))]
    lines += ["MOTION", f"Frames: {len(table.rows)}", f"Frame Time: {_text(table.frame_time)}"]
    lines += [" ".join(map(_text, row)) for row in table.rows.tolist()]
    return ("\n".join(lines) + "\n").encode("utf-8")


class _Header:
    """A parser that reads the HIERARCHY word by word; its errors name the line."""

    def __init__(self, text: str, name: str):
        self._text, self._name, self._at = text, name, 0

    def joints(self) -> tuple[BvhJoint, ...]:
        """Return all joints, parents first. Raises ClipError."""
        if self._word().lower() != "hierarchy":
            raise self._error("expected HIERARCHY, the first word of a BVH file")
        joints: list[_Joint] = []
        stack: list[int] = []
        while word := self._word(may_end=not stack):
            kind = word.lower()
            if kind == "}" and stack:
                stack.pop()
            elif (kind == "root" and not stack) or (kind == "joint" and stack):
                joints.append(_Joint(self._label(), stack[-1] if stack else -1))
                stack.append(len(joints) - 1)
                if len(joints) > _MAX_JOINTS:
                    raise self._error(f"more than {_MAX_JOINTS} joints, the most that are read")
                self._expect("{")
            elif kind == "end" and stack:
                self._label()
                self._expect("{")
                self._expect("offset")
                joints[stack[-1]].tips.append(self._three())
                self._expect("}")
            elif kind == "offset" and stack:
                joints[stack[-1]].offset = self._three()
            elif kind == "channels" and stack and not joints[stack[-1]].channels:
                joints[stack[-1]].channels = self._channels()
            else:
                valid = "OFFSET, CHANNELS once, JOINT, End Site or }" if stack else "ROOT or MOTION"
                raise self._error(f"did not expect {short(word)} here; valid: {valid}")
        if not joints:
            raise self._error("the HIERARCHY has no ROOT")
        return tuple(BvhJoint(j.name, j.parent, j.offset, j.channels, tuple(j.tips)) for j in joints)

    def _channels(self) -> tuple[str, ...]:
        count = number(self._word(), self._where())
        if count not in range(7):
            raise self._error(f"{count:g} channels; a joint has 0 to 6")
        channels = []
        for _ in range(int(count)):
            word = self._word()
            if word.lower() not in _CHANNELS:
                raise self._error(f"no channel {short(word)}; {nearest(word, _CHANNELS.values())}")
            channels.append(_CHANNELS[word.lower()])
        places = [c for c in channels if c.endswith("position")]
        if len(places) > 3 or len(channels) - len(places) > 3 or len(set(places)) < len(places):
            raise self._error("a joint has up to three position channels, each once, and up to three rotation channels")
        return tuple(channels)

    def _three(self) -> tuple[float, ...]:
        return tuple(number(self._word(), self._where()) for _ in range(3))

    def _label(self) -> str:
        found = _REST_OF_LINE.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[1].strip()

    def _expect(self, word: str) -> None:
        found = self._word()
        if found.lower() != word:
            raise self._error(f"expected {word.upper()}, found {short(found)}")

    def _word(self, may_end: bool = False) -> str:
        found = _WORD.match(self._text, self._at)
        if not found:
            if may_end:
                return ""
            raise self._error("the HIERARCHY ends in the middle: a '}' is missing")
        self._at = found.end()
        return found[1]

    def _where(self) -> str:
        return f"{self._name}: line {self._text.count(chr(10), 0, self._at) + 1}"

    def _error(self, complaint: str) -> ClipError:
        return ClipError(f"{self._where()}: {complaint}")


@dataclass
class _Joint:
    """A joint while it is being read."""

    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: tuple[str, ...] = ()
    tips: list[tuple[float, ...]] = field(default_factory=list)


def _read_rows(text: str, first_line: int, width: int, declared: int, name: str) -> tuple[Tensor, tuple[str, ...]]:
    """Read the rows (T, width) after the header, and warnings: one if the number of rows is not ``declared``.

    ``first_line`` is the number in the file of the text's first line. Raises ClipError.
    """
    values, warnings = array("d"), []
    odd: tuple[int, int] | None = None  # line and count of the first row that is not ``width`` wide
    wide, last = 0, 0
    for line_number, line in enumerate(text.split("\n"), first_line):
        row = number_row(line, f"{name}: line {line_number}")
        if not row:
            continue
        values.extend(row)
        last = line_number
        if len(values) > MAX_NUMBERS or len(values) > _MAX_FRAMES * width:
            raise ClipError(
                f"{name}: more than {MAX_NUMBERS} numbers or {_MAX_FRAMES} frames, the most a clip may have"
            )
        if len(row) == width:
            wide += 1
        elif odd is None:
            odd = (line_number, len(row))
    frames, rest = divmod(len(values), width)
    if odd is not None:
        line_number, count = odd
        cut_short = line_number == last and count < width
        wrapped = wide == 0 and rest == 0 and frames == declared
        if not (cut_short or wrapped):
            raise ClipError(f"{name}: line {line_number}: {count} numbers; a row needs {width}, one a channel")
        if cut_short:
            warnings.append(f"line {line_number}, the last, is cut short and left out")
    if frames != declared:
        warnings.append(f"the file says {declared} frames and has {frames}")
    rows = torch.tensor(values[: frames * width], dtype=torch.float64).reshape(frames, width)
    return rows, tuple(warnings)


def _text(value: float) -> str:
    """Return the shortest decimal that reads back as the same number; whole numbers have no point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
