"""The GPU engine beside the CPU engine: on the CPU, where Warp runs too, and on CUDA where there is one.

The first test of a process compiles or loads Warp's kernels, which takes from three seconds to a minute.
"""

import math
from dataclasses import fields

import pytest
import torch

from characters import Character, CharacterState, Kinematics, load_character
from mimic.core.rotations import quat_angle
from mimic.runs.controller import load_controller
from mimic.sim import make_engine
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.sim.pd_controller import Servo
from mimic.tracking import ClipRules, TrackingEnv
from tests.kinematic_engine import config, gentle_motion
from tests.motion_samples import clip_or_skip
from tests.states import CHARACTERS, assert_states_close, normal, random_state

pytest.importorskip("mujoco_warp", reason="the GPU engine is an extra: pip install '.[gpu]'")
warp_engine = pytest.importorskip("mimic.sim.engines.warp")

pytestmark = pytest.mark.warp
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
DEVICES = ["cpu", pytest.param("cuda", marks=NO_GPU)]
# one control step from the same state: what nine in ten states keep to, and what all do; a contact that one engine makes
# and the other just misses is no rounding error any more
TOLERANCE = {
    "root_pos_w": (1e-5, 0.01),  # [m]
    "root_quat_w": (1e-5, 0.02),  # [rad]
    "joint_quat": (1e-4, 0.05),  # [rad]
    "root_linvel_w": (1e-3, 0.5),  # [m/s]
    "root_angvel_w": (1e-2, 2.0),  # [rad/s]
    "joint_vel": (1e-2, 5.0),  # [rad/s]
}


def near_the_ground(character: Character, n: int, seed: int = 0) -> CharacterState:
    """Random states whose lowest point is from 1 cm below the ground to 5 cm above it."""
    state = random_state(character, n, seed=seed)
    kinematics = Kinematics(character)
    height = 0.06 * torch.rand(n, generator=torch.Generator().manual_seed(seed)) - 0.01
    state.root_pos_w[:, 2] += height - kinematics.lowest_points(kinematics.forward(state)).amin(1)
    return state


def warp(name: str, n: int, device: str = "cpu", **options):
    return warp_engine.WarpEngine(load_character(name), n, device, **options)


def everyone(engine) -> torch.Tensor:
    return torch.arange(engine.num_envs, device=engine.device)


def started(name: str, n: int, device: str = "cpu", **options):
    engine = warp(name, n, device, **options)
    engine.reset(everyone(engine), near_the_ground(engine.character, n).to(engine.device))
    return engine


def run(engine, steps: int, first: int = 0) -> CharacterState:
    for step in range(first, first + steps):
        target = 0.4 * normal(engine.num_envs, engine.character.num_actuated, seed=step).float()
        engine.set_targets(target.to(engine.device))
        engine.step()
    return engine.read()


def identical(a: CharacterState, b: CharacterState) -> bool:
    return all(torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(CharacterState))


