"""The GLB read back by programs that did not write it: three.js, and Khronos' validator where npm has put it."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from characters import load_character
from mimic.core.errors import ClipError, InputError
from mimic.exporting.glb import character_glb
from mimic.exporting.skin import build_poses, build_skin
from tests.exporting.reading import CHARACTERS, body_positions, drawn_vertices, node
from tests.motion_samples import random_motion
from tests.sources import ROOT

THREE = ROOT / "mimic" / "exporting" / "vendor" / "three.min.js"
VALIDATOR = ROOT / "web" / "node_modules" / "gltf-validator"


def contents(glb: bytes) -> tuple[dict, bytes]:
    magic, version, length = struct.unpack("<4sII", glb[:12])
    assert (magic, version, length) == (b"glTF", 2, len(glb))
    size = struct.unpack("<I", glb[12:16])[0]
    return json.loads(glb[20 : 20 + size]), glb[28 + size :]


@pytest.mark.parametrize("name", CHARACTERS)
def test_three_js_reads_frames_times_and_joint_positions(name, tmp_path):
    motions = [replace(random_motion(name, seed=s, frames=9), name=f"clip {s}") for s in range(2)]
    path = tmp_path / "x.glb"
    path.write_bytes(character_glb(load_character(name), motions))
    read = [json.loads(node("glb_positions.mjs", THREE, path, *m.times.tolist())) for m in motions]
    assert read[0]["bones"] == [body.name for body in load_character(name).bodies]
    for index, motion in enumerate(motions):
        found = read[index]["animations"][index]
        assert found["name"] == motion.name
        np.testing.assert_allclose(found["keys"], motion.times, atol=1e-6)
        assert np.abs(np.array(found["bones"]) - body_positions(motion)).max() < 1e-5
        for frame in (0, 5):
            drawn = drawn_vertices(motion, frame)[::100]
            assert np.abs(np.array(found["vertices"][frame]) - drawn).max() < 1e-5, "the skin is what the videos show"


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_vertex_is_where_the_videos_have_it(name):
    """The skin at zero pose stands on the ground, left on the left, with the colours of the model."""
    skin = build_skin(load_character(name))
    assert skin.vertices[:, 1].min() == pytest.approx(0.0, abs=0.01)
    names = [body.name for body in load_character(name).bodies]
    for side, sign in (("left", 1), ("right", -1)):
        on_side = [i for i, body in enumerate(names) if body.startswith(side)]
        chosen = skin.vertices[np.isin(skin.body, on_side), 0]
        assert len(chosen) > 1000 and (sign * chosen).mean() > 0.04
    assert np.abs(np.linalg.norm(skin.normals, axis=1) - 1).max() < 1e-6
    assert {"e8694a", "3887c7"} <= {part.name for part in skin.parts}, "right is orange, left is blue"
    outward = np.concatenate([part.triangles for part in skin.parts])
    a, b, c = (skin.vertices[outward[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a) * skin.normals[outward].sum(1)).sum(1).min() > 0, "counter-clockwise from outside"


def test_the_same_character_gives_the_same_bytes_and_animations_only_add():
    character = load_character("humanoid")
    plain = character_glb(character)
    assert plain == character_glb(character)
    document, _ = contents(plain)
    assert "animations" not in document or not document["animations"]
    moving, _ = contents(character_glb(character, [random_motion("humanoid")]))
    assert len(moving["animations"]) == 1
    assert [n["name"] for n in moving["nodes"]] == [n["name"] for n in document["nodes"]]


def test_neighbouring_rotations_never_jump_to_the_other_sign():
    quat = build_poses(random_motion("dog", frames=30), load_character("dog")).rotations
    assert (quat[1:] * quat[:-1]).sum(-1).min() > 0


def test_motions_that_cannot_share_a_file_are_refused():
    humanoid = load_character("humanoid")
    with pytest.raises(InputError, match="different names"):
        character_glb(humanoid, [random_motion("humanoid")] * 2)
    with pytest.raises(ClipError, match="is a motion of dog"):
        character_glb(humanoid, [random_motion("dog")])


@pytest.mark.parametrize("name", CHARACTERS)
def test_khronos_validator_finds_nothing(name, tmp_path):
    if not VALIDATOR.is_dir():
        pytest.skip("gltf-validator is not installed; `make web-tools` does it")
    path = tmp_path / "x.glb"
    path.write_bytes(character_glb(load_character(name), [random_motion(name)]))
    issues = json.loads(node("glb_validate.mjs", VALIDATOR / "index.js", path))
    assert (issues["numErrors"], issues["numWarnings"], issues["numInfos"]) == (0, 0, 0), issues["messages"]
