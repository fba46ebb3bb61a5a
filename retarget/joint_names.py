"""Parses joint names into a side and a part of the body. Studios differ in style, but use the same few words."""

import itertools
import re
from typing import Literal, NamedTuple

Side = Literal["left", "right", ""]

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SIDES: dict[str, Side] = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rgt": "right"}

_PARTS: dict[str, tuple[str, ...]] = {
    "wrist": ("wrist", "hand"),
    "finger": ("finger", "fingers", "paw"),
    "elbow": ("elbow", "forearm", "lowerarm", "radius", "ulna"),
    "shoulder": ("shoulder", "upperarm", "uparm", "humerus", "arm", "shoulde"),
    "clavicle": ("clavicle", "collar", "scapula"),
    "ankle": ("ankle", "foot"),
    "toe": ("toe", "toes", "toebase", "ball"),
    "knee": ("knee", "calf", "shin", "tibia", "lowerleg", "leg"),
    "hip": ("hip", "thigh", "upleg", "upperleg", "femur"),
    "pelvis": ("hips", "pelvis"),
    "spine": ("spine", "back", "chest", "torso", "thorax", "abdomen", "ab", "lowerback", "upperback", "waist"),
    "neck": ("neck", "lowerneck", "upperneck"),
    "head": ("head", "skull"),
    "tail": ("tail",),
}
# joints beside the chain: fingers, faces, halves of a twisted bone, controls
_AUXILIARY = frozenset(
    [
        "thumb",
        "index",
        "middle",
        "ring",
        "pinky",
        "little",
        "finger",
        "fingers",
        "eye",
        "eyes",
        "jaw",
        "mouth",
        "ear",
        "ears",
        "end",
        "site",
        "nub",
        "roll",
        "twist",
        "helper",
        "pole",
        "target",
        "ik",
        "prop",
        "weapon",
        "breast",
        "metacarpal",
    ]
)
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}


class JointNameInfo(NamedTuple):
    """The meaning of a joint's name.

    Attributes:
        part: a role without its side, such as "knee"; '' if no word of the name is known.
        side: "left", "right" or ''.
        auxiliary: whether the joint is no part of a limb's chain, such as a finger, an eye or a twist helper.
    """

    part: str
    side: Side
    auxiliary: bool


def parse_joint_name(name: str) -> JointNameInfo:
    """Parse a joint's name into part, side and whether the joint is auxiliary.

    >>> parse_joint_name("mixamorig7:LeftForeArm")
    JointNameInfo(part='elbow', side='left', auxiliary=False)
    """
    words = [word.lower() for word in _WORDS.findall(name.rsplit(":", 1)[-1])]
    side: Side = next((_SIDES[word] for word in words if word in _SIDES), "")
    words = [word for word in words if word not in _SIDES]
    if not side:  # lfemur, rclavicle
        for i, word in enumerate(words):
            if word[:1] in ("l", "r") and (word[1:] in _PART_OF or word[1:] in _AUXILIARY) and word not in _PART_OF:
                side, words[i] = _SIDES[word[0]], word[1:]
                break
    # pairs first: "upper arm" is more than "arm"
    joined = ["".join(pair) for pair in itertools.pairwise(words)]
    part = next((_PART_OF[word] for word in (*joined, *words) if word in _PART_OF), "")
    return JointNameInfo(part, side, any(word in _AUXILIARY for word in words))
