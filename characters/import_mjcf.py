"""Imports a foreign MJCF as a character of mimic, with the same bones and masses.

Every body keeps its position and its mass. It keeps one collision primitive: the largest, or for a foot a box around all
of them. Several hinges at one body become a ball joint without limits; a single hinge stays a hinge. Body frames become
parallel to the world at the zero pose, in which the character must stand. Gains are those of mimic's humanoid, scaled
by mass. The result is a folder with an MJCF and a YAML that ``load_character`` reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import mujoco
import numpy as np
import yaml
from numpy.typing import NDArray

from characters.character import KeyBody
from characters.checked_mjcf import check_mjcf, check_model
from characters.roles import part_of
from mimic.core.errors import ConfigError, InputError
from mimic.core.strict_config import build, read_yaml, to_dict

Array = NDArray[np.float64]
_SCENE = Path(__file__).with_name("scene.xml")
_HUMANOID_KG = 45.0
_NAME = re.compile(r"\w[\w .+-]{0,100}")  # of a character, and so of its folder
_LIGHTEST = 0.05  # [kg]
# kp [N·m/rad] and torque limit [N·m] of our humanoid by role; kd is kp / 10
_SERVO = {
    "chest": (1000, 200),
    "spine": (1000, 200),
    "pelvis": (1000, 200),
    "neck": (100, 50),
    "hip": (500, 200),
    "knee": (500, 150),
    "ankle": (400, 90),
    "shoulder": (400, 100),
    "elbow": (300, 60),
}
_OTHER_SERVO = (200, 60)
_PRIMITIVES = {
    mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
    mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
    mujoco.mjtGeom.mjGEOM_CYLINDER: "capsule",
}


@dataclass(frozen=True)
class UserCharacter:
    """The short YAML of a user's character: the name of an MJCF in the same folder, and the body of each role."""

    model: str
    key_bodies: dict[str, KeyBody] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        for key, word in (("model", self.model), ("name", self.name or self.model)):
            if not _NAME.fullmatch(word):
                raise ValueError(f"{key} {word[:80]!r} must be a plain name: letters, digits, ' ._+-', and no folder")


@dataclass(frozen=True)
class _Bone:
    """A body of the imported character: the world position [m] of its joint, and the joint's kind, axis and limits."""

    id: int
    name: str
    parent: int  # among the bones
    place: Array
    kind: str  # "free", "ball", "hinge" or "fixed"
    axis: Array
    limits: tuple[float, float] | None


def read_user_yaml(path: Path) -> UserCharacter:
    """Read the short YAML of a user's character. Raises ConfigError for an unknown key or a wrong value."""
    return build(UserCharacter, read_yaml(path), str(path))


def body_tree(path: Path) -> tuple[tuple[str, ...], tuple[int, ...], Array]:
    """Return names, parent indices and world positions (B, 3) [m] of an MJCF's bodies at the zero pose.

    Raises InputError if MuJoCo cannot read the MJCF, it has no bodies, or a body has a slide joint.
    """
    bones = _bones(*_load(path), path)
    return tuple(b.name for b in bones), tuple(b.parent for b in bones), np.stack([b.place for b in bones])


