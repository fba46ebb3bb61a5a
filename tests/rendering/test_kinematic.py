"""A clip that is only played is the clip."""

from dataclasses import replace

import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.core.errors import InputError
from mimic.core.rotations import heading_angle, quat_from_yaw, quat_rotate
from mimic.rendering import motion_frames
from mocap.motion import Motion
from tests.motion_samples import random_motion


def _motion(loop: bool) -> Motion:
    return replace(random_motion("dog", seed=4, loop=loop), times=torch.arange(12, dtype=torch.float64) / 30)


def test_frames_at_the_times_of_the_clip_are_the_clip() -> None:
    motion, dog = _motion(loop=False), load_character("dog")
    frames = motion_frames(motion, dog, seconds=12 / 30)
    zeros = torch.zeros(12, 3, dtype=torch.float64)
    still = torch.zeros(12, dog.num_actuated, dtype=torch.float64)
    state = CharacterState(motion.root_pos_w, motion.root_quat_w, zeros, zeros, motion.joint_quat, still)
    bodies = Kinematics(dog, dtype=torch.float64).forward(state)
    for i, frame in enumerate(frames):
        assert frame.time == i / 30 and frame.reference is None and frame.clip == motion.name
        assert torch.allclose(frame.sim.pos, bodies.pos_w[i], atol=1e-9)
        turn = (frame.sim.quat * bodies.quat_w[i]).sum(-1).abs()
        assert torch.allclose(turn, torch.ones_like(turn), atol=1e-9)


def test_a_loop_goes_on_from_where_it_ended_at_its_own_height() -> None:
    motion, dog = _motion(loop=True), load_character("dog")
    frames = motion_frames(motion, dog, seconds=3 * 11 / 30)
    step = motion.root_pos_w[-1] - motion.root_pos_w[0]
    for i in range(11):
        moved = frames[i + 22].sim.pos - frames[i].sim.pos
        assert torch.allclose(moved, 2 * step * torch.tensor([1.0, 1.0, 0.0]).expand_as(moved), atol=1e-9)


def test_a_turning_loop_starts_each_cycle_where_and_how_the_last_one_ended() -> None:
    motion, dog = _motion(loop=True), load_character("dog")
    frames = motion_frames(motion, dog, seconds=3 * 11 / 30, turn_on=True)
    heading = heading_angle(motion.root_quat_w)
    turned = heading_angle(torch.stack([frames[i].sim.quat[0] for i in (0, 11, 22)])) - heading[0]
    expected = torch.arange(3, dtype=torch.float64) * (heading[-1] - heading[0])
    assert torch.allclose((turned - expected).cos(), torch.ones(3, dtype=torch.float64), atol=1e-9)
    # the clip's last frame and the next cycle's first are one place on the ground, seen from either cycle
    local_end = motion.root_pos_w[-1] - motion.root_pos_w[0]
    local_end[2] = 0.0
    for cycle, first, following in ((0, 0, 11), (1, 11, 22)):
        turn = quat_from_yaw(expected[cycle : cycle + 1])[0]
        moved = frames[following].sim.pos[0] - frames[first].sim.pos[0]
        assert torch.allclose(moved[:2], quat_rotate(turn, local_end)[:2], atol=1e-9)


def test_a_clip_that_does_not_loop_stays_at_its_end() -> None:
    frames = motion_frames(_motion(loop=False), load_character("dog"))
    assert len(frames) == round((11 / 30 + 1.0) * 30)
    assert torch.equal(frames[-1].sim.pos, frames[-10].sim.pos)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), 1e9])
def test_lengths_out_of_range_are_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="cannot play"):
        motion_frames(_motion(loop=True), load_character("dog"), seconds)
