"""Mending a clip of one's own skeleton: feet stand, the loop closes, and what needs no mending is left alone."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_angle, quat_mul
from mocap.catalogue import list_clips, load_clip
from mocap.editing import close_loop, cut, repeat_cycles
from mocap.gaits import author_gait
from mocap.motion import Motion
from retarget.ground import lift_penetration
from retarget.measures import measure
from retarget.pipeline import resolve_closed_loop
from retarget.quality_report import QualityReport, make_quality_report
from retarget.repair import fault_counts, repair

DOG, HUMANOID = load_character("dog"), load_character("humanoid")


def skating(motion: Motion, speed: float) -> Motion:
    """The gait with its root, and so its standing feet, carried along at ``speed`` [m/s]."""
    along = motion.times[:, None] * torch.tensor([speed, 0.0, 0.0], dtype=torch.float64)
    return replace(motion, root_pos_w=motion.root_pos_w + along)


def value(motion: Motion, name: str) -> float:
    return next(check.value for check in make_quality_report(motion, DOG).checks if check.name == name)


@pytest.fixture(scope="module")
def walk() -> Motion:
    return author_gait("walk")


def test_a_clip_that_passes_is_left_alone(walk):
    assert make_quality_report(walk, DOG).verdict == "pass"
    repaired = repair(walk, DOG)
    assert torch.equal(repaired.joint_quat, walk.joint_quat) and torch.equal(repaired.times, walk.times)


def test_feet_that_skate_stand(walk):
    broken = skating(walk, 0.12)
    repaired = repair(broken, DOG)
    assert value(broken, "foot_skate") > 8.0 > 3.0 > value(repaired, "foot_skate")
    assert fault_counts(make_quality_report(repaired, DOG)) < fault_counts(make_quality_report(broken, DOG))
    assert repaired.loop and torch.equal(repaired.times, broken.times)
    assert (repaired.root_pos_w - broken.root_pos_w).norm(dim=-1).max() < 0.05


def test_a_loop_that_jumps_is_closed(walk):
    bent = walk.joint_quat.clone()
    knee = DOG.joint_index(next(j.name for j in DOG.joints if j.kind == "hinge"))
    angle = torch.linspace(0.0, 0.4, walk.num_frames, dtype=torch.float64) / 2
    axis = torch.tensor(DOG.joints[knee].axis, dtype=torch.float64)
    turn = torch.cat((angle.cos()[:, None], angle.sin()[:, None] * axis), 1)
    bent[:, knee] = quat_mul(bent[:, knee], turn)
    broken = replace(walk, joint_quat=bent)
    repaired = repair(broken, DOG)
    seam = quat_angle(repaired.joint_quat[0], repaired.joint_quat[-1]).max()
    assert quat_angle(broken.joint_quat[0], broken.joint_quat[-1]).max() > 0.3 > 1e-6 > seam


def test_unrolling_goes_on_from_where_a_cycle_ended(walk):
    closed = close_loop(walk)
    twice, last = repeat_cycles(closed, 2), closed.num_frames - 1
    assert twice.num_frames == 2 * last + 1 and twice.duration == pytest.approx(2 * closed.duration)
    step = closed.root_pos_w[-1] - closed.root_pos_w[0]
    assert torch.allclose(twice.root_pos_w[last:], closed.root_pos_w + step * torch.tensor([1.0, 1.0, 0.0]), atol=1e-9)
    assert quat_angle(twice.root_quat_w[last:], closed.root_quat_w).max() < 1e-6


def test_a_clip_of_another_character_is_refused(walk):
    with pytest.raises(ClipError, match="dog"):
        repair(walk, HUMANOID)


@pytest.mark.parametrize("name", [clip.name for clip in list_clips() if clip.available and not clip.synthetic])
def test_a_named_clip_fails_nothing_that_it_passed(name):
    motion = load_clip(name)
    character = load_character(motion.character)
    lifted, repaired = (
        make_quality_report(m, character) for m in (lift_penetration(motion, character), repair(motion, character))
    )
    assert failing(repaired) <= failing(lifted) and fault_counts(repaired) <= fault_counts(lifted)

    if name != "canter":  # docs/retargeting.md says why it does
        assert not failing(repaired)


def test_a_loop_is_measured_as_the_endless_motion_that_it_is(walk):
    begin, end = slice(0, 1), slice(-1, None)
    endless, once = measure(walk, DOG), measure(cut(replace(walk, loop=False), 0, walk.num_frames - 6), DOG)
    assert endless.acceleration[begin] == pytest.approx(endless.acceleration[end], rel=1e-6)
    assert once.acceleration[begin] != pytest.approx(once.acceleration[end], rel=1e-2)
    for stance in endless.stances:
        assert bool(stance.flags[0]) == bool(stance.flags[-1])
        assert float(stance.speed[0]) == pytest.approx(float(stance.speed[-1]), abs=1e-6)


def test_a_cycle_is_settled_between_cycles_of_itself(walk):
    """Which frame it begins with does not matter: feet that stand across the seam are held like any other."""
    broken = skating(walk, 0.12)
    last, half = broken.num_frames - 1, (broken.num_frames - 1) // 2
    twice = repeat_cycles(close_loop(broken), 2)
    span = slice(half, half + last + 1)
    later = replace(cut(twice, half, half + last), loop=True)
    settled = repeat_cycles(resolve_closed_loop(broken, DOG), 2)
    other = resolve_closed_loop(later, DOG)
    assert torch.rad2deg(quat_angle(other.joint_quat[:-1], settled.joint_quat[span][:-1])).max() < 0.5
    assert value(resolve_closed_loop(broken, DOG), "foot_skate") < 3.0 < value(close_loop(broken), "foot_skate")


def failing(card: QualityReport) -> set[str]:
    return {check.name for check in card.checks if check.verdict == "fail"}
