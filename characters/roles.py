"""The places of a body that figures have in common, people and dogs alike: the language between two skeletons.

A recording's joints are given roles (``mapping.py``), and so are a character's bodies (``key_bodies`` of its YAML); a
role that both have is brought into place. A limb is listed from the trunk outwards.
"""

SIDES = ("left", "right")
TRUNK = ("pelvis", "spine", "chest", "neck", "head", "head_end", "tail", "tail1", "tail_end")
ARM = ("shoulder", "elbow", "wrist", "finger")
LEG = ("hip", "knee", "ankle", "toe")
LIMBS = tuple(tuple(f"{side}_{part}" for part in limb) for side in SIDES for limb in (ARM, LEG))
ROLES = (*TRUNK, *(f"{side}_clavicle" for side in SIDES), *(role for limb in LIMBS for role in limb))

# without these a recording is no body: the rest is done without where it is missing
NEEDED = (
    "pelvis",
    "chest",
    *(f"{side}_{part}" for side in SIDES for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
)
