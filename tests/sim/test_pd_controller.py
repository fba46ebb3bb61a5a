import math
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from characters import CharacterState, Kinematics, load_character
from mimic.core.rotations import quat_from_rotvec
from mimic.evaluation.feet import Feet
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.sim.pd_controller import Servo
from mimic.tracking.clip_rules import ClipRules
from tests.states import CHARACTERS, normal, random_state

RATES = (1 / 600, 1 / 240, 1 / 120, 1 / 60)


def with_settings(character, **settings):
    return replace(character, config=replace(character.config, simulation=replace(character.simulation, **settings)))


def ball_quats(character, state):
    return state.joint_quat[:, [j for j, joint in enumerate(character.joints) if joint.kind == "ball"]]


def hinge_angles(character, state):
    """(N, A): angles in the hinges' columns, NaN in the others, which the servo must not read."""
    pos = torch.full_like(state.joint_vel, torch.nan)
    for j, joint in enumerate(character.joints):
        if joint.kind == "hinge":
            sine = state.joint_quat[:, j, 1:] @ state.joint_quat.new_tensor(joint.axis)
            pos[:, joint.dof] = 2 * torch.atan2(sine, state.joint_quat[:, j, 0])[:, None]
    return pos


def servo_torques(character, state, target, dtype=torch.float64):
    servo = Servo(character, dtype=dtype)
    servo.set_target(target)
    return servo.torques(ball_quats(character, state), hinge_angles(character, state), state.joint_vel)


def torques_by_hand(character, state, target):
    """kp * log(q^-1 q*) - kd * v with scipy's rotations, (N, A) [N·m]."""
    expected = torch.zeros_like(target)
    for j, joint in enumerate(character.joints):
        if joint.kind == "ball":
            now = Rotation.from_quat(state.joint_quat[:, j].numpy(), scalar_first=True)
            error = torch.from_numpy((now.inv() * Rotation.from_rotvec(target[:, joint.dof].numpy())).as_rotvec())
        else:
            error = target[:, joint.dof] - hinge_angles(character, state)[:, joint.dof]
        expected[:, joint.dof] = joint.kp * error - joint.kd * state.joint_vel[:, joint.dof]
    return expected


def norms(character, torque):
    return torch.stack([torque[:, joint.dof].norm(dim=1) for joint in character.joints], 1)


def limits(character, dtype=torch.float64):
    return torch.tensor([joint.torque_limit for joint in character.joints], dtype=dtype)


@pytest.mark.parametrize("name", CHARACTERS)
def test_below_the_limit_it_is_the_pd_law(name):
    character = load_character(name)
    state = random_state(character, 40, dtype=torch.float64, speed=0.05)
    target = 0.7 * normal(40, character.num_actuated, seed=1)
    expected = torques_by_hand(character, state, target)
    strong = replace(character, joints=tuple(replace(j, torque_limit=1e9) for j in character.joints))
    limited, motor = servo_torques(strong, state, target)
    torch.testing.assert_close(limited, expected, atol=1e-9, rtol=0)
    kd = torch.cat([torch.full((j.dof.stop - j.dof.start,), j.kd, dtype=torch.float64) for j in character.joints])
    # with the joint's damper -kd * v added, the motor gives the servo's torque
    torch.testing.assert_close(motor - kd * state.joint_vel, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", CHARACTERS)
def test_above_the_limit_the_torque_keeps_its_direction_and_has_the_limits_norm(name):
    character = load_character(name)
    state = random_state(character, 200, dtype=torch.float64, speed=3.0)
    target = 2 * normal(200, character.num_actuated, seed=1)
    wanted = torques_by_hand(character, state, target)
    limited, _ = servo_torques(character, state, target)
    limit = limits(character)
    torch.testing.assert_close(norms(character, limited), norms(character, wanted).clamp(max=limit), atol=1e-9, rtol=0)
    for joint in character.joints:
        turned = torch.nn.functional.cosine_similarity(limited[:, joint.dof], wanted[:, joint.dof])
        torch.testing.assert_close(turned, torch.ones(200, dtype=torch.float64))
    held = (norms(character, wanted) > limit).double().mean()
    assert 0.1 < float(held) < 0.99, "the states test both sides of the limit"


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e6])
def test_no_target_and_no_speed_brings_it_past_the_limit(name, scale):
    character = load_character(name)
    state = random_state(character, 100, speed=min(scale, 100.0))
    limited, motor = servo_torques(
        character, state, scale * normal(100, character.num_actuated, seed=2).float(), torch.float32
    )
    assert bool((norms(character, limited) <= limits(character, torch.float32) * (1 + 1e-5)).all())
    assert bool(motor.isfinite().all())


def test_the_servo_has_no_torque_at_the_target_and_at_rest():
    character = load_character("humanoid")
    state = random_state(character, 5, dtype=torch.float64, speed=0.0)
    target = hinge_angles(character, state)
    for j, joint in enumerate(character.joints):
        if joint.kind == "ball":
            target[:, joint.dof] = torch.from_numpy(
                Rotation.from_quat(state.joint_quat[:, j].numpy(), scalar_first=True).as_rotvec()
            )
    torch.testing.assert_close(servo_torques(character, state, target)[0], torch.zeros_like(target), atol=1e-9, rtol=0)


