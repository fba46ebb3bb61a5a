"""What a body is: the figures that mimic animates.

This room imports nothing of ours; every other room imports it. The conventions of the whole project, said once:

* metres, radians, seconds, kilograms, newton-metres;
* z up, x forward, y to the left;
* quaternions are ``wxyz`` and unit; ``a * b`` turns by ``b`` first;
* a suffix names the frame: ``_w`` world, ``_h`` heading (yaw removed), ``_b`` body;
* shape letters: N environments, T frames, B bodies, J moving joints, A actuated degrees of freedom;
* float64 in clips and retargeting, float32 in simulation and learning;
* tensors are torch's, on whatever device.
"""

import mimic.core.mujoco_gl  # noqa: F401  # isort: skip
from characters.character import Body, Character, Geom, Joint, character_names, load_character
from characters.kinematics import BodyState, Kinematics
from characters.state import CharacterState

__all__ = [
    "Body",
    "BodyState",
    "Character",
    "CharacterState",
    "Geom",
    "Joint",
    "Kinematics",
    "character_names",
    "load_character",
]
