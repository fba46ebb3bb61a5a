"""Roles: the parts of a body that people and dogs have in common. Retargeting matches two skeletons by role.

A recording's joints are given roles (``mapping.py``), and so are a character's bodies (``key_bodies`` of its YAML); a
role that both have is brought into place. A limb is listed from the trunk outwards.
"""

SIDES = ("left", "right")
TRUNK = ("pelvis", "spine", "chest", "neck", "head", "head_end", "tail", "tail1", "tail_end")
ARM = ("shoulder", "elbow", "wrist", "finger")
LEG = ("hip", "knee", "ankle", "toe")
LIMBS = tuple(tuple(f"{side}_{part}" for part in limb) for side in SIDES for limb in (ARM, LEG))
ROLES = (*TRUNK, *(f"{side}_clavicle" for side in SIDES), *(role for limb in LIMBS for role in limb))


def side_of(role: str) -> str:
    """ "left", "right", or "" for a role in the middle of the body."""
    side = role.partition("_")[0]
    return side if side in SIDES else ""


def part_of(role: str) -> str:
    """The role without its side: "ankle" of "left_ankle"; "head_end" is its own part."""
    return role.removeprefix(f"{side_of(role)}_") if side_of(role) else role


def opposite(role: str) -> str:
    """The same part on the other side; the role itself in the middle of the body."""
    side = side_of(role)
    return f"{SIDES[1 - SIDES.index(side)]}_{part_of(role)}" if side else role


def swap_part(role: str, part: str, other: str) -> str:
    """The role of ``other`` on the same side, if the role's part is ``part``; else the role itself."""
    return f"{side_of(role)}_{other}" if part_of(role) == part else role


# without these a recording is no body: the rest is done without where it is missing
NEEDED = (
    "pelvis",
    "chest",
    *(f"{side}_{part}" for side in SIDES for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
)