def import_mjcf(path: Path, key_bodies: Mapping[str, KeyBody], folder: Path, name: str) -> Path:
    """Convert an MJCF to a character in ``folder / name`` and return the path of its YAML.

    Raises InputError if the MJCF cannot be converted.
    """
    model, data = _load(path)
    bones = _bones(model, data, path)
    names = [b.name for b in bones]
    for role, key in key_bodies.items():
        if key.body not in names:
            raise ConfigError(f"{path}: no body '{key.body}' for the role {role}; valid: {', '.join(names)}")
    turn = _facing(bones, key_bodies)
    feet = {key.body for role, key in key_bodies.items() if part_of(role) in ("ankle", "toe")}
    xml = _write_xml(model, data, bones, turn, feet, name)
    keys = {role: KeyBody(key.body, _at(data, bones, key, turn)) for role, key in key_bodies.items()}
    out = folder / name
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "scene.xml").write_bytes(_SCENE.read_bytes())
        (out / f"{name}.xml").write_text(xml, encoding="utf-8")
        compiled = mujoco.MjModel.from_xml_path(str(out / f"{name}.xml"))
        config = _config(compiled, bones, keys, name)
        (out / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{path}: cannot be converted to a character ({' '.join(str(error).split())})") from None
    return (out / f"{name}.yaml").resolve()


def _load(path: Path) -> tuple[mujoco.MjModel, mujoco.MjData]:
    check_mjcf(path)
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise InputError(f"{path}: MuJoCo cannot compile it: {' '.join(str(error).split())}") from None
    check_model(model, path)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return model, data


def _bones(model: mujoco.MjModel, data: mujoco.MjData, path: Path) -> list[_Bone]:
    free = [int(model.jnt_bodyid[j]) for j in range(model.njnt) if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE]
    root = free[0] if free else next((b for b in range(1, model.nbody) if model.body_parentid[b] == 0), 0)
    if not root:
        raise InputError(f"{path}: the MJCF has no bodies; a character needs at least one")
    bones: list[_Bone] = []
    index: dict[int, int] = {}
    for b in range(root, model.nbody):
        parent = index.get(int(model.body_parentid[b]), -1)
        if b != root and parent < 0:
            continue
        index[b] = len(bones)
        bones.append(_bone(model, data, b, parent, path))
    return bones


def _bone(model: mujoco.MjModel, data: mujoco.MjData, body: int, parent: int, path: Path) -> _Bone:
    name = model.body(body).name or f"body{body}"
    place, axis = data.xpos[body].copy(), np.array([0.0, 0.0, 1.0])
    joints = [j for j in range(model.njnt) if model.jnt_bodyid[j] == body]
    if parent < 0:
        return _Bone(body, name, parent, place, "free", axis, None)
    if any(model.jnt_type[j] in (mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_FREE) for j in joints):
        raise InputError(f"{path}: body '{name}' has a slide or free joint; it may have ball joints and hinges only")
    if not joints:
        return _Bone(body, name, parent, place, "fixed", axis, None)
    place = np.mean([data.xanchor[j] for j in joints], 0)
    if len(joints) == 1 and model.jnt_type[joints[0]] == mujoco.mjtJoint.mjJNT_HINGE:
        j = joints[0]
        limits = (float(model.jnt_range[j, 0]), float(model.jnt_range[j, 1])) if model.jnt_limited[j] else None
        return _Bone(body, name, parent, place, "hinge", data.xaxis[j].copy(), limits)
    return _Bone(body, name, parent, place, "ball", axis, None)


def _facing(bones: list[_Bone], keys: Mapping[str, KeyBody]) -> Array:
    """Return the rotation (3, 3) about z that turns the character's left side towards +y."""
    place = {b.name: b.place for b in bones}
    left = np.zeros(3)
    for part in ("hip", "shoulder"):
        if f"left_{part}" in keys and f"right_{part}" in keys:
            left = left + place[keys[f"left_{part}"].body] - place[keys[f"right_{part}"].body]
    angle = 0.0 if np.hypot(*left[:2]) < 1e-6 else np.pi / 2 - np.arctan2(left[1], left[0])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _at(data: mujoco.MjData, bones: list[_Bone], key: KeyBody, turn: Array) -> tuple[float, float, float]:
    """Return a key point [m] in its body's new frame, which has its origin at the joint and axes along the world's.

    ``turn`` (3, 3) is the rotation of the world that ``_facing`` returns.
    """
    bone = next(b for b in bones if b.name == key.body)
    world = data.xpos[bone.id] + data.xmat[bone.id].reshape(3, 3) @ np.array(key.at)
    x, y, z = turn @ (world - bone.place) if any(key.at) else np.zeros(3)
    return (round(float(x), 6), round(float(y), 6), round(float(z), 6))


def _write_xml(
    model: mujoco.MjModel, data: mujoco.MjData, bones: list[_Bone], turn: Array, feet: set[str], name: str
) -> str:
    children: dict[int, list[int]] = {}
    for i, bone in enumerate(bones):
        children.setdefault(bone.parent, []).append(i)
    lowest = min(float((data.geom_xpos[g] - model.geom_rbound[g])[2]) for g in _own_geoms(model, bones))

    def write(i: int, indent: str) -> list[str]:
        bone = bones[i]
        offset = turn @ (bone.place - (bones[bone.parent].place if bone.parent >= 0 else np.array([0, 0, lowest])))
        if bone.parent < 0:
            offset = offset * np.array([0, 0, 1])
        quoted = quoteattr(bone.name)
        lines = [f'{indent}<body name={quoted} pos="{_words(offset)}">']
        if bone.kind == "free":
            lines.append(f"{indent}  <freejoint name={quoted}/>")
        elif bone.kind == "ball":
            lines.append(f'{indent}  <joint name={quoted} type="ball"/>')
        elif bone.kind == "hinge":
            limits = f' limited="true" range="{_words(np.array(bone.limits))}"' if bone.limits else ""
            lines.append(f'{indent}  <joint name={quoted} type="hinge" axis="{_words(turn @ bone.axis)}"{limits}/>')
        shape = _shape(model, data, bone, turn, box=bone.name in feet)
        mass = max(float(model.body_mass[bone.id]), _LIGHTEST)
        lines.append(f'{indent}  <geom class="collision" name={quoted} {shape} mass="{mass:.6g}"/>')
        lines.append(f'{indent}  <geom class="visual" {shape}/>')
        for child in children.get(i, []):
            lines += write(child, indent + "  ")
        return [*lines, f"{indent}</body>"]

    return (
        f"<mujoco model={quoteattr(name)}>\n"
        '  <compiler angle="radian"/>\n  <option solver="Newton" cone="pyramidal"/>\n'
        '  <include file="scene.xml"/>\n  <default>\n    <default class="collision">\n'
        '      <geom group="3" contype="0" conaffinity="1" condim="3" friction="0.81"/>\n    </default>\n'
        '    <default class="visual">\n      <geom group="1" contype="0" conaffinity="0" mass="0" material="matte" '
        'rgba="0.75 0.62 0.5 1"/>\n    </default>\n  </default>\n  <worldbody>\n'
        + "\n".join(write(0, "    "))
        + "\n  </worldbody>\n</mujoco>\n"
    )


def _own_geoms(model: mujoco.MjModel, bones: list[_Bone]) -> list[int]:
    bodies = {bone.id for bone in bones}
    found = [g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in bodies]
    if not found:
        raise InputError("the MJCF has no geoms, so nothing can touch the ground; give every body a geom")
    return found


def _shape(model: mujoco.MjModel, data: mujoco.MjData, bone: _Bone, turn: Array, box: bool) -> str:
    """Return the MJCF attributes of a body's primitive in the body's new frame; ``box`` puts a box around all geoms.

    ``turn`` (3, 3) is the rotation of the world that ``_facing`` returns.
    """
    geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == bone.id]
    colliding = [g for g in geoms if model.geom_contype[g] or model.geom_conaffinity[g]] or geoms
    if not colliding:
        return 'type="sphere" size="0.02"'
    if box and len(colliding) > 1:
        corners = np.concatenate([_corners(model, data, g) for g in colliding]) - bone.place
        corners = corners @ turn.T
        low, high = corners.min(0), corners.max(0)
        return f'type="box" size="{_words((high - low) / 2)}" pos="{_words((high + low) / 2)}"'
    g = max(colliding, key=lambda g: float(model.geom_rbound[g]))
    kind = _PRIMITIVES.get(mujoco.mjtGeom(model.geom_type[g]))
    pos = turn @ (data.geom_xpos[g] - bone.place)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, (turn @ data.geom_xmat[g].reshape(3, 3)).ravel())
    size = model.geom_size[g]
    if kind == "sphere":
        return f'type="sphere" size="{size[0]:.6g}" pos="{_words(pos)}"'
    if kind == "capsule":
        return f'type="capsule" size="{size[0]:.6g} {size[1]:.6g}" pos="{_words(pos)}" quat="{_words(quat)}"'
    half, centre = model.geom_aabb[g, 3:], data.geom_xmat[g].reshape(3, 3) @ model.geom_aabb[g, :3]
    pos = pos + turn @ centre
    return f'type="box" size="{_words(half)}" pos="{_words(pos)}" quat="{_words(quat)}"'


