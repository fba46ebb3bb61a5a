"""Laws of SkeletonMotion and KeypointMotion: what they refuse, and that bones are where a character's bodies are."""

from dataclasses import replace

import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_angle
from mocap.motion import velocities
from mocap.skeleton import (
    Assumption,
    FileConventions,
    KeypointMotion,
    Skeleton,
    character_motion_as_skeleton,
    character_skeleton,
)
from tests.motion_samples import random_motion

PLAIN = torch.tensor([[1.0, 0, 0, 0]] * 2, dtype=torch.float64)
SKELETON = Skeleton(("hips", "spine"), (-1, 0), torch.tensor([[0, 0, 1], [0, 0, 0.2]], dtype=torch.float64), PLAIN)


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_bones_are_where_the_bodies_are(name):
    motion, character = random_motion(name), load_character(name)
    rates = velocities(motion, character)
    state = CharacterState(
        motion.root_pos_w,
        motion.root_quat_w,
        rates.root_linvel_w,
        rates.root_angvel_w,
        motion.joint_quat,
        rates.joint_vel,
    )
    bodies = Kinematics(character, dtype=torch.float64).forward(state)
    pos, quat = character_motion_as_skeleton(motion, character).bones_w()
    assert torch.allclose(pos, bodies.pos_w, atol=1e-12)
    assert quat_angle(quat, bodies.quat_w).max() < 1e-12


def test_rest_positions_of_the_humanoid():
    skeleton = character_skeleton(load_character("humanoid"))
    rest = skeleton.rest_positions()
    hips, feet = rest[skeleton.index("right_hip")], rest[skeleton.index("right_ankle")]
    assert (hips - feet)[2] == pytest.approx(0.421546 + 0.40987)
    with pytest.raises(ClipError, match="no bone 'tail'; it has root"):
        skeleton.index("tail")


def test_tips_move_with_their_bones():
    motion = character_motion_as_skeleton(random_motion("dog"), load_character("dog"))
    finger, hand = motion.skeleton.index("left_finger"), motion.skeleton.index("left_hand")
    offset = motion.skeleton.offsets[finger][None]
    tipped = replace(motion, skeleton=replace(motion.skeleton, end_site_parents=(hand,), end_site_offsets=offset))
    assert torch.allclose(tipped.end_sites_w()[:, 0], motion.positions_w()[:, finger], atol=1e-12)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: replace(SKELETON, names=("hips", "hips")), "different names"),
        (lambda: replace(SKELETON, parents=(-1, 1)), "a parent that comes before it"),
        (lambda: replace(SKELETON, parents=(-1,)), "a parent that comes before it"),
        (lambda: replace(SKELETON, end_site_parents=(2,)), "needs the index of a bone"),
        (lambda: replace(SKELETON, offsets=SKELETON.offsets[:1]), r"offsets is \(1, 3\)"),
        (lambda: replace(SKELETON, offsets=SKELETON.offsets * torch.inf), "offsets is not finite"),
    ],
)
def test_refuses_what_is_not_a_skeleton(make, complaint):
    with pytest.raises(ClipError, match=complaint):
        make()


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("quat", lambda m: m.quat * 1.01, "not of unit length"),
        ("quat", lambda m: m.quat[:, :-1], "quat is"),
        ("pos", lambda m: m.pos * torch.nan, "pos is not finite"),
        ("times", lambda m: m.times + 1, "times must start at 0"),
        ("times", lambda m: m.times * 0, "times must start at 0 s and grow"),
    ],
)
def test_refuses_what_is_not_a_motion(field, value, complaint):
    motion = character_motion_as_skeleton(random_motion("humanoid"), load_character("humanoid"))
    with pytest.raises(ClipError, match=complaint):
        replace(motion, **{field: value(motion)})


def test_refuses_what_are_not_key_points():
    times = torch.arange(3, dtype=torch.float64) / 60
    seen = torch.ones(3, 2, dtype=torch.bool)
    points = KeypointMotion(
        "clip",
        ("a", "b"),
        times,
        torch.zeros(3, 2, 3, dtype=torch.float64),
        seen,
        FileConventions("test", Assumption("60", "file")),
    )
    assert (points.num_frames, points.fps) == (3, pytest.approx(60))
    for changes, complaint in (
        ({"names": ("a", "a")}, "different names"),
        ({"parents": (0, 2)}, "must be the index of another"),
        ({"pos_w": points.pos_w[:, :1]}, "pos_w is"),
        ({"seen": seen[:2]}, "seen is"),
    ):
        with pytest.raises(ClipError, match=complaint):
            replace(points, **changes)
