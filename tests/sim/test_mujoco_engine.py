import math
from dataclasses import fields

import mujoco
import numpy as np
import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.sim import make_engine
from mimic.sim.engine import MAX_VELOCITY
from mimic.sim.engines.mujoco import MujocoEngine
from tests.states import CHARACTERS, assert_states_close, normal, random_state

NAN, INF = math.nan, math.inf


def everyone(engine):
    return torch.arange(engine.num_envs)


def started(name, n=64, threads=1, seed=0, height=1.0):
    """Characters low enough to hit the ground soon."""
    engine = MujocoEngine(load_character(name), n, threads)
    engine.reset(everyone(engine), random_state(engine.character, n, seed=seed, height=height, speed=0.5))
    return engine


def targets(engine, step):
    return 0.4 * normal(engine.num_envs, engine.character.num_actuated, seed=step).float()


def run(engine, steps, first=0):
    for step in range(first, first + steps):
        engine.set_targets(targets(engine, step))
        engine.step()
    return engine.read()


def identical(a, b):
    return all(torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(CharacterState))


def without(state, row):
    return state[torch.tensor([i for i in range(len(state)) if i != row])]


@pytest.mark.parametrize("name", CHARACTERS)
def test_read_gives_back_the_state_that_reset_was_given(name):
    character = load_character(name)
    engine = make_engine(character, 50, threads=1)
    state = random_state(character, 50, speed=5.0)
    engine.reset(everyone(engine), state)
    assert_states_close(engine.read(), state, atol=5e-6)
    assert engine.read().root_pos_w.dtype == torch.float32
    assert not bool(engine.failed().any())


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_hinge_may_be_given_as_either_quaternion_of_its_angle(name):
    character = load_character(name)
    engine, state = make_engine(character, 10, threads=1), random_state(character, 10)
    engine.reset(everyone(engine), state)
    qpos = engine.batch.qpos.copy()
    hinges = [j for j, joint in enumerate(character.joints) if joint.kind == "hinge"]
    state.joint_quat[:, hinges] *= -1
    engine.reset(everyone(engine), state)
    np.testing.assert_allclose(engine.batch.qpos, qpos, atol=1e-6)


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_simulated_bodies_are_where_kinematics_says(name):
    engine = started(name, n=6)
    state = run(engine, 5).to(torch.float64)
    bodies = Kinematics(engine.character, dtype=torch.float64).forward(state)
    model = engine.character.mj_model(visual=False)
    for i in range(6):
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = engine.batch.qpos[i], engine.batch.qvel[i]
        mujoco.mj_forward(model, data)
        mujoco.mj_subtreeVel(model, data)
        np.testing.assert_allclose(bodies.pos_w[i], data.xpos[1:], atol=2e-6)
        velocity = np.zeros(6)
        for b in range(1, model.nbody):
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, b, velocity, 0)
            np.testing.assert_allclose(bodies.angvel_w[i, b - 1], velocity[:3], atol=1e-4)
            np.testing.assert_allclose(bodies.linvel_w[i, b - 1], velocity[3:], atol=1e-4)


def test_reset_touches_the_named_copies_only():
    engine = started("humanoid", n=8)
    before = run(engine, 3)
    ids, new = torch.tensor([6, 2]), random_state(engine.character, 2, seed=9)
    engine.reset(ids, new)
    after = engine.read()
    assert_states_close(after[ids], new, atol=2e-6)
    rest = torch.tensor([0, 1, 3, 4, 5, 7])
    assert identical(after[rest], before[rest])


def test_a_reset_copy_has_no_past():
    old, fresh = started("dog", n=4), MujocoEngine(load_character("dog"), 4, threads=1)
    run(old, 40)
    state = random_state(old.character, 4, seed=3, height=0.8)
    for engine in (old, fresh):
        engine.reset(everyone(engine), state)
    assert identical(run(old, 30), run(fresh, 30))


def test_read_gives_tensors_of_its_own():
    engine = started("humanoid", n=3)
    state = engine.read()
    kept = state.clone()
    run(engine, 2)
    assert identical(state, kept)
    for field in fields(CharacterState):
        getattr(state, field.name).fill_(NAN)
    assert bool(engine.read().finite().all())


