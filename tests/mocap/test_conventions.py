"""Guesses about a file: laws of turning and scaling, and that the user's word goes before the file's and a guess."""

import pytest
import torch

from characters import load_character
from mimic.core.errors import ClipError, InputError
from mimic.core.rotations import quat_from_matrix, quat_from_rotvec, quat_rotate
from mocap.conventions import (
    DeclaredConventions,
    ReadOptions,
    axes_quat,
    frame_rate,
    keypoints_to_canonical,
    metres,
    skeleton_to_canonical,
)
from mocap.skeleton import Assumption, Skeleton, character_motion_as_skeleton
from tests.motion_samples import random_motion

FPS = Assumption("60", "file")


def standing(turn: torch.Tensor, per_metre: float):
    """Our humanoid, named as files name, at rest for two frames, in a file of other axes and units."""
    motion = character_motion_as_skeleton(random_motion("humanoid", frames=2), load_character("humanoid"))
    names = tuple(n.replace("ankle", "foot").replace("hip", "up_leg") for n in motion.skeleton.names)
    offsets = motion.skeleton.offsets * per_metre
    quat = motion.skeleton.rest_quat.repeat(2, 1, 1)
    quat[:, 0] = turn
    pos = offsets.repeat(2, 1, 1)
    pos[:, 0] = quat_rotate(turn, torch.tensor([0.3, 0.1, 0.9], dtype=torch.float64)) * per_metre
    return Skeleton(names, motion.skeleton.parents, offsets, quat[0].clone()), quat, pos


@pytest.mark.parametrize(("up", "forward"), [("z", "x"), ("y", "z"), ("z", "-y"), ("-y", "x"), ("x", "-z")])
@pytest.mark.parametrize("unit", ["m", "cm", "mm", "inch"])
def test_a_standing_figure_gives_its_units_and_axes_away(up, forward, unit):
    motion = skeleton_to_canonical("clip", "test", *standing(axes_quat(up, forward), 1 / metres(unit)), FPS)
    reading = motion.conventions
    assert (reading.unit.value, reading.up.value, reading.forward.value) == (unit, up, forward)
    assert {reading.unit.by, reading.up.by, reading.forward.by} == {"guess"}
    assert torch.allclose(motion.pos[0, 0], torch.tensor([0.3, 0.1, 0.9], dtype=torch.float64))
    left, right = (motion.skeleton.index(f"{side}_foot") for side in ("left", "right"))
    feet = motion.positions_w()[0, [left, right]]
    assert feet[0, 1] > feet[1, 1] and feet[:, 2].max() < 0.9
    assert torch.allclose(motion.skeleton.rest_positions()[:, 2].diff(), motion.positions_w()[0, :, 2].diff())


def test_the_user_goes_before_the_file_and_the_file_before_a_guess():
    parts = standing(axes_quat("y", "z"), 100.0)
    declared = DeclaredConventions(unit="cm", up="y", forward="z")
    assert skeleton_to_canonical("clip", "test", *parts, FPS, declared=declared).conventions.unit == Assumption(
        "cm", "file"
    )
    options = ReadOptions(unit="0.02", up="-z", forward="y")
    reading = skeleton_to_canonical("clip", "test", *parts, FPS, options, declared).conventions
    assert (reading.unit, reading.up) == (Assumption("0.02", "user"), Assumption("-z", "user"))
    assert reading.forward == Assumption("y", "user")
    assert frame_rate(0.01, ReadOptions(fps=24.0), "clip")[:2] == ("24.0", "user")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"unit": "feet"}, "no unit 'feet'; valid|did you mean"),
        ({"unit": "0"}, "no unit '0'"),
        ({"unit": "nan"}, "no unit 'nan'"),
        ({"up": "north"}, "no axis 'north'"),
        ({"up": "y", "forward": "-y"}, "along the same axis"),
        ({"fps": 0.0}, "fps is 0; it must be between"),
        ({"fps": float("nan")}, "fps is nan; it must be between"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, complaint):
    with pytest.raises(InputError, match=complaint):
        ReadOptions(**options)


def test_points_without_names_of_limbs_are_taken_as_most_files_are():
    pos = torch.rand(5, 3, 3, dtype=torch.float64) * 170
    seen = torch.ones(5, 3, dtype=torch.bool)
    seen[2, 1] = False
    points = keypoints_to_canonical("clip", "test", ("a", "b", "c"), pos, seen, FPS)
    assert (points.conventions.up.value, points.conventions.unit.value, points.conventions.forward.value) == (
        "y",
        "cm",
        "z",
    )
    assert "no feet found" in points.conventions.up.why and "no left and right" in points.conventions.forward.why
    assert torch.allclose(points.pos_w[0], pos[0][:, [2, 0, 1]] * 0.01)
    assert points.pos_w[2, 1].tolist() == [0, 0, 0]
    with pytest.raises(ClipError, match="frame 1: a point is not within"):
        keypoints_to_canonical("clip", "test", ("a", "b", "c"), pos * 1e12, seen, FPS)


def test_quaternions_of_matrices():
    rotvec = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2
    rotvec[:3] = torch.eye(3, dtype=torch.float64) * torch.pi
    quat = quat_from_rotvec(rotvec)
    matrix = torch.stack([quat_rotate(quat, v.expand(200, 3)) for v in torch.eye(3, dtype=torch.float64)], -1)
    assert ((quat_from_matrix(matrix) * quat).sum(-1).abs() - 1).abs().max() < 1e-12