def _corners(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Array:
    """Return the corners (8, 3) [m] of a geom's bounding box in the world."""
    centre, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    local = centre + signs * half
    corners: Array = data.geom_xpos[geom] + local @ data.geom_xmat[geom].reshape(3, 3).T
    return corners


def _config(model: mujoco.MjModel, bones: list[_Bone], keys: Mapping[str, KeyBody], name: str) -> dict[str, object]:
    role_of: dict[str, str] = {}
    for role, key in keys.items():
        role_of.setdefault(key.body, part_of(role))
    mass = float(sum(model.body_mass))
    scale = mass / _HUMANOID_KG
    moving = [b.name for b in bones if b.kind in ("ball", "hinge")]
    joints = {}
    for body in moving:
        kp, limit = _SERVO.get(role_of.get(body, ""), _OTHER_SERVO)
        joints[body] = {
            "kp": round(kp * scale, 3),
            "kd": round(kp * scale / 10, 4),
            "torque_limit": round(limit * scale, 3),
            "weight": 0.3,
        }
    names = [b.name for b in bones]
    pairs = [[n, n.replace("right", "left")] for n in names if "right" in n and n.replace("right", "left") in names]
    ends = [f"{side}_{part}" for side in ("right", "left") for part in ("ankle", "wrist")]
    feet = [keys[f"{side}_ankle"].body for side in ("right", "left") if f"{side}_ankle" in keys]
    toes = [keys[f"{side}_toe"].body for side in ("right", "left") if f"{side}_toe" in keys]
    return {
        "name": name,
        "model": f"{name}.xml",
        "mass_kg": mass,
        "dof": int(model.nv),
        "root_weight": 1.0,
        "joints": joints,
        "end_effectors": list(dict.fromkeys(keys[end].body for end in ends if end in keys)),
        "allowed_contacts": list(dict.fromkeys(feet + toes)),
        "mirror_pairs": pairs,
        "deepmimic_order": names[1:],
        "simulation": {"sim_dt": 1 / 240, "substeps": 8},
        "key_bodies": {role: to_dict(key) for role, key in keys.items()},
    }


def _words(values: Array) -> str:
    return " ".join(f"{float(v):.6g}" for v in values)
