"""The mirror image of a motion is the mirror image of its bodies, and mirroring twice changes nothing."""

import pytest
import torch

from characters import BodyState, Character, CharacterState, Kinematics, load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import heading_angle, quat_conj, quat_mul
from mocap.editing import mirror
from mocap.motion import Motion, velocities
from tests.motion_samples import clip_or_skip, random_motion


def bodies_of(motion: Motion, character: Character) -> BodyState:
    rates = velocities(motion, character)
    state = CharacterState(
        motion.root_pos_w,
        motion.root_quat_w,
        rates.root_linvel_w,
        rates.root_angvel_w,
        motion.joint_quat,
        rates.joint_vel,
    )
    return Kinematics(character, "cpu", torch.float64).forward(state)


def partner(name: str) -> str:
    """By the names alone, not by the list that the code under test reads."""
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    return "left_" + name.removeprefix("right_") if name.startswith("right_") else name


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_bodies_are_mirrored_with_their_velocities(name):
    character, motion = load_character(name), random_motion(name, seed=7)
    real, image = bodies_of(motion, character), bodies_of(mirror(motion, character), character)
    swap = [character.body_index(partner(body.name)) for body in character.bodies]
    flip = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    assert torch.allclose(image.pos_w, real.pos_w[:, swap] * flip, atol=1e-12)
    assert torch.allclose(image.linvel_w, real.linvel_w[:, swap] * flip, atol=1e-9)
    assert torch.allclose(image.angvel_w, -real.angvel_w[:, swap] * flip, atol=1e-9)  # an axial vector


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_mirroring_twice_gives_the_motion_back(name):
    character, motion = load_character(name), random_motion(name)
    again = mirror(mirror(motion, character), character)
    for field in ("times", "root_pos_w", "root_quat_w", "joint_quat"):
        assert torch.equal(getattr(again, field), getattr(motion, field))


def test_turn_is_dog_spin_to_the_other_side():
    spin, character = clip_or_skip("dog_spin")
    turn, _ = clip_or_skip("turn")
    assert torch.equal(turn.joint_quat, mirror(spin, character).joint_quat)
    for motion, degrees in ((spin, 171.2), (turn, -171.2)):
        net = heading_angle(quat_mul(motion.root_quat_w[-1], quat_conj(motion.root_quat_w[0])))
        assert torch.rad2deg(net).item() == pytest.approx(degrees, abs=0.1)


def test_another_character_is_refused():
    with pytest.raises(
        ClipError, match="is a motion of dog with 22 joints; needed is one of humanoid, with its 12 joints"
    ):
        mirror(random_motion("dog"), load_character("humanoid"))