def test_a_whole_turn_more_is_the_same_target_for_a_ball_joint():
    character = load_character("dog")
    state = random_state(character, 5, dtype=torch.float64, speed=0.0)
    rotvec = normal(5, len(character.joints), 3, seed=3)
    more = rotvec * (1 + 2 * math.pi / rotvec.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(quat_from_rotvec(rotvec), -quat_from_rotvec(more))
    balls = [joint for joint in character.joints if joint.kind == "ball"]
    torques = []
    for pose in (rotvec, more):
        target = torch.zeros(5, character.num_actuated, dtype=torch.float64)
        for k, joint in enumerate(balls):
            target[:, joint.dof] = pose[:, k]
        torques.append(servo_torques(character, state, target)[0])
    torch.testing.assert_close(torques[0], torques[1])


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_joints_receive_the_servos_torque_to_the_last_digit(name):
    """Newton's law of one MuJoCo step: what moved the joints is motor - kd * v, limit stops and gravity apart."""
    character = load_character(name)
    model, state = character.mj_model(), random_state(character, 1, height=3.0)
    engine = MujocoEngine(character, 1)
    engine.reset(torch.tensor([0]), state)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = engine.batch.qpos[0], engine.batch.qvel[0]
    data.ctrl[:] = 50 * normal(model.nu, seed=7)
    mujoco.mj_forward(model, data)
    before, bias, inertia = data.qvel.copy(), data.qfrc_bias.copy(), np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, inertia)
    mujoco.mj_step(model, data)
    received = inertia @ (data.qvel - before) / model.opt.timestep + bias - data.qfrc_constraint
    np.testing.assert_allclose(received[6:], data.ctrl - (model.dof_damping * before)[6:], atol=1e-8)


def rollout(character, scale, seconds=1.0, n=16):
    """The servo's torque over its limit, (steps, N, J), for wild targets."""
    engine = MujocoEngine(character, n, threads=1)
    engine.reset(torch.arange(n), random_state(character, n, seed=5, height=1.2))
    kd = torch.cat([torch.full((j.dof.stop - j.dof.start,), j.kd) for j in character.joints]).double()
    qvel, ctrl = torch.from_numpy(engine.batch.bind("qvel")), torch.from_numpy(engine.batch.bind("ctrl"))
    servo, sim_dt = [], character.simulation.sim_dt
    for step in range(round(seconds / sim_dt)):
        if step % round(1 / 30 / sim_dt) == 0:
            engine.set_targets(scale * normal(n, character.num_actuated, seed=step).float())
        before = qvel.clone()
        engine.step()
        assert not bool(engine.failed().any()), f"broken after {step} steps"
        servo.append(norms(character, ctrl - kd * before[:, 6:]) / limits(character))
    return torch.stack(servo)


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("sim_dt", RATES, ids=lambda dt: f"{round(1 / dt)}Hz")
def test_wild_targets_neither_blow_it_up_nor_bring_the_servo_past_its_limit(name, sim_dt):
    settings = {"sim_dt": sim_dt, "substeps": 1, "armature_s": max(sim_dt, 1 / 120)}
    servo = rollout(with_settings(load_character(name), **settings), scale=0.7)
    assert float(servo.max()) < 1 + 1e-4
    assert float((servo > 0.99).double().mean()) > 0.01, "the targets reach the limit"


@pytest.mark.parametrize("name", CHARACTERS)
def test_targets_half_a_turn_apart_are_stable_at_the_rate_that_ships(name):
    rollout(with_settings(load_character(name), substeps=1), scale=1.5, seconds=2.0)


def standing(character, fall):
    """Straight legs, ``fall`` [m] above the ground."""
    n, quat = len(character.joints), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    state = CharacterState(
        root_pos_w=torch.zeros(1, 3),
        root_quat_w=quat,
        root_linvel_w=torch.tensor([[1.0, 0.0, 0.0]]),
        root_angvel_w=torch.zeros(1, 3),
        joint_quat=quat.expand(1, n, 4).clone(),
        joint_vel=torch.zeros(1, character.num_actuated),
    )
    feet = Feet(character, ClipRules())
    state.root_pos_w[:, 2] = fall - feet.contact(Kinematics(character).forward(state)).height.min()
    return state


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_ground_holds_the_feet(name):
    """Dropped by 2 cm while it moves at 1 m/s: feet sink in by millimetres, and stop."""
    character = with_settings(load_character(name), substeps=1)
    engine, kinematics, feet = (
        MujocoEngine(character, 1, threads=1),
        Kinematics(character),
        Feet(character, ClipRules()),
    )
    engine.reset(torch.tensor([0]), standing(character, fall=0.02))
    engine.set_targets(torch.zeros(1, character.num_actuated))
    depth, slide = [], []
    for _ in range(24):
        engine.step()
        contact = feet.contact(kinematics.forward(engine.read()))
        depth.append(float(-contact.height.min()))
        slide.append(float(contact.slide[contact.height < 0].mean()))
    assert depth[-1] < 0.003, depth
    assert slide[-1] < 0.05, slide


@pytest.mark.parametrize("name", CHARACTERS)
def test_finer_steps_simulate_the_same_character(name):
    """Half a second in the air after the same targets: what the time step changes vanishes with it."""
    ends = []
    for substeps in (4, 16, 64):
        character = with_settings(load_character(name), sim_dt=1 / 30 / substeps, substeps=substeps)
        engine = MujocoEngine(character, 4, threads=1)
        engine.reset(torch.arange(4), random_state(character, 4, seed=5, height=5.0, speed=0.5, bend=0.3))
        engine.set_targets(0.3 * normal(4, character.num_actuated, seed=9).float())
        for _ in range(15):
            engine.step()
        ends.append(Kinematics(character).forward(engine.read()).pos_w)
    coarse, finer = float((ends[0] - ends[2]).norm(dim=-1).max()), float((ends[1] - ends[2]).norm(dim=-1).max())
    assert finer < coarse / 4 and coarse < 0.15, (coarse, finer)
