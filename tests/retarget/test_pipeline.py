"""What retargeting promises: a clip of the same body is kept, another body's is met, cutting changes nothing."""

import math
from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_angle
from mocap.editing import close_loop
from mocap.motion import Motion
from mocap.skeleton import character_motion_as_skeleton
from retarget.measures import measure
from retarget.pipeline import Options, retarget
from retarget.quality_report import make_quality_report
from retarget.solver import SolverConfig
from tests.motion_samples import random_motion
from tests.retarget.foreign import foreign, stepping, with_own_frames

HUMANOID = load_character("humanoid")


def furthest(a: Motion, b: Motion) -> float:
    """Greatest difference of any joint, and of the root, in degrees."""
    joints = quat_angle(a.joint_quat, b.joint_quat).max()
    return float(torch.rad2deg(torch.maximum(joints, quat_angle(a.root_quat_w, b.root_quat_w).max())))


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_a_clip_of_the_same_skeleton_passes_through(name):
    character, motion = load_character(name), random_motion(name)
    for clip in (motion, character_motion_as_skeleton(motion, character)):
        result = retarget(clip, character)
        assert furthest(result.motion, motion) < 1e-6
        assert torch.allclose(result.motion.root_pos_w, motion.root_pos_w, atol=1e-12)
        assert "taken over" in result.notes[0]


def test_a_larger_person_is_met_at_our_size():
    """The humanoid's own movement, a fifth larger: each joint comes back to the place it had at the humanoid's size."""
    motion = stepping()
    result = retarget(foreign(motion, 1.2), HUMANOID)
    card = make_quality_report(result.motion, HUMANOID, result.targets).to_json()
    assert card["keypoint_error_cm"]["mean"] < 1.0
    assert result.targets is not None and result.targets.scale == pytest.approx(1 / 1.2, rel=1e-6)
    assert card["penetration_mm"] < 1.0 and card["limit_violation_fraction"] == 0
    assert card["foot_skate_cm_s"] < 1.0


def test_bone_frames_of_the_rig_do_not_matter():
    clip = foreign(stepping(), 1.1)
    plain = retarget(clip, HUMANOID).motion
    for seed in (1, 2):
        other = retarget(with_own_frames(clip, seed), HUMANOID).motion
        assert furthest(plain, other) < 0.01


def test_a_part_equals_the_slice_of_the_whole():
    clip = foreign(stepping(), 1.1)
    whole = retarget(clip, HUMANOID).motion
    part = retarget(clip, HUMANOID, Options(start=0.5, end=1.0)).motion
    inner = slice(30 + 5, 30 + part.num_frames - 5)
    cut = replace(
        whole,
        times=whole.times[inner] - whole.times[inner][0],
        root_pos_w=whole.root_pos_w[inner],
        root_quat_w=whole.root_quat_w[inner],
        joint_quat=whole.joint_quat[inner],
    )
    middle = replace(
        part,
        times=cut.times,
        root_pos_w=part.root_pos_w[5:-5],
        root_quat_w=part.root_quat_w[5:-5],
        joint_quat=part.joint_quat[5:-5],
    )
    assert furthest(cut, middle) < 0.1


def test_distant_frames_do_not_change_the_solution():
    """The solver's coupling reaches no further than its iterations."""
    clip = foreign(stepping(), 1.1)
    settings = SolverConfig(iterations=4)
    short = replace(clip, times=clip.times[:60], quat=clip.quat[:60], pos=clip.pos[:60])
    long = retarget(clip, HUMANOID, settings=settings).motion
    part = retarget(short, HUMANOID, settings=settings).motion
    apart = torch.rad2deg(quat_angle(long.joint_quat[:50], part.joint_quat[:50])).amax(1)
    assert apart.max() < 2.0


def test_options_speed_rate_and_mirror():
    clip = foreign(stepping(), 1.1)
    fast = retarget(clip, HUMANOID, Options(speed=2.0, fps=30.0)).motion
    assert fast.fps == pytest.approx(30.0) and fast.duration == pytest.approx(clip.duration / 2, abs=0.04)
    plain = retarget(clip, HUMANOID).motion
    image = retarget(clip, HUMANOID, Options(mirror=True)).motion
    flip = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    left, right = (HUMANOID.joint_index(f"{side}_knee") for side in ("left", "right"))
    assert torch.allclose(image.joint_quat[:, left], plain.joint_quat[:, right] * flip, atol=1e-9)


def test_a_loop_is_found_and_closed():
    result = retarget(foreign(stepping(seconds=2.6), 1.1), HUMANOID, Options(loop=True))
    motion = result.motion
    assert motion.loop and motion.duration == pytest.approx(1.0, abs=0.05)  # one cycle a second
    seam = measure(motion, HUMANOID).seam
    assert seam is not None and math.degrees(seam.pose) < 0.01 and seam.velocity < 1.0
    assert any("cycle found" in note for note in result.notes)


def test_closing_a_loop_leaves_the_middle_alone():
    motion = stepping(seconds=1.3)
    closed = close_loop(motion)
    assert torch.allclose(closed.joint_quat[25:50], motion.joint_quat[25:50], atol=1e-12)
    first, last = closed.joint_quat[0], closed.joint_quat[-1]
    assert quat_angle(first, last).max() < 1e-7
    assert quat_angle(motion.joint_quat[0], motion.joint_quat[-1]).max() > 0.1


def test_feet_in_the_air_and_on_the_ground_are_told_apart():
    targets = retarget(foreign(stepping(), 1.1), HUMANOID).targets
    assert targets is not None
    both = targets.contact["left_ankle"] | targets.contact["right_ankle"]
    assert both.double().mean() > 0.8  # stepping on the spot: one foot stands
    assert 0.3 < targets.contact["left_ankle"].double().mean() < 0.9


def test_spans_that_are_not_there_are_refused():
    with pytest.raises(ClipError, match="no two frames between 7 s and 9 s"):
        retarget(foreign(stepping()), HUMANOID, Options(start=7.0, end=9.0))


@pytest.mark.parametrize("options", [Options(speed=1e5), Options(speed=1e-3)])
def test_a_result_that_no_clip_may_be_is_refused(options):
    with pytest.raises(ClipError, match=r"lasts 0\.01 to 120 s"):
        retarget(stepping(), HUMANOID, options)


@pytest.mark.parametrize("root_motion", ["auto", "from-feet"])
def test_a_person_goes_onto_the_dog_whose_toes_and_fingers_he_lacks(root_motion):
    result = retarget(stepping(), load_character("dog"), Options(root_motion=root_motion))
    assert result.root_motion == "keep" and result.motion.num_frames == stepping().num_frames
    seen = any("no foot is seen to stand" in note for note in result.notes)
    assert seen == (root_motion == "from-feet")


def test_a_dog_clip_goes_onto_the_dog_at_another_size():
    dog = load_character("dog")
    motion = random_motion("dog", frames=30)
    frozen = replace(motion, joint_quat=motion.joint_quat[:1].expand(30, -1, -1).clone())
    result = retarget(foreign(frozen, 0.8), dog)
    assert result.targets is not None and result.targets.scale == pytest.approx(1.25, rel=1e-6)
