"""The second opinion: the bodies are MuJoCo's, to the last digit; what comes of contact is Bullet's affair."""

import math
from dataclasses import fields, replace

import mujoco
import numpy as np
import pytest
import torch

from characters import Character, CharacterState, Kinematics, load_character
from mimic.runs.controller import load_controller
from mimic.sim import make_engine
from mimic.sim.bullet_body import inertia
from mimic.sim.engines.bullet import BulletEngine
from mimic.sim.engines.mujoco import MujocoEngine
from tests.motion_samples import clip_or_skip
from tests.states import CHARACTERS, assert_states_close, normal, random_state

bullet = pytest.importorskip("pybullet", reason="pybullet has no wheels for this Python")


def everyone(engine) -> torch.Tensor:
    return torch.arange(engine.num_envs)


def started(name, n=2, **options) -> BulletEngine:
    engine = BulletEngine(load_character(name), n)
    engine.reset(everyone(engine), random_state(engine.character, n, **options))
    engine.set_targets(0.3 * normal(n, engine.character.num_actuated, seed=3).float())
    return engine


def identical(a: CharacterState, b: CharacterState) -> bool:
    return all(torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(CharacterState))


def joint_velocities(engine, i) -> list[float]:
    states = bullet.getJointStatesMultiDof(engine._bodies[i], engine._links, physicsClientId=engine._clients[i])
    return [x for state in states for x in state[1]]


@pytest.mark.parametrize("name", CHARACTERS)
def test_masses_inertias_and_friction_are_the_characters(name):
    engine = BulletEngine(load_character(name), 1)
    model = engine.character.mj_model()
    number, client = engine._bodies[0], engine._clients[0]
    for index, body in enumerate(engine.character.bodies):
        found = bullet.getDynamicsInfo(number, index - 1, physicsClientId=client)
        assert found[0] == body.mass
        assert found[2] == pytest.approx(inertia(body), rel=1e-9)
        assert sorted(found[2]) == pytest.approx(sorted(model.body_inertia[index + 1]), rel=1e-6)
        assert found[3] == pytest.approx(body.com, abs=1e-9)
        ground = bullet.getDynamicsInfo(0, -1, physicsClientId=client)
        assert found[1] * ground[1] == pytest.approx(0.81)
        assert (found[5], ground[5]) == (0.0, 0.0), "nothing bounces"


@pytest.mark.parametrize("name", CHARACTERS)
def test_pose_and_velocity_come_out_as_they_went_in(name):
    character = load_character(name)
    engine, state = BulletEngine(character, 4), random_state(character, 4, speed=5.0)
    engine.reset(everyone(engine), state)
    assert_states_close(engine.read(), state, atol=5e-6)
    engine._pull()  # what Bullet itself says
    assert_states_close(engine.read(), state, atol=5e-6)
    bodies = Kinematics(character).forward(state)
    for i in range(4):
        for index in range(1, len(character.bodies)):
            link = bullet.getLinkState(engine._bodies[i], index - 1, True, True, physicsClientId=engine._clients[i])
            np.testing.assert_allclose(link[4], bodies.pos_w[i, index], atol=1e-5)
            np.testing.assert_allclose(link[7], bodies.angvel_w[i, index], atol=1e-4)


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_same_torques_give_mujocos_accelerations(name):
    """Gravity, masses, frames, joint axes, damping and the frame of a ball joint's torque, all at once."""
    engine = started(name, n=1, height=30.0)
    model = engine.character.mj_model(visual=False)
    model.dof_armature[:] = 0.0  # Bullet has none
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT) | int(mujoco.mjtDisableBit.mjDSBL_LIMIT)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = engine._qpos[0], engine._qvel[0]
    torque = 5.0 * normal(1, model.nu, seed=1)[0]
    data.ctrl[:] = torque
    mujoco.mj_forward(model, data)
    bullet.setPhysicsEngineParameter(fixedTimeStep=1e-6, physicsClientId=engine._clients[0])
    before, engine.fine_steps = np.array(joint_velocities(engine, 0)), 1
    engine._simulate(0, torch.as_tensor(torque) + engine._clutch * engine._rotor[0])
    found = (np.array(joint_velocities(engine, 0)) - before) / 1e-6
    np.testing.assert_allclose(found, data.qacc[6:], rtol=1e-6, atol=1e-4 * np.abs(data.qacc).max())


