"""Parses joint names into a side and a part of the body. Studios differ in style, but use the same few words.

Japanese names (MMD) are translated word by word first; full-width letters become ordinary ones.
"""

import itertools
import re
import unicodedata
from typing import Literal, NamedTuple

Side = Literal["left", "right", ""]

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SIDES: dict[str, Side] = {"left": "left", "l": "left", "lft": "left", "right": "right", "r": "right", "rgt": "right"}

_PARTS: dict[str, tuple[str, ...]] = {
    "wrist": ("wrist", "hand", "palm", "fist"),
    "finger": ("finger", "fingers", "paw"),
    "elbow": ("elbow", "forearm", "lowerarm", "lowarm", "radius", "ulna"),
    "shoulder": ("shoulder", "upperarm", "uparm", "humerus", "arm", "shoulde"),
    "clavicle": ("clavicle", "collar", "scapula"),
    "ankle": ("ankle", "foot"),
    "toe": ("toe", "toes", "toebase", "ball"),
    "knee": ("knee", "calf", "shin", "tibia", "lowerleg", "lowleg", "leg"),
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
        "ctrl",
        "control",
        "slot",
        "handslot",
        "dummy",
        "socket",
        "prop",
        "weapon",
        "breast",
        "metacarpal",
    ]
)
# MMD and other Japanese names, longer words first
_JAPANESE = {
    **{"左": " left ", "右": " right ", "手首": " wrist ", "足首": " ankle ", "つま先": " toe ", "ひざ": " knee "},
    **{"膝": " knee ", "ひじ": " elbow ", "肘": " elbow ", "腕捩": " twist ", "手捩": " twist ", "肩": " clavicle "},
    **{"腕": " upperarm ", "足": " thigh ", "下半身": " pelvis ", "上半身": " spine ", "首": " neck ", "頭": " head "},
    **{"親指": " thumb ", "人指": " index ", "中指": " middle ", "薬指": " ring ", "小指": " little "},
    **{"目": " eye ", "捩": " twist ", "先": " end ", "腰": " waist ", "尻尾": " tail ", "しっぽ": " tail "},
}
_FRONT = {"ankle": "wrist", "toe": "finger", "knee": "elbow", "hip": "shoulder"}
_FRONT_WORDS = frozenset(["front", "fore"])
_HIND_WORDS = frozenset(["back", "hind", "rear"])
_LIMB_PARTS = frozenset(["wrist", "finger", "elbow", "shoulder", "ankle", "toe", "knee", "hip"])
_STRUCTURE = frozenset(["twist", "roll", "pitch", "yaw", "link", "joint", "def", "bone", "x", "y", "z"])
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
    words = _words(name)
    side: Side = next((_SIDES[word] for word in words if word in _SIDES), "")
    words = [word for word in words if word not in _SIDES]
    if not side:  # lfemur, rclavicle
        for i, word in enumerate(words):
            if word[:1] in ("l", "r") and (word[1:] in _PART_OF or word[1:] in _AUXILIARY) and word not in _PART_OF:
                side, words[i] = _SIDES[word[0]], word[1:]
                break
    # pairs first: "upper arm" is more than "arm"
    joined = ["".join(pair) for pair in itertools.pairwise(words)]
    parts = [_PART_OF[word] for word in (*joined, *words) if word in _PART_OF]
    if side and _HIND_WORDS & set(words):  # the back leg, not the back
        parts = [part for part in parts if part in _LIMB_PARTS] or parts
    part = parts[0] if parts else ""
    if _FRONT_WORDS & set(words):
        part = _FRONT.get(part, part)
    return JointNameInfo(part, side, any(word in _AUXILIARY for word in words))


def stem(name: str) -> tuple[str, ...]:
    """Return the words of a name that tell bones apart, without numbers and without words for a part of a split bone.

    Pieces of one bone have the same stem: ``DEF-thigh.L`` and ``DEF-thigh.L.001``, ``hip_pitch_link`` and ``hip_roll_link``.
    """
    return tuple(word for word in _words(name) if not word.isdigit() and word not in _STRUCTURE)


def _words(name: str) -> list[str]:
    name = unicodedata.normalize("NFKC", name.rsplit(":", 1)[-1])
    for word, english in _JAPANESE.items():
        name = name.replace(word, english)
    return [word.lower() for word in _WORDS.findall(name)]
