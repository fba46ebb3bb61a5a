"""Reads robot trajectories as comma-separated rows, as in Unitree's retargeted LaFAN1.

A row holds root position, root quaternion (x, y, z, w), then one angle [rad] per joint. z is up, lengths are in metres,
and there are 30 frames a second. The columns have no names, so their number identifies the robot: 36 columns mean the
29-joint Unitree G1. The file states no bone lengths. :data:`G1` has approximate lengths, which suffice for pictures and
retargeting.
"""

from typing import NamedTuple

import torch

from mimic.core.errors import ClipError
from mimic.core.rotations import quat_from_axis_angle, quat_mul, quat_normalize
from mocap.conventions import NO_OPTIONS, DeclaredConventions, ReadOptions, skeleton_to_canonical
from mocap.formats.strict_text import MAX_NUMBERS, decode, number_row
from mocap.skeleton import Assumption, Skeleton, SkeletonMotion

_FPS = 30.0
_MAX_ANGLE = 100.0  # [rad]


class RobotJoint(NamedTuple):
    """A hinge: its parent joint, its position in the parent's frame [m], its axis, and a fixed turn before the hinge's."""

    parent: str
    offset: tuple[float, float, float]
    axis: str
    pitched: float = 0.0  # [rad] about y


def _leg(side: str, sign: int) -> dict[str, RobotJoint]:
    return {
        f"{side}_hip_pitch": RobotJoint("pelvis", (0.0, sign * 0.064, -0.103), "y"),
        f"{side}_hip_roll": RobotJoint(f"{side}_hip_pitch", (0.0, sign * 0.052, -0.030), "x", -0.175),
        f"{side}_hip_yaw": RobotJoint(f"{side}_hip_roll", (0.025, 0.0, -0.124), "z"),
        f"{side}_knee": RobotJoint(f"{side}_hip_yaw", (-0.078, sign * 0.002, -0.177), "y", 0.175),
        f"{side}_ankle_pitch": RobotJoint(f"{side}_knee", (0.0, 0.0, -0.300), "y"),
        f"{side}_ankle_roll": RobotJoint(f"{side}_ankle_pitch", (0.0, 0.0, -0.018), "x"),
    }


def _arm(side: str, sign: int) -> dict[str, RobotJoint]:
    return {
        f"{side}_shoulder_pitch": RobotJoint("waist_pitch", (0.004, sign * 0.100, 0.238), "y"),
        f"{side}_shoulder_roll": RobotJoint(f"{side}_shoulder_pitch", (0.0, sign * 0.038, -0.014), "x"),
        f"{side}_shoulder_yaw": RobotJoint(f"{side}_shoulder_roll", (0.0, sign * 0.006, -0.103), "z"),
        f"{side}_elbow": RobotJoint(f"{side}_shoulder_yaw", (0.016, 0.0, -0.081), "y"),
        f"{side}_wrist_roll": RobotJoint(f"{side}_elbow", (0.100, sign * 0.002, -0.010), "x"),
        f"{side}_wrist_pitch": RobotJoint(f"{side}_wrist_roll", (0.038, 0.0, 0.0), "y"),
        f"{side}_wrist_yaw": RobotJoint(f"{side}_wrist_pitch", (0.046, 0.0, 0.0), "z"),
    }


# in the order of the columns
G1 = {
    **_leg("left", 1),
    **_leg("right", -1),
    "waist_yaw": RobotJoint("pelvis", (-0.004, 0.0, 0.0), "z"),
    "waist_roll": RobotJoint("waist_yaw", (0.0, 0.0, 0.035), "x"),
    "waist_pitch": RobotJoint("waist_roll", (0.0, 0.0, 0.019), "y"),
    **_arm("left", 1),
    **_arm("right", -1),
}
ROBOTS = {7 + len(G1): ("Unitree G1", G1)}


def read_robot_csv(data: bytes, name: str, options: ReadOptions = NO_OPTIONS) -> SkeletonMotion:
    """Read a robot's trajectory as the motion of a skeleton. Raises ClipError with the line."""
    rows: list[list[float]] = []
    for line_number, line in enumerate(decode(data, name).split("\n"), 1):
        where = f"{name}: line {line_number}"
        if not line.strip():
            continue
        cells = [number_row(cell, where) for cell in line.strip().removesuffix(",").split(",")]
        if any(len(cell) != 1 for cell in cells):
            raise ClipError(f"{where}: expected one number between two commas")
        if len(cells) not in ROBOTS or (rows and len(cells) != len(rows[0])):
            known = ", ".join(f"{robot} {width}" for width, (robot, _) in ROBOTS.items())
            raise ClipError(f"{where}: {len(cells)} numbers; all rows must have as many as a known robot ({known})")
        rows.append([cell[0] for cell in cells])
        if len(rows) * len(cells) > MAX_NUMBERS:
            raise ClipError(f"{name}: more than {MAX_NUMBERS} numbers, the most a clip may have")
    if not rows:
        raise ClipError(f"{name}: the file is empty; it needs rows of numbers")
    table = torch.tensor(rows, dtype=torch.float64)
    robot, joints = ROBOTS[table.shape[1]]
    if ((table[:, 3:7].norm(dim=-1) - 1).abs() > 0.05).any():
        raise ClipError(f"{name}: columns 4 to 7 must be the root's unit quaternion (x, y, z, w)")
    if (table[:, 7:].abs() > _MAX_ANGLE).any():
        most = float(table[:, 7:].abs().max())
        raise ClipError(f"{name}: an angle of {most:g} is above {_MAX_ANGLE:g} rad; angles must be in radians")
    names = ("pelvis", *joints)
    offsets = torch.tensor([(0.0, 0.0, 0.0), *(joint.offset for joint in joints.values())], dtype=torch.float64)
    rest, quat = [_turn("y", torch.zeros(1, dtype=torch.float64))], [quat_normalize(table[:, [6, 3, 4, 5]])]
    for column, joint in enumerate(joints.values(), 7):
        rest.append(_turn("y", table.new_tensor([joint.pitched])))
        quat.append(quat_mul(rest[-1].expand(len(table), 4), _turn(joint.axis, table[:, column])))
    pos = offsets.repeat(len(table), 1, 1)
    pos[:, 0] = table[:, :3]
    parents = (-1, *(names.index(joint.parent) for joint in joints.values()))
    skeleton = Skeleton(names, parents, offsets, torch.cat(rest))
    fps = Assumption(f"{_FPS!r}", "guess", "what retargeted LaFAN1 has; the file has no rate")
    if options.fps is not None:
        fps = Assumption(f"{options.fps!r}", "user")
    warnings = (f"{table.shape[1]} columns are taken for a {robot}, whose bone lengths are approximate",)
    stacked = torch.stack(quat, 1)
    return skeleton_to_canonical(
        name, "robot CSV", skeleton, stacked, pos, fps, options, DeclaredConventions("m", "z"), warnings
    )


def _turn(axis: str, angle: torch.Tensor) -> torch.Tensor:
    """Return rotations (T, 4) wxyz about the axis "x", "y" or "z" by angles (T,) [rad]."""
    unit = angle.new_tensor([axis == a for a in "xyz"])
    return quat_from_axis_angle(unit.expand(len(angle), 3), angle)
