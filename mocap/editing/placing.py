"""Moves a motion to the origin, removes its travel over the ground, or mirrors it."""

from dataclasses import replace

from torch import Tensor

from characters.character import Character
from mimic.core.errors import ClipError
from mocap.editing.cycles import FLAT
from mocap.motion import Motion, check_character


def from_origin(motion: Motion) -> Motion:
    """Move a motion over the ground so that the root starts above the origin."""
    return replace(motion, root_pos_w=motion.root_pos_w - motion.root_pos_w[0] * FLAT)


def in_place(motion: Motion) -> Motion:
    """Remove a motion's travel: the mean velocity of a cycle, all horizontal movement of any other motion."""
    pos = motion.root_pos_w
    if motion.loop:
        travel = (pos[-1] - pos[0]) * FLAT * (motion.times / motion.duration)[:, None]
    else:
        travel = (pos - pos[0]) * FLAT
    return replace(motion, root_pos_w=pos - travel)


def mirror(motion: Motion, character: Character) -> Motion:
    """Reflect in the x-z plane: left and right limbs swap, y changes sign. Mirroring twice gives the motion back.

    Every joint frame is parallel to its parent's at zero pose, so one rule serves the root and all joints. A rotation
    about (x, y, z) becomes the opposite rotation about (x, -y, z): (w, x, y, z) -> (w, -x, y, -z).

    Raises ClipError if the motion belongs to another character.
    """
    check_character(motion, character)
    partner = {a: b for pair in character.config.mirror_pairs for a, b in (pair, pair[::-1])}
    body_of_joint = {body.joint: body.name for body in character.bodies}
    order = [
        _joint_of(character, partner.get(name, name))
        for name in (body_of_joint[j] for j in range(len(character.joints)))
    ]
    return replace(
        motion,
        root_pos_w=motion.root_pos_w * motion.root_pos_w.new_tensor([1.0, -1.0, 1.0]),
        root_quat_w=_mirror_quat(motion.root_quat_w),
        joint_quat=_mirror_quat(motion.joint_quat[:, order]),
    )


def _joint_of(character: Character, body: str) -> int:
    joint = character.bodies[character.body_index(body)].joint
    if joint is None:
        raise ClipError(
            f"{character.name}: mirror_pairs: body '{body}' has no joint, but its partner has one; both need one"
        )
    return joint


def _mirror_quat(quat: Tensor) -> Tensor:
    return quat * quat.new_tensor([1.0, -1.0, 1.0, -1.0])
