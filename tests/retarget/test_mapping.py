"""Every studio's skeleton gets the same roles; doubtful ones say what to do."""

import pytest
import torch

from characters.roles import NEEDED
from mimic.core.errors import ClipError, ConfigError
from mimic.core.strict_config import parse_yaml
from retarget.mapping import map_skeleton, read_map
from tests.retarget.foreign import PARENTS, PARTS, SCHEMES, names_of, standing


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_scheme_is_mapped_as_it_is_meant(scheme):
    names = names_of(scheme)
    mapping = map_skeleton(names, PARENTS, standing()[None])
    found = {role: names[j] for role, j in mapping.joints.items()}
    assert found == dict(zip(PARTS, names, strict=True))
    assert [names[j] for j in mapping.spine] == list(names[:3])
    assert not mapping.notes


def test_zero_length_and_twist_bones_are_passed_over():
    """CMU's LHipJoint, and a roll bone half way down the forearm."""
    names, parents, pos = list(names_of("cmu")), list(PARENTS), standing()
    hip, hand = PARTS.index("left_hip"), PARTS.index("left_wrist")
    order = [*names, "LHipJoint", "LeftForeArmRoll"]
    extra = torch.stack((pos[0], (pos[hand] + pos[hand - 1]) / 2))
    parents += [0, hand - 1]
    parents[hip], parents[hand] = len(names), len(names) + 1
    # parents first
    at = sorted(range(len(order)), key=lambda j: _depth(parents, j))
    new = {old: i for i, old in enumerate(at)}
    moved = [order[j] for j in at]
    mapping = map_skeleton(
        moved, [new[parents[j]] if parents[j] >= 0 else -1 for j in at], torch.cat((pos, extra))[at][None]
    )
    for role, name in zip(PARTS, names, strict=True):
        assert moved[mapping.joints[role]] == name, role


def _depth(parents: list[int], joint: int) -> int:
    return 0 if parents[joint] < 0 else 1 + _depth(parents, parents[joint])


def test_a_skeleton_without_names_is_read_by_its_shape():
    mapping = map_skeleton([f"joint{j}" for j in range(21)], PARENTS, standing()[None])
    for role in NEEDED:
        assert PARTS[mapping.joints[role]] == role
    assert "check left and right" in mapping.notes[0]


def test_mixed_up_sides_are_swapped_back():
    """A file that was mirrored without its names: its feet point backwards."""
    names = names_of("lafan")
    mapping = map_skeleton(names, PARENTS, standing()[None] * torch.tensor([1.0, -1.0, 1.0]).double())
    assert names[mapping.joints["left_knee"]] == "RightLeg"
    assert any("swapped" in note for note in mapping.notes)


def test_a_map_overrides():
    names = names_of("lafan")
    mapping = map_skeleton(names, PARENTS, standing()[None], {"chest": "Spine"})
    assert names[mapping.joints["chest"]] == "Spine"


def test_a_missing_role_is_reported_with_a_yaml_to_start_from():
    names = [name.replace("LeftHand", "Paddle") for name in names_of("lafan")]
    with pytest.raises(ClipError, match="left_wrist") as error:
        map_skeleton(names, PARENTS, standing()[None])
    start = parse_yaml(str(error.value).split("\n\n")[1], "start")
    assert start["left_hip"] == "LeftUpLeg" and start["left_wrist"] is None
    filled = {"left_wrist": "Paddle"}
    assert names[map_skeleton(names, PARENTS, standing()[None], filled).joints["left_elbow"]] == "LeftForeArm"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("left_wist: LeftHand", "did you mean 'left_wrist'"),
        ("left_wrist: 3", "expected a joint's name"),
        ("\n".join(f"x{i}: y" for i in range(41)), "at most 40"),
    ],
)
def test_bad_maps_are_refused(text, part, tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=part):
        read_map(path)


def test_a_map_of_an_unknown_joint_is_refused():
    with pytest.raises(ConfigError, match="no joint 'Hand'"):
        map_skeleton(names_of("lafan"), PARENTS, standing()[None], {"left_wrist": "Hand"})