def errors(a: CharacterState, b: CharacterState) -> dict[str, torch.Tensor]:
    """The largest error of each copy, (N,), field by field; rotations as angles."""
    found = {}
    for field in fields(CharacterState):
        x, y = getattr(a, field.name), getattr(b, field.name)
        off = quat_angle(x, y) if "quat" in field.name else (x - y).abs()
        found[field.name] = off.flatten(1).amax(1) if off.dim() > 1 else off
    return found


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CHARACTERS)
def test_one_control_step_is_that_of_the_cpu_engine(name, device):
    n = 128 if device == "cpu" else 1000
    ours, reference = started(name, n, device), MujocoEngine(load_character(name), n, 1)
    reference.reset(torch.arange(n), near_the_ground(reference.character, n))
    found = errors(run(ours, 1).to("cpu"), run(reference, 1))
    touched = int((warp_engine.wp.to_torch(ours._data.nefc) > 0).sum())
    assert touched > n // 5, "many touch the ground"
    assert torch.equal(ours.failed().cpu(), reference.failed())
    for field, (usual, most) in TOLERANCE.items():
        assert float(found[field].quantile(0.9)) < usual, field
        assert float(found[field].max()) < most, field


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("clip", ["cartwheel", "trot"])
def test_two_seconds_of_a_controller_stay_within_five_centimetres(clip, device):
    clip_or_skip(clip)
    skill, n = load_controller(clip), 6
    envs = [skill.make_env(n, threads=1), skill.make_env(n, engine="warp", device=device)]
    policies = [skill.policy, load_controller(clip).policy.to(device)]
    starts = torch.linspace(0, 0.9, n, dtype=torch.float64) * envs[0].motion.duration
    observed = [env.reset(starts.to(env.device)) for env in envs]
    with torch.no_grad():
        for _ in range(60):
            steps = [env.step(p.mean(o)) for env, p, o in zip(envs, policies, observed, strict=True)]
            assert not any(bool(step.end.any()) for step in steps), "the controller stays up for so long"
            observed = [step.obs for step in steps]
            distance = (envs[0].bodies.pos_w - envs[1].bodies.pos_w.cpu()).norm(dim=-1)
            assert float(distance.max()) < 0.05


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_servo_is_the_one_of_the_cpu_engine(name):
    engine, n = warp(name, 40), 40
    state, dofs = random_state(engine.character, n, speed=5.0), engine.character.num_actuated
    engine.reset(everyone(engine), state)
    target = 1.5 * normal(n, dofs, seed=1).float()
    target[:5] = 0.0
    for column in range(3):  # a ball joint's target half a turn away, and the pose itself
        target[5, column] = math.pi / math.sqrt(3)
    engine.set_targets(target)
    data, servo, place = engine._data, Servo(engine.character), engine._coordinates
    engine._servo.launch(engine._wp_target, data.qpos, data.qvel, data.ctrl)
    servo.set_target(target)
    qpos, qvel = engine._qpos, engine._qvel
    _, motor = servo.torques(place.ball_quat(qpos), place.joint_pos(qpos), qvel[:, 6:])
    torch.testing.assert_close(engine._carried["ctrl"], motor, atol=2e-3, rtol=2e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CHARACTERS)
def test_read_gives_back_the_state_that_reset_was_given(name, device):
    engine = warp(name, 20, device)
    state = random_state(engine.character, 20, speed=5.0).to(device)
    engine.reset(everyone(engine), state)
    assert_states_close(engine.read(), state, atol=5e-6)
    assert engine.read().root_pos_w.device.type == device and not bool(engine.failed().any())


@pytest.mark.parametrize("device", DEVICES)
def test_torch_and_warp_see_the_same_memory(device):
    engine = started("humanoid", 3, device)
    for name, tensor in engine._carried.items():
        assert tensor.data_ptr() == getattr(engine._data, name).ptr
    kept = engine.read()
    before = kept.clone()
    run(engine, 1)
    assert identical(kept, before), "what has been read is no view"
    assert not identical(engine.read(), before)


@pytest.mark.parametrize("device", DEVICES)
def test_reset_by_mask_or_by_index_touches_the_named_copies_only(device):
    engine = started("humanoid", 8, device)
    run(engine, 3)
    before, snapshot = engine.read(), engine.snapshot()
    new = random_state(engine.character, 8, seed=9).to(device)
    ids = torch.tensor([6, 2], device=device)
    mask = (everyone(engine) == 6) | (everyone(engine) == 2)
    engine.reset(ids, new[ids])
    by_index = engine.read()
    engine.restore(snapshot)
    engine.reset(mask, new)
    assert identical(engine.read(), by_index)
    assert_states_close(by_index[ids], new[ids], atol=5e-6)
    assert identical(by_index[~mask], before[~mask])


