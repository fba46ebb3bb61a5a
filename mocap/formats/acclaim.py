"""Acclaim ASF (the bones) and AMC (the motion), the formats of the CMU motion capture database.

A bone of the ASF starts where its parent ends and points along ``direction``, in world axes. Its ``dof`` are rotations
about axes that ``axis`` has rotated. With C the rotation ``axis`` and M the product of the turns about its ``dof`` in a frame, the
bone turns by C M C^-1 against its parent. The order "XYZ" means that X comes first: C = Cz Cy Cx. In the result, a bone's
joint is where Acclaim's bone begins; a bone without children gets an end site. The AMC states no frame rate.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from mimic.core.errors import ClipError
from mimic.core.rotations import quat_conj, quat_from_axis_angle, quat_mul, quat_rotate
from mocap.conventions import NO_OPTIONS, DeclaredConventions, ReadOptions, skeleton_to_canonical
from mocap.formats.strict_text import MAX_NUMBERS, decode, number, number_row, short
from mocap.skeleton import Assumption, Skeleton, SkeletonMotion

_FPS = 120.0
_MAX_BONES, _MAX_FRAMES = 2_000, 1_000_000
_MAX_DEGREES = 1e6
_CMU_LENGTH = 0.45


@dataclass
class AsfBone:
    """A bone of an ASF file; angles are in radians, lengths in the file's unit."""

    name: str
    direction: tuple[float, ...] = (0.0, 0.0, 0.0)
    length: float = 0.0
    axis: tuple[float, ...] = (0.0, 0.0, 0.0)
    axis_order: str = "XYZ"
    dof: tuple[str, ...] = ()
    parent: str = ""


@dataclass
class AsfTable:
    """The content of an ASF file: ``bones`` by name with the root first, the root's position, and the units."""

    bones: dict[str, AsfBone] = field(default_factory=dict)
    position: tuple[float, ...] = (0.0, 0.0, 0.0)
    length_scale: float = 1.0
    degrees: bool = True


def read_amc(data: bytes, name: str, asf: bytes, options: ReadOptions = NO_OPTIONS) -> SkeletonMotion:
    """Read the motion of an AMC on the bones of its ASF. Raises ClipError that names the line."""
    table = read_asf(asf, f"{name}'s ASF")
    values = _read_frames(decode(data, name), table, name)
    order = _parents_first(table, name)
    index = {bone: i for i, bone in enumerate(order)}
    frames = len(next(iter(values.values())))
    quat, pos, offsets, tips = [], [], [], []
    ends = {bone.parent for bone in table.bones.values()}
    for bone in order:
        entry = table.bones[bone]
        above = table.bones.get(entry.parent)
        offset = torch.tensor(table.position if above is None else _end(above), dtype=torch.float64)
        moved, turned = _apply(entry, values.get(bone), frames)
        quat.append(turned)
        pos.append(offset + moved)
        offsets.append(offset)
        if bone not in ends and entry.length:
            tips.append((index[bone], _end(entry)))
    skeleton = Skeleton(
        names=tuple(order),
        parents=tuple(index.get(table.bones[bone].parent, -1) for bone in order),
        offsets=torch.stack(offsets),
        rest_quat=torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).repeat(len(order), 1),
        end_site_parents=tuple(b for b, _ in tips),
        end_site_offsets=torch.tensor([tip for _, tip in tips], dtype=torch.float64).reshape(-1, 3),
    )
    fps = Assumption(f"{_FPS!r}", "guess", "what the CMU library has; an AMC has no rate")
    if options.fps is not None:
        fps = Assumption(f"{options.fps!r}", "user")
    unit = "cmu" if abs(table.length_scale - _CMU_LENGTH) < 1e-9 else None
    stacked = torch.stack(quat, 1), torch.stack(pos, 1)
    return skeleton_to_canonical(name, "ASF/AMC", skeleton, *stacked, fps, options, DeclaredConventions(unit=unit))


def find_asf(amc: Path, options: ReadOptions = NO_OPTIONS) -> Path:
    """Find the ASF of an AMC: the one in ``options``, ``01_01.asf`` or ``01.asf`` for ``01_01.amc``, or the folder's only ASF.

    Raises ClipError if there is none.
    """
    if options.skeleton is not None:
        return Path(options.skeleton)
    there = sorted(path for path in amc.parent.glob("*") if path.suffix.lower() == ".asf")
    for stem in (amc.stem, amc.stem.rpartition("_")[0]):
        for path in there:
            if path.stem.lower() == stem.lower():
                return path
    if len(there) == 1:
        return there[0]
    raise ClipError(
        f"{amc}: an AMC needs an ASF with the bones; put one in the same folder or give --skeleton FILE.asf"
    )


