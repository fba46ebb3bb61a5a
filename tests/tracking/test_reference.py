import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation, Slerp

from characters import CharacterState, Kinematics, load_character
from mimic.core.rotations import (
    quat_angle,
    quat_from_axis_angle,
    quat_from_rotvec,
    quat_from_yaw,
    quat_mul,
    quat_rotate,
)
from mimic.tracking.reference import TABLE_HZ, Reference, _unwrapped, end_effectors_h, sample_motion
from mocap.motion import velocities
from tests.motion_samples import clip_or_skip, random_motion
from tests.states import CHARACTERS, assert_states_close, normal


def at_origin(n):
    return torch.zeros(n, 3), torch.zeros(n)


def in_float64(state):
    return state.to(torch.float64)


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_reference_at_a_frame_time_is_the_frame(name):
    motion, character = random_motion(name), load_character(name)
    state = sample_motion(motion, character, motion.times)
    velocity = velocities(motion, character)
    torch.testing.assert_close(state.root_pos_w, motion.root_pos_w)
    torch.testing.assert_close(
        quat_angle(state.root_quat_w, motion.root_quat_w), torch.zeros(12).double(), atol=1e-12, rtol=0
    )
    angles = quat_angle(state.joint_quat, motion.joint_quat)
    torch.testing.assert_close(angles, torch.zeros_like(angles), atol=1e-12, rtol=0)
    for field in ("root_linvel_w", "root_angvel_w", "joint_vel"):
        torch.testing.assert_close(getattr(state, field), getattr(velocity, field))