def finer(character: Character, times: int) -> Character:
    """The same character, simulated with physics steps that are so many times shorter."""
    simulation = character.simulation
    steps = {"sim_dt": simulation.sim_dt / times, "substeps": simulation.substeps * times}
    return replace(character, config=replace(character.config, simulation=replace(simulation, **steps)))


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_servo_in_the_air_moves_joints_as_in_mujoco_with_fine_steps(name):
    """A torque held for 1/120 s would be off by a fifth and more."""
    engine = started(name, height=5.0)
    fine = MujocoEngine(finer(engine.character, 20), 2, threads=1)
    fine.reset(everyone(fine), engine.read())
    fine.set_targets(0.3 * normal(2, engine.character.num_actuated, seed=3).float())
    for _ in range(3):
        engine.step()
        fine.step()
    ours, theirs = engine.read(), fine.read()
    assert float((ours.joint_vel - theirs.joint_vel).norm()) < 0.08 * float(theirs.joint_vel.norm())
    torch.testing.assert_close(ours.root_pos_w, theirs.root_pos_w, atol=3e-3, rtol=0)


def test_a_thrown_character_falls_as_all_things_fall():
    engine = started("humanoid", height=30.0, speed=0.3, bend=0.2)
    kinematics = Kinematics(engine.character)
    velocity = [kinematics.com_velocity(kinematics.forward(engine.read()))]
    for _ in range(3):
        engine.step()
    velocity.append(kinematics.com_velocity(kinematics.forward(engine.read())))
    fall = torch.tensor([[0.0, 0.0, -0.981]]).expand(2, 3)
    torch.testing.assert_close(velocity[1] - velocity[0], fall, atol=1e-3, rtol=0)


def test_joints_go_to_their_targets_and_the_ground_holds():
    engine = started("humanoid", n=1, height=0.9, speed=0.0, bend=0.1)
    engine.set_targets(torch.zeros(1, 28))
    before = engine.read().joint_quat[..., 0].abs().clamp(max=1).acos().sum()
    for _ in range(12):
        engine.step()
    after = engine.read()
    assert float(after.joint_quat[..., 0].abs().clamp(max=1).acos().sum()) < 0.5 * float(before)
    kinematics = Kinematics(engine.character)
    assert -0.01 < float(kinematics.lowest_points(kinematics.forward(after)).min()) < 0.05
    assert not bool(engine.failed().any())


def test_the_cartwheel_replays():
    clip_or_skip("cartwheel")
    skill = load_controller("cartwheel")
    env = skill.make_env(1, engine="bullet")
    obs = env.reset(torch.zeros(1, dtype=torch.float64))
    with torch.no_grad():
        for _ in range(8):
            step = env.step(skill.policy.mean(obs))
            obs = step.obs
            assert int(step.end) == 0 and float(step.reward) > 0.5


def test_a_copy_that_breaks_is_reported_and_left_and_mended_by_a_reset():
    engine, clean = started("humanoid", height=2.0), started("humanoid", height=2.0)
    state = random_state(engine.character, 2, height=2.0)
    state.joint_vel[1, 4] = math.nan
    engine.reset(everyone(engine), state)
    for each in (engine, clean):
        each.step()
    assert engine.failed().tolist() == [False, True]
    assert identical(engine.read()[:1], clean.read()[:1])
    engine.reset(torch.tensor([False, True]), random_state(engine.character, 2, height=2.0, seed=5))
    engine.step()
    assert not bool(engine.failed().any()) and bool(engine.read().finite().all())


def test_a_target_out_of_this_world_breaks_its_copy_only():
    engine = started("humanoid", height=2.0)
    target = torch.zeros(2, 28)
    target[0, 3] = math.inf
    engine.set_targets(target)
    engine.step()
    assert engine.failed().tolist() == [True, False]


def test_a_reset_copy_has_no_past():
    old, fresh = started("humanoid", n=1, height=0.5), started("humanoid", n=1, height=0.5)
    for _ in range(4):
        old.step()
    state = random_state(old.character, 1, seed=8, height=0.8)
    for engine in (old, fresh):
        engine.reset(everyone(engine), state)
        for _ in range(3):
            engine.step()
    assert identical(old.read(), fresh.read())


def test_a_snapshot_holds_poses_and_velocities():
    engine = started("humanoid", height=3.0)
    engine.step()
    snapshot, kept = engine.snapshot(), engine.read()
    engine.step()
    assert not identical(engine.read(), kept)
    engine.restore(snapshot)
    assert identical(engine.read(), kept)


@pytest.mark.parametrize(("name", "finest"), [("humanoid", 30_000), ("dog", 90_000)])
def test_steps_are_short_enough_for_the_lightest_foot(name, finest):
    engine = BulletEngine(load_character(name), 1)
    assert finest < engine.fine_steps * engine.substeps * 30 < 600_000


def test_the_engine_is_made_by_name():
    assert isinstance(make_engine(load_character("humanoid"), 1, engine="bullet"), BulletEngine)