def test_a_reset_copy_has_no_past_not_even_a_broken_one():
    old, fresh = started("dog", 4), warp("dog", 4)
    run(old, 8)
    old._qvel[1] = math.nan
    run(old, 1)
    assert old.failed().tolist() == [False, True, False, False]
    state = near_the_ground(old.character, 4, seed=3)
    for engine in (old, fresh):
        engine.reset(everyone(engine), state)
    assert not bool(old.failed().any())
    assert identical(run(old, 6), run(fresh, 6))


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize("where", ["root", "joint", "velocity", "target"])
def test_one_broken_world_is_reported_in_its_step_and_leaves_the_others_alone(where, value):
    engine, clean = started("humanoid", 6), started("humanoid", 6)
    target = 0.4 * normal(6, 28, seed=0).float()
    clean.set_targets(target)
    match where:
        case "root":
            engine._qpos[4, 1] = value
        case "joint":
            engine._qpos[4, 8] = value
        case "velocity":
            engine._qvel[4, 20] = value
        case "target":
            target[4, 3] = value
    engine.set_targets(target)
    for each in (engine, clean):
        each.step()
    others = torch.arange(6) != 4
    assert torch.equal(engine.failed(), ~others)
    assert identical(engine.read()[others], clean.read()[others])
    assert identical(run(engine, 3)[others], run(clean, 3)[others])
    assert torch.equal(engine.failed(), ~others), "it stays reported until it is reset"


@pytest.mark.parametrize("device", DEVICES)
def test_contacts_without_room_are_reported_and_counted(device):
    engine = started("humanoid", 4, device, sizes=(40, 4))
    state = random_state(engine.character, 4, height=30.0)
    state.root_pos_w[2, 2] = 0.0
    engine.reset(everyone(engine), state.to(device))
    engine.step()
    assert engine.failed().tolist() == [False, False, True, False]
    assert int(engine.overflows) == 1
    engine.reset(everyone(engine) == 2, random_state(engine.character, 4, height=30.0).to(device))
    engine.step()
    assert not bool(engine.failed().any()) and int(engine.overflows) == 1


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_buffers_have_room_for_a_character_wholly_in_the_ground(name):
    engine = warp(name, 3)
    engine.reset(everyone(engine), random_state(engine.character, 3, height=-5.0))
    engine.step()
    assert int(engine.overflows) == 0
    contacts, rows = warp_engine.buffer_sizes(engine.character)
    assert contacts >= sum({"sphere": 1, "capsule": 2, "box": 4}[b.geom.shape] for b in engine.character.bodies)
    assert rows >= 4 * contacts


def test_a_snapshot_continues_to_the_bit_on_the_cpu():
    engine = started("humanoid", 4)
    run(engine, 5)
    snapshot = engine.snapshot()
    expected = run(engine, 5, first=5)
    for other in (engine, warp("humanoid", 4)):
        other.restore(snapshot)
        assert identical(run(other, 5, first=5), expected)


def test_absurd_speed_and_place_are_failures():
    engine = warp("humanoid", 3)
    engine.reset(everyone(engine), random_state(engine.character, 3, height=50.0))
    engine._qvel[0, 0] = 105.0
    engine._qpos[2, 0] = 2e5
    engine.step()
    assert engine.failed().tolist() == [True, False, True]


def test_a_gpu_goes_by_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert warp_engine._numbered(torch.device("cuda")) == torch.device("cuda", 1)
    assert warp_engine._numbered(torch.device("cuda", 0)) == torch.device("cuda", 0)
    assert warp_engine._numbered(torch.device("cpu")) == torch.device("cpu")


@NO_GPU
def test_a_control_step_on_cuda_is_one_graph_and_no_wait():
    engine = make_engine(load_character("humanoid"), 64, engine="warp", device="cuda")
    env = TrackingEnv(gentle_motion("humanoid"), engine, config(), ClipRules())
    env.reset()
    action = torch.zeros(64, env.act_dim, device="cuda")
    for _ in range(3):
        env.step(action)
    assert env.engine._graphs
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            env.step(action)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_engine_is_made_by_name():
    engine = make_engine(load_character("humanoid"), 2, engine="warp")
    assert isinstance(engine, warp_engine.WarpEngine) and engine.device.type == "cpu"