def read_asf(data: bytes, name: str) -> AsfTable:
    """Parse the bones of an ASF. Raises ClipError that names the line."""
    table, section, bone = AsfTable(), "", None
    table.bones["root"] = AsfBone("root")
    for line_number, line in enumerate(decode(data, name).split("\n"), 1):
        where = f"{name}: line {line_number}"
        line = line.split("#")[0].strip()
        if not line:
            continue
        if line.startswith(":"):
            section = line[1:].split()[0].lower() if len(line) > 1 and line[1:].split() else ""
            continue
        key, _, rest = line.replace("\t", " ").partition(" ")
        key = key.lower()
        if section == "units":
            _read_unit(table, key, rest.strip(), where)
        elif section == "root":
            _read_root(table, key, rest, where)
        elif section == "bonedata":
            if key == "begin":
                bone = AsfBone("")
            elif key == "end":
                if bone is None or not bone.name or bone.name in table.bones:
                    raise ClipError(f"{where}: the bone that ends here has no name or a used one; give each its own")
                table.bones[bone.name], bone = bone, None
                if len(table.bones) > _MAX_BONES:
                    raise ClipError(f"{where}: more than {_MAX_BONES} bones, the most that are read")
            elif bone is not None:
                _read_bone(bone, table, key, rest, where)
        elif section == "hierarchy" and key not in ("begin", "end"):
            parent, *children = line.split()
            for child in children:
                if {parent, child} - table.bones.keys() or table.bones[child].parent or child == "root":
                    raise ClipError(
                        f"{where}: {short(child)} cannot be a child of {short(parent)}; "
                        "both must be in :bonedata, and a bone has one parent, the root none"
                    )
                table.bones[child].parent = parent
    if len(table.bones) == 1:
        raise ClipError(f"{name}: no bones; an ASF file has :bonedata and :hierarchy")
    return table


def _read_unit(table: AsfTable, key: str, value: str, where: str) -> None:
    if key == "length":
        table.length_scale = number(value, where)
    elif key == "angle":
        table.degrees = not value.lower().startswith("rad")


def _read_root(table: AsfTable, key: str, rest: str, where: str) -> None:
    root = table.bones["root"]
    if key == "order":
        root.dof = tuple(word.lower() for word in rest.split())
        _check_dof(root.dof, where)
    elif key == "axis":
        root.axis_order = _axis_order(rest, where)
    elif key == "position":
        table.position = _three(rest, where)
    elif key == "orientation":
        root.axis = _three(rest, where, _radians(table))


def _read_bone(bone: AsfBone, table: AsfTable, key: str, rest: str, where: str) -> None:
    if key == "name":
        bone.name = rest.strip()
    elif key == "direction":
        bone.direction = _three(rest, where)
        size = math.sqrt(sum(v * v for v in bone.direction))
        if not 0.5 < size < 2.0:
            raise ClipError(f"{where}: a direction of length {size:g}; it must be a unit vector")
        bone.direction = tuple(v / size for v in bone.direction)
    elif key == "length":
        bone.length = number(rest.strip(), where)
    elif key == "axis":
        *angles, order = rest.split() or [""]
        bone.axis = _three(" ".join(angles), where, _radians(table))
        bone.axis_order = _axis_order(order, where)
    elif key == "dof":
        bone.dof = tuple(word.lower() for word in rest.split())
        _check_dof(bone.dof, where)


def _check_dof(dof: tuple[str, ...], where: str) -> None:
    if "l" in dof:
        raise ClipError(f"{where}: bones that change their length (dof l) are not read; valid: rx ry rz tx ty tz")
    if len(set(dof)) < len(dof) or not set(dof) <= {kind + axis for kind in "rt" for axis in "xyz"}:
        raise ClipError(
            f"{where}: {short(' '.join(dof))} are not degrees of freedom; valid, each once: rx ry rz tx ty tz"
        )


def _axis_order(text: str, where: str) -> str:
    order = text.strip().upper()
    if sorted(order) != ["X", "Y", "Z"]:
        raise ClipError(f"{where}: {short(text.strip())} is not an order of axes, such as XYZ")
    return order


def _three(text: str, where: str, scale: float = 1.0) -> tuple[float, ...]:
    values = number_row(text, where)
    if len(values) != 3:
        raise ClipError(f"{where}: expected three numbers, found {len(values)}")
    return tuple(value * scale for value in values)


def _radians(table: AsfTable) -> float:
    return math.pi / 180 if table.degrees else 1.0


def _end(bone: AsfBone) -> tuple[float, ...]:
    return tuple(v * bone.length for v in bone.direction)


