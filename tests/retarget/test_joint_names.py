"""Names of joints are understood, whatever studio they come from."""

import pytest

from retarget.joint_names import parse_joint_name


@pytest.mark.parametrize(
    ("name", "part", "side", "auxiliary"),
    [
        ("mixamorig7:LeftForeArm", "elbow", "left", False),
        ("lfemur", "hip", "left", False),
        ("RHipJoint", "hip", "right", False),
        ("Bip01 L UpperArm", "shoulder", "left", False),
        ("LowerLeg_R", "knee", "right", False),
        ("ltoes", "toe", "left", False),
        ("rclavicle", "clavicle", "right", False),
        ("Hips", "pelvis", "", False),
        ("lowerback", "spine", "", False),
        ("LowerNeck", "neck", "", False),
        ("LeftHandIndex1", "wrist", "left", True),
        ("LeftHandEnd", "wrist", "left", True),
        ("RightForeArmRoll", "elbow", "right", True),
        ("LeftEye", "", "left", True),
        ("Rig", "", "", False),
        ("leg", "knee", "", False),
    ],
)
def test_a_name_says_part_and_side(name, part, side, auxiliary):
    assert parse_joint_name(name) == (part, side, auxiliary)