def test_a_thrown_character_falls_as_all_things_fall():
    character = load_character("humanoid")
    engine = MujocoEngine(character, 4)
    engine.reset(everyone(engine), random_state(character, 4, height=30.0, speed=0.3, bend=0.2))
    kinematics = Kinematics(character)
    velocity = [kinematics.com_velocity(kinematics.forward(engine.read()))]
    engine.set_targets(torch.zeros(4, character.num_actuated))
    for _ in range(15):
        engine.step()
    velocity.append(kinematics.com_velocity(kinematics.forward(engine.read())))
    # servo torques are internal and move the centre of mass by the integrator's error only
    fall = torch.tensor([[0, 0, -9.81 * 0.5]]).expand(4, 3)
    torch.testing.assert_close(velocity[1] - velocity[0], fall, atol=0.05, rtol=0)


@pytest.mark.parametrize("name", CHARACTERS)
def test_any_number_of_threads_gives_the_same_bits(name):
    one, two = started(name, n=16, threads=1), started(name, n=16, threads=2)
    assert (one.batch.nthread, two.batch.nthread) == (1, 2)
    a, b = run(one, 110), run(two, 110)
    assert identical(a, b) and bool(a.finite().all())
    kinematics = Kinematics(one.character)
    assert bool((kinematics.lowest_points(kinematics.forward(a)).amin(1) < 0.01).sum() >= 8), "on the ground"


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_snapshot_continues_to_the_bit(name):
    engine = started(name, n=8)
    run(engine, 40)
    engine.batch.qvel[3] = NAN
    run(engine, 1, first=40)
    snapshot = engine.snapshot()
    kept = {key: tensor.clone() for key, tensor in snapshot.items()}
    expected, failed = run(engine, 20, first=41), engine.failed()
    assert all(torch.equal(snapshot[n].nan_to_num(), kept[n].nan_to_num()) for n in kept), "a snapshot is a copy"
    for other in (engine, MujocoEngine(engine.character, 8, threads=1)):
        other.restore(snapshot)
        continued = run(other, 20, first=41)
        assert identical(without(continued, 3), without(expected, 3))
        assert torch.equal(other.failed(), failed) and failed.tolist() == [i == 3 for i in range(8)]


@pytest.fixture(scope="module")
def clean():
    engine = started("humanoid")
    run(engine, 30)
    return engine.snapshot(), run(engine, 1, first=30), run(engine, 9, first=31)


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e30])
@pytest.mark.parametrize(
    "where", ["root position", "root rotation", "ball", "hinge", "root velocity", "joint velocity", "target"]
)
def test_one_broken_copy_is_reported_in_its_step_and_leaves_the_others_alone(clean, where, value):
    snapshot, after_one, after_ten = clean
    engine = MujocoEngine(load_character("humanoid"), 64, threads=2)
    engine.restore(snapshot)
    knee = int(engine.batch.model.joint("right_knee").qposadr[0])
    target = targets(engine, 30)
    match where:
        case "root position":
            engine.batch.qpos[17, 1] = value
        case "root rotation":
            engine.batch.qpos[17, 5] = value
        case "ball":
            engine.batch.qpos[17, 8] = value
        case "hinge":
            engine.batch.qpos[17, knee] = value
        case "root velocity":
            engine.batch.qvel[17, 4] = value
        case "joint velocity":
            engine.batch.qvel[17, 20] = value
        case "target":
            target[17, 3] = value
    engine.set_targets(target)
    engine.step()
    alone = torch.arange(64) == 17
    assert torch.equal(engine.failed(), alone)
    assert identical(without(engine.read(), 17), without(after_one, 17))
    assert identical(without(run(engine, 9, first=31), 17), without(after_ten, 17))
    assert torch.equal(engine.failed(), alone), "it stays reported until it is reset"


def test_a_reset_mends_a_broken_copy():
    engine = started("humanoid", n=4)
    engine.batch.qpos[1] = NAN
    run(engine, 2)
    engine.reset(torch.tensor([1]), random_state(engine.character, 1))
    assert not bool(engine.failed().any())
    run(engine, 5)
    assert not bool(engine.failed().any()) and bool(engine.read().finite().all())


def test_absurd_speed_and_place_are_failures():
    engine = started("humanoid", n=3, height=50.0)
    engine.batch.qvel[0, 0] = MAX_VELOCITY + 5
    engine.batch.qpos[2, 0] = 2e5
    run(engine, 1)
    assert engine.failed().tolist() == [True, False, True]