def _parents_first(table: AsfTable, name: str) -> list[str]:
    children: dict[str, list[str]] = {}
    for bone in table.bones.values():
        children.setdefault(bone.parent, []).append(bone.name)
    order, pending = [], ["root"]
    while pending:
        bone_name = pending.pop()
        order.append(bone_name)
        pending += children.get(bone_name, [])[::-1]
    if lost := [bone for bone in table.bones if bone not in set(order)]:
        raise ClipError(f"{name}: the ASF's hierarchy does not reach {short(lost[0])} from the root")
    return order


def _read_frames(text: str, table: AsfTable, name: str) -> dict[str, Tensor]:
    """Read the numbers (T, dof) of each bone that moves, by name; angles [rad]. Raises ClipError that names the line."""
    moving = {bone.name: len(bone.dof) for bone in table.bones.values() if bone.dof}
    rows: dict[str, list[list[float]]] = {bone: [] for bone in moving}
    frames, degrees, total = 0, True, 0

    def check_complete(where: str) -> None:
        missing = [bone for bone, values in rows.items() if 0 < len(values) < frames]
        if missing:
            raise ClipError(f"{where}: frame {frames} has no numbers for {short(missing[0])}")

    for line_number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        where = f"{name}: line {line_number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith(":"):
            degrees = degrees and line.lower() != ":radians"
        elif re.fullmatch(r"[0-9]{1,9}", line):
            check_complete(where)
            frames += 1
            if frames > _MAX_FRAMES:
                raise ClipError(f"{name}: more than {_MAX_FRAMES} frames, the most a clip may have")
        else:
            bone, _, rest = line.replace("\t", " ").partition(" ")
            row = number_row(rest, where)
            if bone not in moving:
                raise ClipError(f"{where}: {short(bone)} is not a bone with degrees of freedom in the ASF")
            if len(row) != moving[bone]:
                raise ClipError(f"{where}: {len(row)} numbers; {short(bone)} has {moving[bone]} degrees of freedom")
            if len(rows[bone]) + 1 != frames:
                raise ClipError(f"{where}: {short(bone)} must be in every frame exactly once")
            rows[bone].append(row)
            total += len(row)
            if total > MAX_NUMBERS:
                raise ClipError(f"{name}: more than {MAX_NUMBERS} numbers, the most a clip may have")
    if not frames:
        raise ClipError(f"{name}: the AMC has no frames")
    check_complete(f"{name}: the end")
    scale = math.pi / 180 if degrees else 1.0
    tensors = {}
    for bone, values in rows.items():
        if values:
            factors = [scale if dof[0] == "r" else 1.0 for dof in table.bones[bone].dof]
            tensors[bone] = torch.tensor(values, dtype=torch.float64) * torch.tensor(factors, dtype=torch.float64)
            if (tensors[bone].abs() > _MAX_DEGREES).any():
                most = float(tensors[bone].abs().max())
                raise ClipError(
                    f"{name}: {short(bone)} has a number of size {most:g}; at most {_MAX_DEGREES:g} is read"
                )
    if not tensors:
        raise ClipError(f"{name}: no frame has numbers for a bone, so nothing moves")
    return tensors


def _apply(bone: AsfBone, values: Tensor | None, frames: int) -> tuple[Tensor, Tensor]:
    """Return the translation (T, 3) and the rotation (T, 4) wxyz of one bone against its parent."""
    angles = torch.tensor(bone.axis, dtype=torch.float64)
    turn = _euler([(axis, angles["XYZ".index(axis)]) for axis in bone.axis_order])
    moved = torch.zeros(frames, 3, dtype=torch.float64)
    if values is None:
        return moved, torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).repeat(frames, 1)
    steps = []
    for column, dof in enumerate(bone.dof):
        if dof[0] == "r":
            steps.append((dof[1].upper(), values[:, column]))
        else:
            moved[:, "xyz".index(dof[1])] = values[:, column]
    inner = _euler(steps) if steps else torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    inner, turn = inner.expand(frames, 4), turn.expand(frames, 4)
    quat = quat_mul(quat_mul(turn, inner), quat_conj(turn))
    return quat_rotate(turn, moved), quat / quat.norm(dim=-1, keepdim=True)


def _euler(steps: list[tuple[str, Tensor]]) -> Tensor:
    """Return the rotation (..., 4) wxyz of turns about fixed axes, applied in the order of ``steps``."""
    quat = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    for axis, angle in steps:
        unit = torch.tensor([axis == a for a in "XYZ"], dtype=torch.float64)
        step = quat_from_axis_angle(unit.expand(*angle.shape, 3), angle)
        quat = quat_mul(step, quat.expand_as(step))
    return quat
