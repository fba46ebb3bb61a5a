"""observation.json: the fields of the observation, and the name, unit and frame of every number in them.

``EXPORTED_FIELDS`` lists the fields that can be exported; others are refused. The graph controller.onnx
(onnx_observation.py) and the players in four languages compute every exported field.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from characters import Character
from mimic.core.errors import InputError
from mimic.tracking import TrackingEnv

_REFERENCE = "world turned with the clip (clock yaw)"
_REFERENCE_HEADING = "world turned with the reference's heading"
_HEADING = "world turned with the root's heading"
_ROT6 = ("xx", "xy", "xz", "zx", "zy", "zz")  # images of the x and of the z axis
XYZ = ("x", "y", "z")


@dataclass(frozen=True)
class Element:
    """One number of the observation: its name, unit and frame."""

    name: str
    unit: str
    frame: str


@dataclass(frozen=True)
class _Layout:
    """The parts of the elements' names: bodies, joints, degrees of freedom, and steps ahead such as ``+1``.

    ``links`` describes the frame of the links.
    """

    bodies: tuple[str, ...]
    joints: tuple[str, ...]
    dofs: tuple[str, ...]
    steps: tuple[str, ...]
    links: str


@dataclass(frozen=True)
class ExportedField:
    """The text that explains a field, and a function that lists its elements in order."""

    meaning: str
    elements: Callable[[str, _Layout], list[Element]]


def observation(env: TrackingEnv, library: bool = False) -> dict[str, Any]:
    """Return the content of observation.json without its schema version.

    The frame "reference_heading" needs the headings of a bundle with a ``library`` of clips.

    Raises InputError if the environment has a field or a frame that cannot be exported.
    """
    config = env.config.observation
    for name in config.fields:
        if name not in EXPORTED_FIELDS:
            raise InputError(
                f"observation field '{name}' cannot be exported, because no player computes it; these can be: "
                f"{', '.join(EXPORTED_FIELDS)}. --animation and --replay export the motion with any fields"
            )
    if config.frame == "reference_heading" and not library:
        raise InputError(
            "the observation frame 'reference_heading' cannot be exported; --animation and --replay work with it"
        )
    layout = env.observation.layout
    return {
        "dim": env.obs_dim,
        "frame": "reference_heading" if library and config.frame == "reference" else config.frame,
        "target_steps": list(config.target_steps),
        "fields": [
            {
                "name": name,
                "start": columns.start,
                "length": columns.stop - columns.start,
                "meaning": EXPORTED_FIELDS[name].meaning,
            }
            for name, columns in layout.items()
        ],
        "elements": _all_elements(env, _REFERENCE_HEADING if library else _REFERENCE),
    }


def dof_names(character: Character) -> list[str]:
    """Return a name for every actuated degree of freedom, in order."""
    return [
        f"{joint.name}.{axis}" if joint.kind == "ball" else joint.name
        for joint in character.joints
        for axis in (XYZ if joint.kind == "ball" else ("angle",))
    ]


def _all_elements(env: TrackingEnv, reference: str) -> list[dict[str, Any]]:
    """Return the elements of all fields in order; ``reference`` describes the reference's frame.

    Raises ValueError if a field has not as many elements as numbers in the environment.
    """
    character, config = env.character, env.config.observation
    names = _Layout(
        bodies=tuple(body.name for body in character.bodies),
        joints=tuple(joint.name for joint in character.joints),
        dofs=tuple(dof_names(character)),
        steps=tuple(f"+{step}" for step in config.target_steps),
        links=_HEADING if config.frame == "heading" else _REFERENCE,
    )
    found: list[dict[str, Any]] = []
    for field, columns in env.observation.layout.items():
        elements = EXPORTED_FIELDS[field].elements(field, names)
        if len(elements) != columns.stop - columns.start:
            raise ValueError(
                f"observation field {field} has {columns.stop - columns.start} numbers, but the schema names {len(elements)}"
            )
        elements = [replace(part, frame=reference) if part.frame == _REFERENCE else part for part in elements]
        found += [{"index": len(found) + i, "field": field, **asdict(part)} for i, part in enumerate(elements)]
    return found


def _each(field: str, names: Iterable[str], parts: Iterable[str], unit: str, frame: str) -> list[Element]:
    """Return an element for each of ``parts`` of each of ``names``."""
    parts = tuple(parts)
    return [Element(f"{field}.{name}.{part}", unit, frame) for name in names for part in parts]


def _single(parts: Iterable[str], unit: str, frame: str) -> Callable[[str, _Layout], list[Element]]:
    """Return a function that lists an element for each of ``parts``."""
    return lambda field, _: [Element(f"{field}.{part}", unit, frame) for part in parts]


def _root_then_links(parts: Iterable[str], unit: str) -> Callable[[str, _Layout], list[Element]]:
    """Return a function that lists ``parts`` of every body, those of the root in the reference's frame."""

    def elements(field: str, n: _Layout) -> list[Element]:
        root = _each(field, n.bodies[:1], parts, unit, _REFERENCE)
        return root + _each(field, n.bodies[1:], parts, unit, n.links)

    return elements


