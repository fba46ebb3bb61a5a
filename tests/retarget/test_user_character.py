"""Somebody else's MJCF: Gymnasium's humanoid, which is not ours, and small ones made here."""

import math
from importlib.util import find_spec
from pathlib import Path

import mujoco
import pytest

from mimic.core.errors import ConfigError, InputError
from mimic.runs.preset import load_preset
from mimic.tracking import make_env
from mocap.catalogue import load_clips
from mocap.formats.clip_npz import write_clip_npz
from retarget.pipeline import retarget
from retarget.quality_report import make_quality_report
from retarget.user_character import user_character
from tests.retarget.foreign import foreign, stepping

KEYS = """
model: humanoid.xml
name: gymnast
key_bodies:
  pelvis: {body: pelvis}
  chest: {body: torso}
  left_shoulder: {body: left_upper_arm}
  left_elbow: {body: left_lower_arm}
  left_wrist: {body: left_lower_arm, at: [0.18, -0.18, 0.18]}
  right_shoulder: {body: right_upper_arm}
  right_elbow: {body: right_lower_arm}
  right_wrist: {body: right_lower_arm, at: [0.18, 0.18, 0.18]}
  left_hip: {body: left_thigh}
  left_knee: {body: left_shin}
  left_ankle: {body: left_foot}
  right_hip: {body: right_thigh}
  right_knee: {body: right_shin}
  right_ankle: {body: right_foot}
"""


@pytest.fixture
def gymnast(tmp_path) -> Path:
    spec = find_spec("gymnasium")
    assert spec is not None and spec.origin is not None
    model = Path(spec.origin).parent / "envs/mujoco/assets/humanoid.xml"
    (tmp_path / "humanoid.xml").write_bytes(model.read_bytes())
    (tmp_path / "gymnast.yaml").write_text(KEYS)
    return tmp_path / "gymnast.yaml"


def test_a_foreign_figure_keeps_bones_and_mass(gymnast):
    character = user_character(gymnast, gymnast.parent / "out")
    theirs = mujoco.MjModel.from_xml_path(str(gymnast.parent / "humanoid.xml"))
    assert character.mass == pytest.approx(float(sum(theirs.body_mass)), rel=1e-4)
    assert [body.name for body in character.bodies] == [theirs.body(b).name for b in range(1, theirs.nbody)]
    kinds = {joint.name: joint.kind for joint in character.joints}
    assert kinds["right_thigh"] == "ball" and kinds["right_shin"] == "hinge"
    knee = next(joint for joint in character.joints if joint.name == "right_shin")
    assert knee.range == pytest.approx((math.radians(-160), math.radians(-2)), rel=1e-4)


def test_a_clip_is_retargeted_to_a_user_character_and_becomes_a_task(gymnast):
    character = user_character(gymnast, gymnast.parent / "out")
    result = retarget(foreign(stepping(), 1.1), character)
    card = make_quality_report(result.motion, character, result.targets).to_json()
    assert card["keypoint_error_cm"]["mean"] < 6.0
    assert card["limit_violation_fraction"] == 0 and card["penetration_mm"] < 2.0
    clip = gymnast.parent / "clip.npz"
    clip.write_bytes(write_clip_npz(result.motion))
    env = make_env(load_clips(str(clip)), load_preset("fast").env, 2, threads=1)
    assert env.act_dim == character.num_actuated


def test_bodies_that_cannot_be_placed_are_named_with_a_yaml(gymnast):
    with pytest.raises(ConfigError, match="left_elbow: # \\?") as error:
        user_character(gymnast.parent / "humanoid.xml", gymnast.parent / "out")
    assert 'left_hip: {body: "left_thigh"}' in str(error.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("<mujoco><worldbody/></mujoco>", "has no bodies"),
        ("<mujoco><worldbody><body><joint type='hinge'/></body></worldbody></mujoco>", "mass and inertia"),
        ("not xml", "XML"),
    ],
)
def test_files_that_are_no_figures_are_refused(text, part, tmp_path):
    (tmp_path / "figure.xml").write_text(text)
    with pytest.raises(InputError, match=part):
        user_character(tmp_path / "figure.xml", tmp_path / "out")


def test_unknown_roles_and_bodies_are_refused(gymnast):
    gymnast.write_text(KEYS.replace("left_wrist", "left_paw"))
    with pytest.raises(ConfigError, match="no role left_paw"):
        user_character(gymnast, gymnast.parent / "out")
    gymnast.write_text(KEYS.replace("body: pelvis", "body: pelvus"))
    with pytest.raises(ConfigError, match="no body 'pelvus'"):
        user_character(gymnast, gymnast.parent / "out")
