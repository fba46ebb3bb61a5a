"""Biovision BVH: a tree of joints with their channels, then one row of numbers a frame. Read and written.

What the format means, where parsers differ: rotation channels turn in the file's order, each about the axes that the
one before has turned (R = R1 R2 R3), and orders may differ from joint to joint; position channels replace the OFFSET, of
any joint; a joint has none to six channels in any order. Units, up axis and facing are not in the file. Rows may be
wrapped, cut short at the end, or more or fewer than ``Frames:`` says.

:func:`read_table` and :func:`write_table` keep a file number for number; :func:`read_bvh` and :func:`write_bvh` give it
its meaning.
"""

import math
import re
from array import array
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from characters.errors import ClipError, nearest
from characters.rotations import quat_conj, quat_from_axis_angle, quat_mul, quat_rotate
from mocap.conventions import NO_OPTIONS, ReadOptions, axes_quat, frame_rate, metres, settle_skeleton
from mocap.formats.strict_text import MAX_NUMBERS, decode, number, number_row, points_for_commas, short
from mocap.skeleton import Skeleton, SkeletonMotion, resample

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
_MAX_JOINTS, _MAX_FRAMES = 2_000, 1_000_000
_MAX_DEGREES = 1e6
_MOTION = re.compile(r"^[ \t]*motion[ \t]*$", re.IGNORECASE | re.MULTILINE)
_FRAMES = re.compile(r"\s*frames\s*:\s*(\S+)[^\n]*(?:\s+frame\s*time\s*:\s*(\S+)[^\n]*)?", re.IGNORECASE)
_WORD = re.compile(r"\s*([{}]|[^\s{}]+)")
_REST_OF_LINE = re.compile(r"[ \t]*([^\n{]*)")


@dataclass(frozen=True)
class BvhJoint:
    """A joint as the file has it; ``parent`` is -1 for a ROOT, ``tips`` are the offsets of its End Sites."""

    name: str
    parent: int
    offset: tuple[float, ...]
    channels: tuple[str, ...]
    tips: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class BvhTable:
    """A file's content before any meaning: rows (T, C) float64, one column a channel, joint by joint."""

    joints: tuple[BvhJoint, ...]
    frame_time: float
    rows: Tensor
    warnings: tuple[str, ...] = ()


