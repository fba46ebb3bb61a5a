"""DeepMimic's clip files: JSON with ``Loop`` and ``Frames``, one row of numbers a frame.

A row holds the frame's duration [s], the root's position (3) [m] and quaternion (4, wxyz), then the joints. Joints come in
the character's ``deepmimic_order``: a quaternion (4) for a ball, an angle [rad] for a hinge, nothing for a fixed joint.
The file's y is up and its z to the right, so p = (x, y, z) becomes (x, -z, y). Quaternions change likewise, because every
joint frame is parallel to its parent's at zero pose. Quaternions of published files are up to 42 % off unit length
(kick) and change sign between rows. The last row's duration is meaningless. Other keys (joint lists, sync flags) are
ignored.
"""

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from characters.character import Character, Joint, load_character
from characters.registry import character_names
from mimic.core.errors import ClipError, nearest
from mimic.core.rotations import quat_from_axis_angle, quat_hemisphere, quat_normalize
from mocap.formats.strict_json import describe, parse_json
from mocap.motion import Motion, check_character

_LOOPS = {"wrap": True, "none": False}
_MAX_FRAMES = 1_000_000
# beyond these a file is garbled, or in other units; they keep velocities finite too
_MAX_POSITION = 1e4  # [m]
_DURATIONS = (1e-4, 60.0)  # [s] of a frame
_NORMS = (0.25, 4.0)  # of a quaternion
_MAX_ANGLE = 2 * torch.pi  # [rad] of a hinge


@dataclass(frozen=True)
class ClipTable:
    """The content of a DeepMimic file: whether the clip loops, and the rows (T, W) float64, all finite."""

    loop: bool
    rows: Tensor

    @property
    def duration(self) -> float:
        """Time from the first row to the last [s]."""
        return float(self.rows[:-1, 0].sum())


def read_deepmimic(data: bytes, character: Character | None, name: str) -> Motion:
    """Read the motion in a DeepMimic file: z up, unit quaternions without sign flips, starting above the origin.

    Without ``character`` the width of a row decides which character it is. Raises ClipError for any broken file, with
    the line or row.
    """
    table = read_table(data, name)
    character = character or _character_of(table, name)
    if table.rows.shape[1] != row_width(character):
        found, expected = table.rows.shape[1], row_width(character)
        raise ClipError(f"{name}: row 1 has {found} numbers; a {character.name} row has {expected}")
    _check_rows(table.rows, character, name)
    times = torch.cat((torch.zeros(1, dtype=torch.float64), table.rows[:-1, 0].cumsum(0)))
    root_pos = _z_up(table.rows[:, 1:4])
    start = root_pos[0] * root_pos.new_tensor([1.0, 1.0, 0.0])
    joint_quat = [_joint_quat(joint, table.rows[:, columns]) for joint, columns in _columns(character)]
    return Motion(
        name=name,
        character=character.name,
        joint_names=tuple(joint.name for joint in character.joints),
        times=times,
        root_pos_w=root_pos - start,
        root_quat_w=_quat_z_up(table.rows[:, 4:8]),
        joint_quat=torch.stack(joint_quat, 1),
        loop=table.loop,
        source=name,
    )


def write_deepmimic(motion: Motion, character: Character) -> bytes:
    """Write a file that :func:`read_deepmimic` reads back as the same motion. Raises ClipError for a wrong character."""
    check_character(motion, character)
    rows = torch.zeros(motion.num_frames, row_width(character), dtype=torch.float64)
    rows[:-1, 0] = motion.times.diff()
    rows[:, 1:4] = _y_up(motion.root_pos_w)
    rows[:, 4:8] = _quat_y_up(motion.root_quat_w)
    for j, (joint, columns) in enumerate(_columns(character)):
        quat = motion.joint_quat[:, j]
        rows[:, columns] = _quat_y_up(quat) if joint.kind == "ball" else _hinge_angle(joint, quat)[:, None]
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows.tolist())
    loop = next(word for word, loops in _LOOPS.items() if loops == motion.loop)
    return f'{{\n"Loop": "{loop}",\n"Frames":\n[\n{lines}\n]\n}}\n'.encode("ascii")


def row_width(character: Character) -> int:
    """Return the count of numbers in a row of this character's clips: humanoid 44, dog 84."""
    return 8 + sum(4 if joint.kind == "ball" else 1 for joint in character.joints)


def read_table(data: bytes, name: str) -> ClipTable:
    """Parse a DeepMimic file without knowing its character. Raises ClipError."""
    document = parse_json(data, name)
    if not isinstance(document, dict) or not {"Loop", "Frames"} <= document.keys():
        found = ", ".join(map(describe, list(document)[:8])) if isinstance(document, dict) else describe(document)
        raise ClipError(f"{name}: expected the keys Loop and Frames of a DeepMimic clip; found {found or 'none'}")
    loop, frames = document["Loop"], document["Frames"]
    if not isinstance(loop, str) or loop not in _LOOPS:
        raise ClipError(f"{name}: Loop is {describe(loop)}; {nearest(describe(loop), _LOOPS)}")
    if not isinstance(frames, list) or not 2 <= len(frames) <= _MAX_FRAMES:
        found = f"a list of {len(frames)}" if isinstance(frames, list) else describe(frames)
        raise ClipError(f"{name}: Frames is {found}; it must be a list of 2 to {_MAX_FRAMES} rows")
    for i, row in enumerate(frames):
        _check_row(row, frames[0], f"{name}: row {i + 1}")
    rows = torch.tensor(frames, dtype=torch.float64)
    _refuse(~torch.isfinite(rows), rows, name, "is not finite")
    return ClipTable(_LOOPS[loop], rows)