@pytest.mark.parametrize("name", CHARACTERS)
def test_positions_and_velocities_between_frames_are_lerped_and_rotations_slerped(name):
    motion, character = random_motion(name), load_character(name)
    times = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * motion.duration
    state, velocity = sample_motion(motion, character, times), velocities(motion, character)

    def lerp(values):
        return np.stack([np.interp(times, motion.times, column) for column in values.T], 1)

    def slerp(quat):
        between = Slerp(motion.times.numpy(), Rotation.from_quat(quat.numpy(), scalar_first=True))(times.numpy())
        return torch.from_numpy(between.as_quat(scalar_first=True))

    np.testing.assert_allclose(state.root_pos_w, lerp(motion.root_pos_w), atol=1e-12)
    for field in ("root_linvel_w", "root_angvel_w", "joint_vel"):
        np.testing.assert_allclose(getattr(state, field), lerp(getattr(velocity, field)), atol=1e-9)
    assert float(quat_angle(state.root_quat_w, slerp(motion.root_quat_w)).max()) < 1e-9
    for j in range(len(character.joints)):
        assert float(quat_angle(state.joint_quat[:, j], slerp(motion.joint_quat[:, j])).max()) < 1e-9


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_table_is_the_motion(name):
    """A row's chord cuts a frame's corner by a quarter of the jump in speed times the time between rows."""
    motion, character = random_motion(name), load_character(name)
    reference = Reference([motion], character)
    times = torch.rand(300, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * motion.duration
    times[:2] = torch.tensor([0.0, motion.duration])
    exact = sample_motion(motion, character, times)
    found = in_float64(reference.sample(times, *at_origin(300)).state)
    velocity = velocities(motion, character)
    fastest_turn = max(float(velocity.root_angvel_w.norm(dim=1).max()), float(velocity.joint_vel.abs().max()) * 2)
    corner = 0.25 / TABLE_HZ
    assert float((found.root_pos_w - exact.root_pos_w).abs().max()) < corner * float(
        velocity.root_linvel_w.diff(dim=0).abs().max()
    )
    assert float(quat_angle(found.root_quat_w, exact.root_quat_w).max()) < corner * 2 * fastest_turn
    assert float(quat_angle(found.joint_quat, exact.joint_quat).max()) < corner * 2 * fastest_turn
    smallest_gap = float(motion.times.diff().min())
    for field in ("root_linvel_w", "root_angvel_w", "joint_vel"):
        kink = float(getattr(velocity, field).diff(dim=0).abs().max()) * 2 / smallest_gap
        assert float((getattr(found, field) - getattr(exact, field)).abs().max()) < corner * kink


def test_the_table_of_a_real_clip_is_exact_to_a_tenth_of_a_millimetre_and_a_milliradian():
    motion, character = clip_or_skip("walk")
    times = torch.linspace(0, motion.duration, 500, dtype=torch.float64)
    exact = sample_motion(motion, character, times)
    found = in_float64(Reference([motion], character).sample(times, *at_origin(500)).state)
    assert float((found.root_pos_w - exact.root_pos_w).abs().max()) < 1e-4
    assert float(quat_angle(found.joint_quat, exact.joint_quat).max()) < 1e-3
    assert float((found.root_linvel_w - exact.root_linvel_w).abs().max()) < 5e-3


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_derived_columns_of_the_table_are_the_kinematics_of_the_state(name):
    motion, character = random_motion(name), load_character(name)
    times = torch.linspace(0, motion.duration, 80, dtype=torch.float64)
    origin, yaw = normal(80, 3, seed=1).float() * torch.tensor([5.0, 5.0, 0.0]), 3 * normal(80, seed=2).float()
    sample = Reference([motion], character).sample(times, origin, yaw)
    kinematics = Kinematics(character)
    bodies = kinematics.forward(sample.state)
    torch.testing.assert_close(sample.body_offset_w, bodies.pos_w - bodies.pos_w[:, :1], atol=2e-3, rtol=0)
    torch.testing.assert_close(sample.com_vel_w, kinematics.com_velocity(bodies), atol=0.05, rtol=0)
    torch.testing.assert_close(sample.lowest_point_w, kinematics.lowest_points(bodies), atol=2e-3, rtol=0)
    effectors = torch.tensor([character.body_index(n) for n in character.end_effectors])
    expected = end_effectors_h(bodies.pos_w[:, effectors], sample.state)
    torch.testing.assert_close(sample.end_effector_h, expected, atol=2e-3, rtol=0)


def test_placing_the_clip_turns_and_moves_everything_alike():
    motion, character = random_motion("dog"), load_character("dog")
    reference = Reference([motion], character)
    times = torch.linspace(0, motion.duration, 30, dtype=torch.float64)
    origin, yaw = normal(30, 3, seed=1).float(), 3 * normal(30, seed=2).float()
    here, there = reference.sample(times, *at_origin(30)), reference.sample(times, origin, yaw)
    turn = quat_from_yaw(yaw)
    moved = CharacterState(
        quat_rotate(turn, here.state.root_pos_w) + origin,
        quat_mul(turn, here.state.root_quat_w),
        quat_rotate(turn, here.state.root_linvel_w),
        quat_rotate(turn, here.state.root_angvel_w),
        here.state.joint_quat,
        here.state.joint_vel,
    )
    assert_states_close(there.state, moved, atol=1e-5)
    torch.testing.assert_close(there.body_offset_w, quat_rotate(turn[:, None], here.body_offset_w), atol=1e-5, rtol=0)
    torch.testing.assert_close(there.com_vel_w, quat_rotate(turn, here.com_vel_w), atol=1e-5, rtol=0)
    torch.testing.assert_close(there.lowest_point_w, here.lowest_point_w + origin[:, 2:], atol=1e-5, rtol=0)
    # heights and all that is seen from the character's own heading stay as they are
    torch.testing.assert_close(there.end_effector_h[..., :2], here.end_effector_h[..., :2], atol=1e-5, rtol=0)
    pos, quat = reference.root(times, origin, yaw)
    assert torch.equal(pos, there.state.root_pos_w) and torch.equal(quat, there.state.root_quat_w)


@pytest.mark.parametrize("name", CHARACTERS)
def test_servo_targets_are_the_joint_rotations(name):
    motion, character = random_motion(name), load_character(name)
    reference = Reference([motion], character)
    times = torch.linspace(0, motion.duration, 200, dtype=torch.float64)
    state = reference.sample(times, *at_origin(200)).state
    target = reference.pd_target(times)
    for j, joint in enumerate(character.joints):
        if joint.kind == "ball":
            quat = quat_from_rotvec(target[:, joint.dof])
        else:
            quat = quat_from_axis_angle(torch.tensor(joint.axis).expand(200, 3), target[:, joint.dof][:, 0])
        assert float(quat_angle(quat, state.joint_quat[:, j]).max()) < 3e-3, joint.name


def test_rotation_vectors_run_on_past_half_a_turn():
    axis = torch.nn.functional.normalize(normal(3, seed=4), dim=0)
    angle = torch.linspace(-1.0, 5.0, 200, dtype=torch.float64)
    wrapped = torch.where(angle > math.pi, angle - 2 * math.pi, angle)[:, None, None] * axis
    torch.testing.assert_close(_unwrapped(wrapped), angle[:, None, None] * axis)
    still = torch.zeros(5, 2, 3, dtype=torch.float64)
    assert torch.equal(_unwrapped(still), still)


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e30, -1e30])
def test_a_broken_time_hurts_nobody_else(time):
    motion, character = random_motion("humanoid"), load_character("humanoid")
    reference = Reference([motion], character)
    times = torch.linspace(0, motion.duration, 5, dtype=torch.float64)
    clean = reference.sample(times, *at_origin(5)).state
    times[2] = time
    broken, rest = reference.sample(times, *at_origin(5)).state, torch.tensor([0, 1, 3, 4])
    for field in fields(CharacterState):
        assert torch.equal(getattr(broken, field.name)[rest], getattr(clean, field.name)[rest])
