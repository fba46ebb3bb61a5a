from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from characters import Kinematics, load_character
from mimic.core.rotations import quat_from_axis_angle, quat_from_rotvec, quat_mul, quat_rotate, quat_rotate_inverse
from tests.states import CHARACTERS, random_state

N = 12


def mujoco_data(character, state):
    """One MjData a character of the state, positions and velocities computed by MuJoCo."""
    model = character.mj_model()
    for i in range(len(state)):
        data = mujoco.MjData(model)
        data.qpos[:7] = torch.cat((state.root_pos_w[i], state.root_quat_w[i]))
        data.qvel[:3] = state.root_linvel_w[i]
        data.qvel[3:6] = quat_rotate_inverse(state.root_quat_w[i], state.root_angvel_w[i])
        data.qvel[6:] = state.joint_vel[i]
        for j, joint in enumerate(character.joints):
            quat = state.joint_quat[i, j]
            angle = 2 * torch.atan2(quat[1:] @ torch.tensor(joint.axis, dtype=quat.dtype), quat[0])
            data.joint(joint.name).qpos[:] = quat if joint.kind == "ball" else angle
        mujoco.mj_forward(model, data)
        mujoco.mj_subtreeVel(model, data)
        yield model, data


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_poses_and_velocities_are_mujocos(name, dtype):
    character = load_character(name)
    state = random_state(character, N, dtype=torch.float64)
    kinematics = Kinematics(character, dtype=dtype)
    bodies = kinematics.forward(state.to(dtype))
    com_velocity, coms = kinematics.com_velocity(bodies), kinematics.com_positions(bodies)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    for i, (model, data) in enumerate(mujoco_data(character, state)):
        np.testing.assert_allclose(bodies.pos_w[i], data.xpos[1:], atol=tolerance)
        same = np.sign((bodies.quat_w[i].numpy() * data.xquat[1:]).sum(1, keepdims=True))
        np.testing.assert_allclose(bodies.quat_w[i], same * data.xquat[1:], atol=tolerance)
        np.testing.assert_allclose(coms[i], data.xipos[1:], atol=tolerance)
        np.testing.assert_allclose(com_velocity[i], data.subtree_linvel[1], atol=tolerance)
        velocity = np.zeros(6)
        for b in range(1, model.nbody):
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, b, velocity, 0)
            np.testing.assert_allclose(bodies.angvel_w[i, b - 1], velocity[:3], atol=tolerance)
            np.testing.assert_allclose(bodies.linvel_w[i, b - 1], velocity[3:], atol=10 * tolerance)


@pytest.mark.parametrize("name", CHARACTERS)
def test_velocities_are_the_rate_of_change_of_poses(name):
    character, dt = load_character(name), 1e-5
    state = random_state(character, N, dtype=torch.float64, speed=2.0)
    kinematics = Kinematics(character, dtype=torch.float64)
    before, now, after = (kinematics.forward(moved(character, state, t)) for t in (-dt, 0.0, dt))
    torch.testing.assert_close((after.pos_w - before.pos_w) / (2 * dt), now.linvel_w, atol=1e-7, rtol=0)
    com = [kinematics.com_positions(b) for b in (before, after)]
    masses = torch.tensor([b.mass for b in character.bodies], dtype=torch.float64)[:, None] / character.mass
    change = ((com[1] - com[0]) * masses).sum(1) / (2 * dt)
    torch.testing.assert_close(change, kinematics.com_velocity(now), atol=1e-7, rtol=0)
    spin = Rotation.from_quat(after.quat_w.reshape(-1, 4), scalar_first=True)
    spin = spin * Rotation.from_quat(before.quat_w.reshape(-1, 4), scalar_first=True).inv()
    np.testing.assert_allclose(spin.as_rotvec() / (2 * dt), now.angvel_w.reshape(-1, 3), atol=1e-6)


def moved(character, state, t):
    """The state a time ``t`` [s] on, at constant joint and root velocities."""
    joint_quat = state.joint_quat.clone()
    for j, joint in enumerate(character.joints):
        velocity = state.joint_vel[:, joint.dof]
        if joint.kind == "ball":
            joint_quat[:, j] = quat_mul(joint_quat[:, j], quat_from_rotvec(t * velocity))
        else:
            axis = torch.tensor(joint.axis, dtype=torch.float64).expand(len(state), 3)
            joint_quat[:, j] = quat_mul(quat_from_axis_angle(axis, t * velocity[:, 0]), joint_quat[:, j])
    return replace(
        state,
        root_pos_w=state.root_pos_w + t * state.root_linvel_w,
        root_quat_w=quat_mul(quat_from_rotvec(t * state.root_angvel_w), state.root_quat_w),
        joint_quat=joint_quat,
    )


def surface_points(geom):
    """Points (P, 3) on the primitive in its own frame, the outermost of them within a tenth of a millimetre."""
    i = np.arange(40_000) + 0.5
    polar, azimuth = np.arccos(1 - 2 * i / len(i)), np.pi * (1 + 5**0.5) * i
    ball = np.stack((np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)), 1)
    if geom.shape == "sphere":
        return geom.size[0] * ball
    if geom.shape == "capsule":
        ends = np.sign(ball[:, 2:]) * np.array([[0, 0, geom.size[1]]])
        return geom.size[0] * ball + ends
    return np.stack(np.meshgrid(*[(-h, h) for h in geom.size]), -1).reshape(-1, 3)


@pytest.mark.parametrize("name", CHARACTERS)
def test_lowest_points_are_those_of_points_on_the_surface(name):
    character = load_character(name)
    state = random_state(character, 3, dtype=torch.float64)
    kinematics = Kinematics(character, dtype=torch.float64)
    bodies = kinematics.forward(state)
    lowest = kinematics.lowest_points(bodies)
    for b, body in enumerate(character.bodies):
        turn = Rotation.from_quat(body.geom.quat, scalar_first=True)
        points = torch.from_numpy(turn.apply(surface_points(body.geom)) + np.array(body.geom.pos))
        for i in range(len(state)):
            heights = quat_rotate(bodies.quat_w[i, b].expand(len(points), 4), points)[:, 2] + bodies.pos_w[i, b, 2]
            assert float(lowest[i, b]) == pytest.approx(float(heights.min()), abs=1e-4), body.name


@pytest.mark.parametrize("name", CHARACTERS)
def test_rows_do_not_mix(name):
    character = load_character(name)
    state = random_state(character, 6)
    broken = state.clone()
    broken.joint_quat[2] = torch.nan
    broken.root_angvel_w[2] = 1e30
    kinematics, keep = Kinematics(character), torch.tensor([0, 1, 3, 4, 5])
    clean, dirty = kinematics.forward(state)[keep], kinematics.forward(broken)[keep]
    assert torch.equal(clean.pos_w, dirty.pos_w) and torch.equal(clean.quat_w, dirty.quat_w)
    assert torch.equal(clean.linvel_w, dirty.linvel_w) and torch.equal(clean.angvel_w, dirty.angvel_w)
    assert torch.equal(kinematics.lowest_points(clean), kinematics.lowest_points(dirty))
