"""Reads and writes Biovision BVH: a tree of joints with their channels, then one row of numbers a frame.

Parsers differ about the format; this one reads it as follows. Rotation channels apply in the file's order, each about
the axes that the previous one has rotated (R = R1 R2 R3). The order may differ from joint to joint. Position channels of
any joint replace its OFFSET. A joint has zero to six channels in any order. The file states no units, no up axis and no
facing.

``bvh_table.py`` holds a file's numbers unchanged; :func:`read_bvh` and :func:`write_bvh` convert them from and to motion.
"""

import math
import re
from dataclasses import replace

import torch
from torch import Tensor

from mimic.core.errors import ClipError, nearest
from mimic.core.rotations import quat_conj, quat_from_axis_angle, quat_mul, quat_rotate
from mocap.conventions import NO_OPTIONS, ReadOptions, axes_quat, frame_rate, metres, skeleton_to_canonical
from mocap.editing import resample_skeleton
from mocap.formats.bvh_table import BvhJoint, BvhTable, read_table, write_table
from mocap.formats.strict_text import short
from mocap.skeleton import Skeleton, SkeletonMotion

_MAX_DEGREES = 1e6


def read_bvh(data: bytes, name: str, options: ReadOptions = NO_OPTIONS) -> SkeletonMotion:
    """Read the motion in a BVH file. Raises ClipError for any broken file, with the line where there is one."""
    table = _one_figure(read_table(data, name), options.root, name)
    if not len(table.rows):
        raise ClipError(f"{name}: the file has no frames")
    quat, pos = [], []
    column = 0
    for joint in table.joints:
        values = table.rows[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        quat.append(_rotation(joint, values, name))
        pos.append(_position(joint, values))
    tips = [(b, tip) for b, joint in enumerate(table.joints) for tip in joint.tips]
    skeleton = Skeleton(
        names=_unique([joint.name for joint in table.joints]),
        parents=tuple(joint.parent for joint in table.joints),
        offsets=torch.tensor([joint.offset for joint in table.joints], dtype=torch.float64),
        rest_quat=_identity(len(table.joints)),
        end_site_parents=tuple(b for b, _ in tips),
        end_site_offsets=torch.tensor([tip for _, tip in tips], dtype=torch.float64).reshape(-1, 3),
    )
    fps = frame_rate(table.frame_time, options, name)
    stacked = torch.stack(quat, 1), torch.stack(pos, 1)
    return skeleton_to_canonical(name, "BVH", skeleton, *stacked, fps, options, warnings=table.warnings)


def write_bvh(motion: SkeletonMotion, unit: str = "cm", up: str = "y", forward: str = "z") -> bytes:
    """Write any skeleton's motion as BVH, at an even frame rate, with rotations in the order ZXY and six decimals.

    BVH has no rest rotations, so every bone gets a frame that is parallel to the world's at rest. The joints keep their
    positions. Read back with the same unit and axes, the motion is the same to the digits written. Raises InputError for
    an unknown unit or axis.
    """
    motion = resample_skeleton(motion)
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
    parents = list(skeleton.end_site_parents)
    tip_frames = quat_mul(turn.expand(len(parents), 4), rest[parents])
    tips = quat_rotate(tip_frames, skeleton.end_site_offsets) * per_metre
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
        own = tuple(_rounded(tips[t]) for t, p in enumerate(skeleton.end_site_parents) if p == bone)
        index = order.index(parent) if parent >= 0 else -1
        joints.append(BvhJoint(_writable(skeleton.names[bone]), index, _rounded(offset), channels, own))
    rate = motion.fps or float(motion.conventions.fps.value or 30)
    rows = (torch.cat(columns, 1) * 1e6).round() / 1e6
    return write_table(BvhTable(tuple(joints), float(f"{1 / rate:.10g}"), rows))


def _one_figure(table: BvhTable, root: str | None, name: str) -> BvhTable:
    """Return the table of one figure: the file's only figure, or the one whose ROOT is named ``root``.

    Raises ClipError for several figures without ``root``, or no such figure.
    """
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


def _rotation(joint: BvhJoint, values: Tensor, name: str) -> Tensor:
    """Return the rotation (T, 4) wxyz of a joint from its channels. Raises ClipError for an angle above 1e6 degrees."""
    quat = _identity(len(values))
    for column, channel in enumerate(joint.channels):
        if channel.endswith("rotation"):
            angle = values[:, column]
            if (angle.abs() > _MAX_DEGREES).any():
                most = float(angle.abs().max())
                raise ClipError(
                    f"{name}: {short(joint.name)}: {channel} reaches {most:g} degrees; at most {_MAX_DEGREES:g} are read"
                )
            axis = values.new_tensor([channel[0] == a for a in "XYZ"]).expand(len(values), 3)
            quat = quat_mul(quat, quat_from_axis_angle(axis, angle * (math.pi / 180)))
    return quat / quat.norm(dim=-1, keepdim=True)


def _position(joint: BvhJoint, values: Tensor) -> Tensor:
    """Return a joint's position (T, 3) in its parent's frame; the OFFSET fills axes without a position channel."""
    pos = values.new_tensor(joint.offset).repeat(len(values), 1)
    for column, channel in enumerate(joint.channels):
        if channel.endswith("position"):
            pos[:, "XYZ".index(channel[0])] = values[:, column]
    return pos


def _euler_zxy(quat: Tensor) -> Tensor:
    """Return angles (T, 3) [degrees] about Z, X, Y, each about the axes already turned, without jumps of a whole turn."""
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
    """Return the bones' indices in depth-first order, as a nested file lists them."""
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
    """Make names unique: the second of two equal names gets ``#2``, and the nameless joint 5 is called ``joint5``."""
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


def _identity(count: int) -> Tensor:
    return torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(count, 1)
