"""Cutting: what an animator relies on, of cycles, frame rates and motion in place."""

import math
from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.core.rotations import heading_angle, quat_angle, quat_from_rotvec, quat_mul
from mocap.editing import (
    best_cycle,
    blend_end,
    close_loop,
    cut,
    extract_cycle,
    from_origin,
    in_place,
    mirror,
    repeat_cycles,
    resample,
    seam_of,
)
from tests.kinematic_engine import gentle_motion
from tests.motion_samples import random_motion

HUMANOID = load_character("humanoid")


def tired(cycles: int, off: float = 0.05, drift: float = 0.0):
    """Cycles of one second after another, each a little further off in one joint; the second one least."""
    motion = gentle_motion("humanoid", loop=False, duration=float(cycles))
    time = motion.times
    number = time.floor().clamp(max=cycles - 1)
    swing = torch.sin(2 * math.pi * time)
    rotvec = torch.zeros(len(time), 3, dtype=torch.float64)
    rotvec[:, 0] = 0.3 * swing + off * (number - 1).abs() * (time - number)
    joint_quat = motion.joint_quat.clone()
    joint_quat[:] = motion.joint_quat[0]
    joint_quat[:, 0] = quat_from_rotvec(rotvec)
    root_pos = motion.root_pos_w + torch.tensor([0.0, 0.0, drift]) * time[:, None]
    return replace(motion, joint_quat=joint_quat, root_pos_w=root_pos)


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 120.0])
def test_any_frame_rate_keeps_the_movement(fps):
    motion = random_motion("humanoid", loop=False)
    cut = resample(motion, HUMANOID, fps)
    assert cut.fps == pytest.approx(fps)
    assert motion.duration - 1 / fps < cut.duration <= motion.duration + 1e-9
    assert torch.equal(cut.root_pos_w[0], motion.root_pos_w[0])
    there = resample(cut, HUMANOID, fps)
    assert (there.root_pos_w - cut.root_pos_w).abs().max() < 1e-9, "and cutting again changes nothing"


def test_a_cycle_keeps_its_first_and_last_pose_at_any_frame_rate():
    motion = random_motion("humanoid", loop=True)
    cut = resample(motion, HUMANOID, 30.0)
    assert cut.fps == pytest.approx(30.0)
    assert abs(cut.duration - motion.duration) <= 0.5 / 30 + 1e-9
    for frame in (0, -1):
        assert quat_angle(cut.joint_quat[frame], motion.joint_quat[frame]).max() < 1e-6


def test_the_best_cycle_is_the_one_that_closes():
    cycle = best_cycle(tired(4), HUMANOID, 1.0)
    assert cycle.loop and cycle.duration == pytest.approx(1.0)
    assert cycle.root_pos_w[0, 0] == pytest.approx(0.3, abs=1e-6), "the second, which starts at 0.3 m"
    only = best_cycle(tired(1), HUMANOID, 1.0)
    assert only.root_pos_w[0, 0] == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match=r"contain no cycle of 2\.00 s"):
        best_cycle(tired(1), HUMANOID, 2.0)


@pytest.mark.parametrize("turns", [False, True])
def test_a_closed_cycle_ends_as_it_starts_and_starts_as_it_did(turns):
    motion = replace(random_motion("humanoid", frames=40), loop=True)
    closed, seam = blend_end(motion, turns), seam_of(motion)
    assert seam.joint == pytest.approx(float(quat_angle(motion.joint_quat[-1], motion.joint_quat[0]).max()))
    assert quat_angle(closed.joint_quat[-1], closed.joint_quat[0]).max() < 1e-6
    assert closed.root_pos_w[-1, 2] == pytest.approx(float(closed.root_pos_w[0, 2]))
    assert torch.equal(closed.root_pos_w[:, :2], motion.root_pos_w[:, :2]), "its way is its own"
    first = motion.times < 0.7 * motion.duration
    assert quat_angle(closed.joint_quat, motion.joint_quat)[first].max() < 1e-6
    difference = quat_angle(closed.root_quat_w[-1], closed.root_quat_w[0])
    if not turns:
        assert difference < 1e-6


