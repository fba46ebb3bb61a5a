"""A motion onto somebody else's skeleton: their data stays, feet are where ours are after scale."""

import json

import pytest

from characters import load_character
from mimic.exporting.glb import character_glb
from mimic.exporting.onto import onto
from mimic.exporting.their_file import TheirFile
from tests.exporting.reading import node
from tests.exporting.test_glb import VALIDATOR, contents
from tests.kinematic_engine import gentle_motion

HUMANOID = load_character("humanoid")


@pytest.fixture(scope="module")
def worn(tmp_path_factory):
    path = tmp_path_factory.mktemp("onto") / "theirs.glb"
    path.write_bytes(character_glb(HUMANOID))
    return path, onto(path, HUMANOID, [gentle_motion("humanoid")])


def test_their_data_stays_and_one_animation_is_added(worn):
    path, result = worn
    before, binary = contents(path.read_bytes())
    after, longer = contents(result.glb)
    kept = ("nodes", "meshes", "materials", "skins", "scenes")
    assert {key: after.get(key) for key in kept} == {key: before.get(key) for key in kept}
    assert after["accessors"][: len(before["accessors"])] == before["accessors"]
    size = before["buffers"][0]["byteLength"]
    assert longer[:size] == binary[:size] and len(after["animations"]) == 1


def test_feet_are_where_ours_are(worn):
    transfer = worn[1].transfers[0]
    assert transfer.scale == pytest.approx(1.0) and transfer.foot_error < 0.001


def test_khronos_validator_finds_no_error(worn, tmp_path):
    if not VALIDATOR.is_dir():
        pytest.skip("gltf-validator is not installed; `make web-tools` does it")
    path = tmp_path / "x.glb"
    path.write_bytes(worn[1].glb)
    issues = json.loads(node("glb_validate.mjs", VALIDATOR / "index.js", path))
    assert issues["numErrors"] == 0, issues["messages"]
    assert TheirFile(path).skin_joints
