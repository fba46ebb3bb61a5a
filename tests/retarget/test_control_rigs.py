"""Rigs as artists make them: feet outside the legs, motions in place, split bones, names in many habits."""

import pytest
import torch

from characters.character import load_character
from retarget.joint_names import parse_joint_name, stem
from retarget.mapping import map_skeleton
from retarget.reattach import one_tree
from retarget.retarget_rig import RetargetRig
from retarget.root_motion import with_root_motion
from retarget.source import Source
from retarget.takes import file_name, is_pattern
from tests.retarget.rig_figures import FRAMES, control_rig, walker


@pytest.fixture(scope="module")
def humanoid_rig():
    return RetargetRig(load_character("humanoid"))


@pytest.mark.parametrize(
    ("name", "part", "side"),
    [
        ("upperarm_l", "shoulder", "left"),
        ("J_Bip_L_UpperArm", "shoulder", "left"),
        ("Bip01 R Calf", "knee", "right"),
        ("左ひじ", "elbow", "left"),
        ("右足首", "ankle", "right"),
        ("左足", "hip", "left"),
        ("DEF-shin.R", "knee", "right"),
        ("FrontUpperLeg.L", "shoulder", "left"),
        ("BackLowerLeg.R", "knee", "right"),
        ("Palm.L", "wrist", "left"),
    ],
)
def test_names_of_many_habits_are_understood(name, part, side):
    assert parse_joint_name(name)[:2] == (part, side)


def test_pieces_of_a_bone_share_a_stem():
    assert stem("DEF-thigh.L") == stem("DEF-thigh.L.001")
    assert stem("left_hip_pitch_link") == stem("left_hip_yaw_link")
    assert stem("LeftArm") != stem("LeftShoulder")


def test_feet_under_the_root_are_attached_to_their_legs():
    source = control_rig()
    tree = one_tree(source)
    foot, shin = tree.names.index("Foot.L"), tree.names.index("LowerLeg.L")
    assert tree.parents[foot] == shin
    assert "Pole.L" not in tree.names  # another tree
    mapping = map_skeleton(tree.names, tree.parents, tree.pos_w)
    assert tree.names[mapping.joints["left_knee"]] == "LowerLeg.L"
    assert tree.names[mapping.joints["right_ankle"]] == "Foot.R"


def test_a_thigh_of_two_pieces_begins_at_the_first():
    source = walker(split=True)
    mapping = map_skeleton(source.names, source.parents, source.pos_w)
    assert source.names[mapping.joints["left_hip"]] == "Thigh.L"
    assert source.names[mapping.joints["left_knee"]] == "Shin.L"


def test_travel_in_place_is_recovered_from_the_feet(humanoid_rig):
    speed = 1.0
    source = walker(speed=speed)
    mapping = map_skeleton(source.names, source.parents, source.pos_w)
    travel = with_root_motion(humanoid_rig, source, mapping, "auto")
    assert travel.root_motion == "from-feet"
    pelvis = travel.source.pos_w[:, mapping.joints["pelvis"]]
    way = (pelvis[-1] - pelvis[0])[:2]
    assert float(way[0]) == pytest.approx(speed * (FRAMES - 1) / 30, rel=0.2)
    assert abs(float(way[1])) < 0.05
    assert with_root_motion(humanoid_rig, source, mapping, "keep").source is source


def test_none_takes_the_travel_out(humanoid_rig):
    source = walker()
    moving = Source(
        source.name,
        source.names,
        source.parents,
        source.times,
        source.pos_w + source.times[:, None, None] * torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64),
        None,
    )
    mapping = map_skeleton(source.names, source.parents, source.pos_w)
    still = with_root_motion(humanoid_rig, moving, mapping, "none").source
    assert torch.allclose(still.pos_w[-1], source.pos_w[-1])


def test_patterns_and_file_names_of_takes():
    assert is_pattern("all") and is_pattern("Walk*") and not is_pattern("Walk") and not is_pattern(None)
    assert file_name("../a|b") == "_a_b" and file_name("..") == "take"