def _target_root(field: str, n: _Layout) -> list[Element]:
    found: list[Element] = []
    for step in n.steps:
        found += _each(field, [step], ("offset_x", "offset_y", "offset_z"), "m", _REFERENCE)
        found += _each(field, [step], _ROT6, "1", _REFERENCE)
    return found


EXPORTED_FIELDS: dict[str, ExportedField] = {
    "phase": ExportedField(
        "Phase mapped to [-1, 1) (DeepMimic).", _single(("linear",), "1, -1 at the start of the clip to 1", "none")
    ),
    "phase_circle": ExportedField(
        "Sine and cosine of the phase: no jump where the cycle closes.", _single(("sin", "cos"), "1", "none")
    ),
    "root_height": ExportedField("Height of the root above the ground [m].", _single(("z",), "m", "world")),
    "root_rot": ExportedField("Root orientation in the reference's frame, 6D.", _single(_ROT6, "1", _REFERENCE)),
    "root_linvel": ExportedField("Root velocity in the reference's frame [m/s].", _single(XYZ, "m/s", _REFERENCE)),
    "root_angvel": ExportedField(
        "Root angular velocity in the reference's frame [rad/s].", _single(XYZ, "rad/s", _REFERENCE)
    ),
    "joint_rot": ExportedField(
        "Joint rotations, child in parent, 6D each.",
        lambda field, n: _each(field, n.joints, _ROT6, "1", "child in parent"),
    ),
    "joint_vel": ExportedField(
        "Joint velocities [rad/s].", lambda field, n: _each(field, n.dofs, ("rate",), "rad/s", "child")
    ),
    "body_pos": ExportedField(
        "Joint positions from the root [m], root left out.",
        lambda field, n: _each(field, n.bodies[1:], XYZ, "m, from the root", n.links),
    ),
    "link_pos": ExportedField(
        "Centres of mass of all links from the root joint [m] (DeepMimic).",
        lambda field, n: _each(field, n.bodies, XYZ, "m, centre of mass from the root joint", n.links),
    ),
    "link_rot": ExportedField(
        "Link orientations, 6D; the root's own in the reference's frame (DeepMimic's world root rotation).",
        _root_then_links(_ROT6, "1"),
    ),
    "link_linvel": ExportedField(
        "Velocities of the links' centres of mass [m/s]; the root's own in the reference's frame.",
        _root_then_links(XYZ, "m/s, of the centre of mass"),
    ),
    "link_angvel": ExportedField(
        "Link angular velocities [rad/s]; the root's own in the reference's frame.", _root_then_links(XYZ, "rad/s")
    ),
    "target_root": ExportedField(
        "Future reference roots: offset from the simulated root [m] and orientation, 9 a target.", _target_root
    ),
    "target_pose": ExportedField(
        "Future reference joint poses as servo targets [rad], A a target.",
        lambda field, n: _each(field, n.steps, n.dofs, "rad", "child in parent"),
    ),
}