def read_bvh(data: bytes, name: str, options: ReadOptions = NO_OPTIONS) -> SkeletonMotion:
    """The motion in a BVH file. Raises ClipError naming the line, never anything else."""
    table = _one_figure(read_table(data, name), options.root, name)
    if not len(table.rows):
        raise ClipError(f"{name}: has no frames")
    quat, pos = [], []
    column = 0
    for joint in table.joints:
        values = table.rows[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        quat.append(_rotation(joint, values))
        pos.append(_position(joint, values))
    tips = [(b, tip) for b, joint in enumerate(table.joints) for tip in joint.tips]
    skeleton = Skeleton(
        names=_unique([joint.name for joint in table.joints]),
        parents=tuple(joint.parent for joint in table.joints),
        offsets=torch.tensor([joint.offset for joint in table.joints], dtype=torch.float64),
        rest_quat=_identity(len(table.joints)),
        tip_parents=tuple(b for b, _ in tips),
        tip_offsets=torch.tensor([tip for _, tip in tips], dtype=torch.float64).reshape(-1, 3),
    )
    fps = frame_rate(table.frame_time, options, name)
    stacked = torch.stack(quat, 1), torch.stack(pos, 1)
    return settle_skeleton(name, "BVH", skeleton, *stacked, fps, options, warnings=table.warnings)


def write_bvh(motion: SkeletonMotion, unit: str = "cm", up: str = "y", forward: str = "z") -> bytes:
    """A BVH file of any skeleton's motion, at an even frame rate, rotations in the order ZXY, six decimals.

    BVH knows no rest rotations, so bones get new frames: parallel to the world's at rest. Joints are where they were;
    read back with the same unit and axes the motion is the same to the digits written. Raises InputError for an
    unknown unit or axis.
    """
    motion = resample(motion)
    skeleton, frames = motion.skeleton, motion.num_frames
    turn = axes_quat(up, forward)  # from our world to the file's
    per_metre = 1 / metres(unit)
    rest = skeleton.rest_orientations()
    parent_rest = torch.stack([rest[p] if p >= 0 else _identity(1)[0] for p in skeleton.parents])
    outer = quat_mul(turn.expand(len(rest), 4), parent_rest)
    inner = quat_conj(quat_mul(turn.expand(len(rest), 4), rest))
    quat = quat_mul(quat_mul(outer.expand(frames, -1, 4), motion.quat), inner.expand(frames, -1, 4))
    pos = quat_rotate(outer.expand(frames, -1, 4), motion.pos) * per_metre
    offsets = quat_rotate(outer, skeleton.offsets) * per_metre
    parents = list(skeleton.tip_parents)
    tip_frames = quat_mul(turn.expand(len(parents), 4), rest[parents])
    tips = quat_rotate(tip_frames, skeleton.tip_offsets) * per_metre
    joints, columns = [], []
    order = _depth_first(skeleton.parents)
    for bone in order:
        parent = skeleton.parents[bone]
        moves = parent < 0 or bool(((pos[:, bone] - offsets[bone]).abs() > 1e-6).any())
        fixed = moves and parent >= 0 and bool(((pos[:, bone] - pos[0, bone]).abs() < 1e-6).all())
        offset = pos[0, bone] if fixed else offsets[bone] * (parent >= 0)
        channels: tuple[str, ...] = ("Zrotation", "Xrotation", "Yrotation")
        if moves and not fixed:
            channels = ("Xposition", "Yposition", "Zposition", *channels)
            columns.append(pos[:, bone])
        columns.append(_euler_zxy(quat[:, bone]))
        own = tuple(_rounded(tips[t]) for t, p in enumerate(skeleton.tip_parents) if p == bone)
        index = order.index(parent) if parent >= 0 else -1
        joints.append(BvhJoint(_writable(skeleton.names[bone]), index, _rounded(offset), channels, own))
    rate = motion.fps or float(motion.reading.fps.value or 30)
    rows = (torch.cat(columns, 1) * 1e6).round() / 1e6
    return write_table(BvhTable(tuple(joints), float(f"{1 / rate:.10g}"), rows))


def read_table(data: bytes, name: str) -> BvhTable:
    """Parse the file without asking what its numbers mean. Raises ClipError."""
    text = points_for_commas(decode(data, name))
    motion = _MOTION.search(text)
    if not motion:
        raise ClipError(f"{name}: no line MOTION; a BVH file has HIERARCHY and MOTION")
    joints = _Header(text[: motion.start()], name).joints()
    where = f"{name}: line {text.count(chr(10), 0, motion.end()) + 2}"
    counts = _FRAMES.match(text, motion.end())
    if not counts:
        raise ClipError(f"{where}: expected 'Frames: N' after MOTION")
    stated = number(counts[1], where)
    if not (0 <= stated <= _MAX_FRAMES and stated == int(stated)):
        raise ClipError(f"{where}: {short(counts[1])} is no number of frames")
    width = sum(len(joint.channels) for joint in joints)
    if not width:
        raise ClipError(f"{name}: no joint has a channel, so nothing moves")
    first_line = text.count("\n", 0, counts.end()) + 1
    rows, warnings = _read_rows(text[counts.end() :], first_line, width, int(stated), name)
    frame_time = number(counts[2], where) if counts[2] else 0.0
    return BvhTable(joints, frame_time, rows, warnings)


def write_table(table: BvhTable) -> bytes:
    """The file of a table: every number in the shortest form that reads back as the same."""
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
    """The HIERARCHY, read word by word; errors name the line."""

    def __init__(self, text: str, name: str):
        self._text, self._name, self._at = text, name, 0

    def joints(self) -> tuple[BvhJoint, ...]:
        """All joints, parents first. Raises ClipError."""
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
                    raise self._error(f"more than {_MAX_JOINTS} joints")
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
                raise self._error(f"did not expect {short(word)} here")
        if not joints:
            raise self._error("no ROOT")
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
            raise self._error("a joint has up to three positions, each once, and up to three rotations")
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


def _read_rows(text: str, first_line: int, width: int, stated: int, name: str) -> tuple[Tensor, tuple[str, ...]]:
    """(T, width) numbers after the header, and what was odd about their count. Raises ClipError."""
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
        wrapped = wide == 0 and rest == 0 and frames == stated
        if not (cut_short or wrapped):
            raise ClipError(f"{name}: line {line_number}: {count} numbers; the channels add up to {width}")
        if cut_short:
            warnings.append(f"line {line_number}, the last, is cut short and left out")
    if frames != stated:
        warnings.append(f"the file says {stated} frames and has {frames}")
    rows = torch.tensor(values[: frames * width], dtype=torch.float64).reshape(frames, width)
    return rows, tuple(warnings)


def _one_figure(table: BvhTable, root: str | None, name: str) -> BvhTable:
    """The table of one figure: the only one, or that whose ROOT has the name. Raises ClipError."""
    roots = [b for b, joint in enumerate(table.joints) if joint.parent < 0]
    names = [table.joints[b].name for b in roots]
    if root is None and len(roots) > 1:
        raise ClipError(f"{name}: {len(roots)} figures in one file: {', '.join(names)}; choose one with --root NAME")
    if root is not None and root not in names:
        raise ClipError(f"{name}: no figure '{root}'; {nearest(root, names)}")
    if root is None:
        return table
    start = roots[names.index(root)]
    stop = min((b for b in roots if b > start), default=len(table.joints))
    column = sum(len(joint.channels) for joint in table.joints[:start])
    joints = tuple(replace(j, parent=max(j.parent - start, -1)) for j in table.joints[start:stop])
    width = sum(len(joint.channels) for joint in joints)
    return replace(table, joints=joints, rows=table.rows[:, column : column + width])


def _rotation(joint: BvhJoint, values: Tensor) -> Tensor:
    """(T, 4) wxyz of a joint from its channels. Raises ClipError for angles beyond reason."""
    quat = _identity(len(values))
    for column, channel in enumerate(joint.channels):
        if channel.endswith("rotation"):
            angle = values[:, column]
            if (angle.abs() > _MAX_DEGREES).any():
                raise ClipError(f"{short(joint.name)}: {channel} is more than {_MAX_DEGREES:g} degrees")
            axis = values.new_tensor([channel[0] == a for a in "XYZ"]).expand(len(values), 3)
            quat = quat_mul(quat, quat_from_axis_angle(axis, angle * (math.pi / 180)))
    return quat / quat.norm(dim=-1, keepdim=True)


def _position(joint: BvhJoint, values: Tensor) -> Tensor:
    """(T, 3) position of a joint in its parent's frame: the channels it has, the OFFSET elsewhere."""
    pos = values.new_tensor(joint.offset).repeat(len(values), 1)
    for column, channel in enumerate(joint.channels):
        if channel.endswith("position"):
            pos[:, "XYZ".index(channel[0])] = values[:, column]
    return pos


def _euler_zxy(quat: Tensor) -> Tensor:
    """(T, 3) degrees about Z, X, Y, each about the axes already turned, without jumps of a whole turn."""
    w, x, y, z = quat.unbind(-1)
    sin_x = 2 * (y * z + w * x)
    across, along = 2 * (w * z - x * y), 1 - 2 * (x * x + z * z)  # -m01, m11: sine and cosine of Z, times cos X
    turn_z = torch.atan2(across, along)
    turn_x = torch.atan2(sin_x, torch.hypot(across, along))
    turn_y = torch.atan2(2 * (w * y - x * z), 1 - 2 * (x * x + y * y))
    # with X at a quarter turn Z and Y are one angle: leave it all to Z
    locked = torch.hypot(across, along) < 1e-9
    turn_z = torch.where(locked, torch.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z)), turn_z)
    turn_y = torch.where(locked, torch.zeros_like(turn_y), turn_y)
    degrees = torch.stack((turn_z, turn_x, turn_y), -1) * (180 / math.pi)
    degrees = torch.where(degrees < -180 + 1e-6, degrees + 360, degrees)
    step = degrees.diff(dim=0) / 360
    # half a turn, give or take a rounding, is left as it is, so that what was written is written again
    turns = (step.sign() * (step.abs() + 0.499999).floor()).cumsum(0) * 360
    return torch.cat((degrees[:1], degrees[1:] - turns))


def _depth_first(parents: tuple[int, ...]) -> list[int]:
    """The bones so that a bone is followed by all that hang on it, as a nested file lists them."""
    children: dict[int, list[int]] = {}
    for bone, parent in enumerate(parents):
        children.setdefault(parent, []).append(bone)
    order, pending = [], children[-1][::-1]
    while pending:
        bone = pending.pop()
        order.append(bone)
        pending += children.get(bone, [])[::-1]
    return order


def _unique(names: list[str]) -> tuple[str, ...]:
    """The names, the second of two equal ones with ``#2`` behind it; a nameless joint is called after its place."""
    unique: list[str] = []
    for place, name in enumerate(names):
        name, number_ = name or f"joint{place}", 2
        wanted = name
        while wanted in unique:
            wanted, number_ = f"{name}#{number_}", number_ + 1
        unique.append(wanted)
    return tuple(unique)


def _writable(name: str) -> str:
    return re.sub(r"[\s{}]+", "_", name) or "_"


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(v, 6) for v in values.tolist())


def _text(value: float) -> str:
    """The shortest decimal that reads back as the same number, whole numbers without a point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _identity(count: int) -> Tensor:
    return torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(count, 1)
