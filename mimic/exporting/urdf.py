"""character.urdf: collision shapes, masses and joints for tools that read no MJCF.

URDF has no ball joint. Each becomes three hinges about x, y and z in a row, with two links of negligible mass between
them, and has the rotation R = Rx(a) Ry(b) Rz(c). Damping and gains are in control.json.
"""

import math
import warnings
import xml.etree.ElementTree as ET

import numpy as np
from scipy.spatial.transform import Rotation

from characters import Body, Character, Geom, Joint

_LIGHT = 1e-6  # [kg] of a link that only carries a hinge
_AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}


def character_urdf(character: Character) -> bytes:
    """Return the bytes of character.urdf."""
    robot = ET.Element("robot", name=character.name)
    robot.insert(0, ET.Comment(" z up, x forward, metres; a ball joint is three hinges: R = Rx Ry Rz "))
    for body in character.bodies:
        _add_link(robot, body)
        if body.parent >= 0:
            joint = None if body.joint is None else character.joints[body.joint]
            _add_joint(robot, body, joint, character.bodies[body.parent].name)
    ET.indent(robot)
    return ET.tostring(robot, encoding="utf-8", xml_declaration=True) + b"\n"


def _add_link(robot: ET.Element, body: Body) -> None:
    link = ET.SubElement(robot, "link", name=body.name)
    inertial = ET.SubElement(link, "inertial")
    _origin(inertial, body.com, _rpy(body.geom.quat))
    ET.SubElement(inertial, "mass", value=repr(body.mass))
    xx, yy, zz = _inertia(body.geom, body.mass)
    ET.SubElement(inertial, "inertia", ixx=repr(xx), ixy="0", ixz="0", iyy=repr(yy), iyz="0", izz=repr(zz))
    for kind in ("visual", "collision"):
        _add_shapes(link, kind, body.geom)


def _add_shapes(link: ET.Element, kind: str, geom: Geom) -> None:
    """Add the geom's primitive to a link; a capsule becomes a cylinder and two spheres."""
    size = geom.size

    def place(shift: float = 0.0) -> ET.Element:
        element = ET.SubElement(link, kind)
        along = Rotation.from_quat(geom.quat, scalar_first=True).apply((0.0, 0.0, shift))
        _origin(element, tuple(np.add(geom.pos, along)), _rpy(geom.quat))
        return ET.SubElement(element, "geometry")

    if geom.shape == "box":
        ET.SubElement(place(), "box", size=_text(2.0 * np.array(size)))
    elif geom.shape == "sphere":
        ET.SubElement(place(), "sphere", radius=repr(size[0]))
    else:
        ET.SubElement(place(), "cylinder", radius=repr(size[0]), length=repr(2.0 * size[1]))
        for end in (-size[1], size[1]):
            ET.SubElement(place(end), "sphere", radius=repr(size[0]))


def _add_joint(robot: ET.Element, body: Body, joint: Joint | None, parent: str) -> None:
    if joint is None:
        _joint(robot, body.name, "fixed", parent, body.name, body.offset)
    elif joint.kind == "hinge":
        element = _joint(robot, joint.name, "revolute", parent, body.name, body.offset)
        ET.SubElement(element, "axis", xyz=_text(joint.axis))
        low, high = joint.range or (-math.pi, math.pi)
        _limit(element, joint.torque_limit, lower=repr(low), upper=repr(high))
    else:
        offset = body.offset
        for axis, xyz in _AXES.items():
            child = body.name if axis == "z" else f"{joint.name}_{axis}_link"
            if axis != "z":
                _add_carrier(robot, child)
            element = _joint(robot, f"{joint.name}_{axis}", "continuous", parent, child, offset)
            ET.SubElement(element, "axis", xyz=xyz)
            _limit(element, joint.torque_limit)
            parent, offset = child, (0.0, 0.0, 0.0)


def _add_carrier(robot: ET.Element, name: str) -> None:
    link = ET.SubElement(robot, "link", name=name)
    inertial = ET.SubElement(link, "inertial")
    _origin(inertial, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    ET.SubElement(inertial, "mass", value=repr(_LIGHT))
    tiny = repr(_LIGHT * 1e-4)
    ET.SubElement(inertial, "inertia", ixx=tiny, ixy="0", ixz="0", iyy=tiny, iyz="0", izz=tiny)


def _joint(robot: ET.Element, name: str, kind: str, parent: str, child: str, offset: tuple[float, ...]) -> ET.Element:
    element = ET.SubElement(robot, "joint", name=name, type=kind)
    ET.SubElement(element, "parent", link=parent)
    ET.SubElement(element, "child", link=child)
    _origin(element, offset, (0.0, 0.0, 0.0))
    return element


def _limit(element: ET.Element, effort: float, **bounds: str) -> None:
    ET.SubElement(element, "limit", {**bounds, "effort": repr(effort), "velocity": "100"})


def _origin(element: ET.Element, xyz: tuple[float, ...], rpy: tuple[float, ...]) -> None:
    ET.SubElement(element, "origin", xyz=_text(xyz), rpy=_text(rpy))


def _rpy(quat: tuple[float, ...]) -> tuple[float, ...]:
    """Return URDF's roll, pitch and yaw [rad], which are turns about the fixed x, then y, then z axis."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # upright capsules are at the gimbal lock, where any of the many answers will do
        return tuple(float(x) for x in Rotation.from_quat(quat, scalar_first=True).as_euler("xyz"))


def _inertia(geom: Geom, mass: float) -> tuple[float, float, float]:
    """Return the principal moments of inertia [kg m^2] of a solid primitive about its centre."""
    if geom.shape == "box":
        a, b, c = (2.0 * s for s in geom.size)
        return mass * (b * b + c * c) / 12, mass * (a * a + c * c) / 12, mass * (a * a + b * b) / 12
    r = geom.size[0]
    if geom.shape == "sphere":
        return (0.4 * mass * r * r,) * 3
    half = geom.size[1]
    cylinder, caps = 2.0 * half * r * r, 4.0 / 3.0 * r**3  # volumes over pi
    m_cylinder, m_caps = mass * cylinder / (cylinder + caps), mass * caps / (cylinder + caps)
    along = 0.5 * m_cylinder * r * r + 0.4 * m_caps * r * r
    across = m_cylinder * (r * r / 4 + half * half / 3) + m_caps * (0.4 * r * r + half * half + 0.75 * half * r)
    return across, across, along


def _text(values: object) -> str:
    return " ".join(repr(float(v)) for v in values)  # type: ignore[attr-defined]
