"""Roles: the parts of a body that people and dogs have in common. Retargeting matches two skeletons by role.

``retarget/mapping.py`` gives roles to a recording's joints; ``key_bodies`` in a character's YAML gives them to its bodies.
Retargeting moves a body to the joint with the same role. Each limb is listed from the trunk outwards.
"""

SIDES = ("left", "right")
TRUNK = ("pelvis", "spine", "chest", "neck", "head", "head_end", "tail", "tail1", "tail_end")
ARM = ("shoulder", "elbow", "wrist", "finger")
LEG = ("hip", "knee", "ankle", "toe")
LIMBS = tuple(tuple(f"{side}_{part}" for part in limb) for side in SIDES for limb in (ARM, LEG))
ROLES = (*TRUNK, *(f"{side}_clavicle" for side in SIDES), *(role for limb in LIMBS for role in limb))


def side_of(role: str) -> str:
    """Return "left" or "right", or "" for a role in the middle of the body."""
    side = role.partition("_")[0]
    return side if side in SIDES else ""


def part_of(role: str) -> str:
    """Return the role without its side: "ankle" for "left_ankle", "head_end" for "head_end"."""
    return role.removeprefix(f"{side_of(role)}_") if side_of(role) else role


def opposite(role: str) -> str:
    """Return the role of the same part on the other side; a role in the middle of the body is returned as it is."""
    side = side_of(role)
    return f"{SIDES[1 - SIDES.index(side)]}_{part_of(role)}" if side else role


def swap_part(role: str, part: str, other: str) -> str:
    """Return a limb's role with its part ``part`` replaced by ``other``; return a role of another part unchanged.

    >>> swap_part("left_ankle", "ankle", "toe")
    'left_toe'
    """
    return f"{side_of(role)}_{other}" if part_of(role) == part else role


# without these a recording is no body: the rest is done without where it is missing
NEEDED = (
    "pelvis",
    "chest",
    *(f"{side}_{part}" for side in SIDES for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
)