def test_a_cycle_that_turns_goes_on_at_its_new_heading():
    motion = gentle_motion("humanoid", turn=1.0)
    closed = blend_end(motion, turns=True)
    heading = heading_angle(closed.root_quat_w)
    assert float(heading[-1] - heading[0]) == pytest.approx(1.0, abs=1e-6)
    straight = blend_end(motion, turns=False)
    assert float(heading_angle(straight.root_quat_w)[-1]) == pytest.approx(0.0, abs=1e-6)


def test_no_joint_jumps_where_the_seam_is_worked_in():
    motion = best_cycle(tired(3, off=0.3), HUMANOID, 1.0)
    closed, seam = blend_end(motion), seam_of(motion)
    steps = quat_angle(closed.joint_quat[1:], closed.joint_quat[:-1]).max()
    plain = quat_angle(motion.joint_quat[1:], motion.joint_quat[:-1]).max()
    assert steps < plain + seam.joint * 2 / (0.3 * motion.num_frames)


def test_a_motion_in_place_stays_over_the_origin_and_keeps_heights_and_turns():
    cycle = from_origin(replace(gentle_motion("humanoid"), loop=True))
    assert cycle.root_pos_w[-1, 0] > 0.2
    still = in_place(cycle)
    assert still.root_pos_w[-1, :2].abs().max() < 1e-9
    assert still.root_pos_w[:, 1].abs().max() > 0.01, "a cycle keeps its sway"
    once = in_place(replace(cycle, loop=False))
    assert once.root_pos_w[:, :2].abs().max() < 1e-9
    for each in (still, once):
        assert torch.equal(each.root_pos_w[:, 2], cycle.root_pos_w[:, 2])
        assert torch.equal(each.root_quat_w, cycle.root_quat_w)


@pytest.mark.parametrize("turns", [False, True])
def test_repeated_cycles_go_on_where_they_ended(turns):
    cycle = blend_end(gentle_motion("humanoid", turn=0.5), turns)
    line = repeat_cycles(cycle, 3, turns)
    frames = cycle.num_frames - 1
    assert line.num_frames == 3 * frames + 1 and line.duration == pytest.approx(3 * cycle.duration)
    assert not line.loop
    assert torch.equal(line.root_pos_w[: frames + 1], cycle.root_pos_w)
    steps = line.root_pos_w.diff(dim=0).norm(dim=1)
    assert steps.max() < 1.5 * cycle.root_pos_w.diff(dim=0).norm(dim=1).max()
    assert quat_angle(line.root_quat_w[1:], line.root_quat_w[:-1]).max() < 0.1
    turned = float(heading_angle(line.root_quat_w[-1]) - heading_angle(line.root_quat_w[0]))
    assert turned == pytest.approx(1.5 if turns else 0.0, abs=1e-6)


def test_less_than_a_frame_is_refused():
    with pytest.raises(InputError, match="less than a frame at 1 frames/s"):
        resample(random_motion("humanoid", frames=4, loop=False), HUMANOID, 1.0)


def test_turning_the_world_turns_the_closed_cycle():
    motion = replace(random_motion("humanoid", frames=20), loop=True)
    turn = quat_from_rotvec(torch.tensor([0.0, 0.0, 0.8], dtype=torch.float64))
    turned = replace(motion, root_quat_w=quat_mul(turn.expand_as(motion.root_quat_w), motion.root_quat_w).contiguous())
    a, b = blend_end(motion), blend_end(turned)
    assert quat_angle(quat_mul(turn.expand_as(a.root_quat_w), a.root_quat_w), b.root_quat_w).max() < 1e-6


@pytest.mark.parametrize(
    "edit",
    [
        lambda clip: cut(clip, 3, 12),
        lambda clip: resample(clip, load_character("humanoid"), 25.0),
        close_loop,
        lambda clip: extract_cycle(clip, clip, 0),
        blend_end,
        lambda clip: repeat_cycles(close_loop(clip), 2),
        from_origin,
        in_place,
        lambda clip: mirror(clip, load_character("humanoid")),
    ],
)
def test_no_edit_changes_the_motion_that_it_is_given(edit):
    clip = random_motion("humanoid", frames=20)
    tensors = {name: value.clone() for name, value in vars(clip).items() if isinstance(value, torch.Tensor)}
    edit(clip)
    for name, value in tensors.items():
        assert torch.equal(getattr(clip, name), value), name
