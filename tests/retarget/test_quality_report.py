"""The card passes a sound clip, and names each fault that a spoilt one is given."""

import json
from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.rotations import quat_from_rotvec, quat_mul
from mocap.motion import Motion
from retarget.collision import self_collision
from retarget.configuration import Configuration, KinematicTree
from retarget.quality_report import THRESHOLDS, make_quality_report
from retarget.quality_report_html import quality_report_html
from tests.retarget.foreign import stepping

HUMANOID = load_character("humanoid")
NEEDED = "frames fps keypoint_error_cm foot_skate_cm_s penetration_mm float_mm limit_violation_fraction "
NEEDED += "torque_infeasible_fraction loop_seam verdict"


def moved(motion: Motion, by: torch.Tensor) -> Motion:
    return replace(motion, root_pos_w=motion.root_pos_w + by)


def test_a_sound_clip_passes_and_has_every_figure():
    card = make_quality_report(stepping(), HUMANOID)
    data = json.loads(json.dumps(card.to_json()))
    assert not set(NEEDED.split()) - set(data)
    assert data["frames"] == 91 and data["fps"] == pytest.approx(60)
    assert {c["verdict"] for c in data["checks"] if c["name"] in ("penetration", "limits", "jumps", "torque")} == {
        "pass"
    }


def spoilt(name: str) -> Motion:
    motion, ramp = stepping(), torch.linspace(0, 1, 91).double()
    zero, up = torch.zeros(91).double(), torch.ones(91).double()
    if name == "penetration":
        return moved(motion, torch.stack((zero, zero, -0.03 * up), 1))
    if name == "unsupported":
        return moved(motion, torch.stack((zero, zero, 0.5 * up), 1))
    if name == "foot_skate":
        return moved(motion, torch.stack((0.25 * ramp, zero, zero), 1))
    quat = motion.joint_quat.clone()
    if name == "limits":
        knee = HUMANOID.joint_index("left_knee")
        quat[10:20, knee] = quat_from_rotvec(torch.tensor([0.0, -0.2, 0.0]).double())  # bent forwards
    if name == "jumps":
        chest = HUMANOID.joint_index("chest")
        quat[45:, chest] = quat_mul(quat[45:, chest], quat_from_rotvec(torch.tensor([0.0, 0.0, 1.0]).double()))
    if name == "self_collision":
        elbow, shoulder = HUMANOID.joint_index("left_elbow"), HUMANOID.joint_index("left_shoulder")
        quat[:, elbow, 0], quat[:, elbow, 1:] = 1.0, 0.0
        quat[:, shoulder] = quat_from_rotvec(torch.tensor([-0.6, 0.0, 0.0]).double())  # through the body
    if name == "seam_pose":
        return replace(stepping(seconds=1.3), loop=True)
    return replace(motion, joint_quat=quat)


@pytest.mark.parametrize(
    "name", ["penetration", "unsupported", "foot_skate", "limits", "jumps", "self_collision", "seam_pose"]
)
def test_each_fault_is_seen_with_its_remedy(name):
    before = {c.name: c.value for c in make_quality_report(stepping(), HUMANOID).checks}
    card = make_quality_report(spoilt(name), HUMANOID)
    check = next(c for c in card.checks if c.name == name)
    assert check.value > before.get(name, 0.0)
    assert check.verdict != "pass" and check.remedy == THRESHOLDS[name].remedy
    assert card.verdict != "pass"


def test_arms_beside_the_body_do_not_collide():
    motion = stepping()
    tree = KinematicTree(HUMANOID)
    assert not self_collision(tree, tree.forward(Configuration.of(motion))).any()


def test_the_page_needs_nothing_else():
    motion = replace(stepping(), name="<b>walk</b>")
    page = quality_report_html(make_quality_report(motion, HUMANOID, notes=("a & b",)))
    assert "http" not in page and "<script" not in page and "src=" not in page
    assert "&lt;b&gt;walk" in page and "a &amp; b" in page
    assert page.count("<svg") >= 4 and "nan" not in page.lower()
