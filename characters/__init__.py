"""The characters that mimic animates: articulated bodies, their poses and their kinematics.

Every package of the project may import this one, except ``mimic/core``. The conventions of the whole project are:

* metres, radians, seconds, kilograms, newton-metres;
* z up, x forward, y to the left;
* quaternions are ``wxyz`` and unit; ``a * b`` turns by ``b`` first;
* a suffix names the frame: ``_w`` world, ``_h`` heading (yaw removed), ``_b`` body;
* shape letters: N environments, T frames, B bodies, J moving joints, A actuated degrees of freedom;
* float64 in clips and retargeting, float32 in simulation and learning;
* tensors are torch's, on any device.

``import characters`` imports neither torch nor MuJoCo: a name that needs them is imported when it is first used.
"""

import mimic.core.mujoco_gl  # noqa: F401  # isort: skip
from importlib import import_module
from typing import TYPE_CHECKING

from characters.registry import CHARACTERS, character_names, register_character

if TYPE_CHECKING:
    from characters.character import Body, Character, Geom, Joint, load_character
    from characters.kinematics import BodyState, Kinematics
    from characters.state import CharacterState

__all__ = [
    "CHARACTERS",
    "Body",
    "BodyState",
    "Character",
    "CharacterState",
    "Geom",
    "Joint",
    "Kinematics",
    "character_names",
    "load_character",
    "register_character",
]

_MODULE_OF = {
    **dict.fromkeys(("Body", "Character", "Geom", "Joint", "load_character"), "characters.character"),
    **dict.fromkeys(("BodyState", "Kinematics"), "characters.kinematics"),
    "CharacterState": "characters.state",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