def _check_row(row: Any, first_row: Any, where: str) -> None:
    if not isinstance(row, list) or not row:
        raise ClipError(f"{where} is not a list of numbers")
    if len(row) != len(first_row):
        raise ClipError(f"{where} has {len(row)} numbers; the first row has {len(first_row)}")
    for column, value in enumerate(row):
        if type(value) is not float:
            raise ClipError(f"{where}, column {column + 1}: {describe(value)} is not a number")


def _check_rows(rows: Tensor, character: Character, name: str) -> None:
    """Raise ClipError for a duration, position, quaternion or angle outside the limits of this module."""
    shortest, longest = _DURATIONS
    durations = rows[:-1, :1]
    _refuse(
        (durations < shortest) | (durations > longest),
        rows,
        name,
        f"is not a duration between {shortest} and {longest} s",
    )
    _refuse(
        rows[:, 1:4].abs() > _MAX_POSITION, rows, name, f"is a position more than {_MAX_POSITION} m from the origin", 1
    )
    quats = [slice(4, 8)] + [columns for joint, columns in _columns(character) if joint.kind == "ball"]
    for columns in quats:
        norm = rows[:, columns].norm(dim=-1, keepdim=True)
        odd = (norm < _NORMS[0]) | (norm > _NORMS[1])
        _refuse(
            odd,
            rows,
            name,
            f"starts a quaternion whose length is not between {_NORMS[0]:g} and {_NORMS[1]:g}",
            columns.start,
        )
    for joint, columns in _columns(character):
        if joint.kind == "hinge":
            odd = rows[:, columns].abs() > _MAX_ANGLE
            _refuse(odd, rows, name, f"rad is more than a whole turn of the {joint.name}", columns.start)


def _refuse(odd: Tensor, rows: Tensor, name: str, complaint: str, first_column: int = 0) -> None:
    """Raise ClipError at the first True of ``odd`` (T, n), whose columns are those of ``rows`` from ``first_column``."""
    if odd.any():
        row, column = (int(i) for i in odd.nonzero()[0])
        column += first_column
        value = float(rows[row, column])
        raise ClipError(f"{name}: row {row + 1}, column {column + 1}: {value:g} {complaint}")


def _character_of(table: ClipTable, name: str) -> Character:
    known = [load_character(each) for each in character_names()]
    characters = [character for character in known if character.config.deepmimic_order]
    for character in characters:
        if row_width(character) == table.rows.shape[1]:
            return character
    widths = ", ".join(f"{character.name} {row_width(character)}" for character in characters)
    raise ClipError(f"{name}: row 1 has {table.rows.shape[1]} numbers, which fits no character ({widths})")


def _columns(character: Character) -> list[tuple[Joint, slice]]:
    """Return each moving joint with its columns of a row, in the order of ``character.joints``."""
    joints = {body.name: character.joints[body.joint] for body in character.bodies if body.joint is not None}
    columns: dict[str, slice] = {}
    start = 8
    for name in character.config.deepmimic_order:
        if name in joints:
            stop = start + (4 if joints[name].kind == "ball" else 1)
            columns[joints[name].name] = slice(start, stop)
            start = stop
    if len(columns) < len(character.joints):
        raise ClipError(
            f"{character.name}: DeepMimic clips need a deepmimic_order of all bodies in the character's YAML"
        )
    return [(joint, columns[joint.name]) for joint in character.joints]


def _joint_quat(joint: Joint, values: Tensor) -> Tensor:
    """Return a joint's quaternions (T, 4), z up, from its columns: (T, 4) y up, or angles (T, 1) [rad]."""
    if joint.kind == "ball":
        return _quat_z_up(values)
    return quat_hemisphere(quat_from_axis_angle(values.new_tensor(joint.axis).expand(len(values), 3), values[:, 0]))


def _hinge_angle(joint: Joint, quat: Tensor) -> Tensor:
    """Return the angle (T,) [rad] about the joint's axis, in (-pi, pi]."""
    half = torch.atan2(quat[:, 1:] @ quat.new_tensor(joint.axis), quat[:, 0])
    return torch.pi - torch.remainder(torch.pi - 2 * half, 2 * torch.pi)


def _quat_z_up(quat: Tensor) -> Tensor:
    return quat_hemisphere(quat_normalize(torch.cat((quat[:, :1], _z_up(quat[:, 1:])), -1)))


def _quat_y_up(quat: Tensor) -> Tensor:
    return torch.cat((quat[:, :1], _y_up(quat[:, 1:])), -1)


def _z_up(v: Tensor) -> Tensor:
    x, y, z = v.unbind(-1)
    return torch.stack((x, -z, y), -1)


def _y_up(v: Tensor) -> Tensor:
    x, y, z = v.unbind(-1)
    return torch.stack((x, z, -y), -1)
