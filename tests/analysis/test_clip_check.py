from dataclasses import replace

import mujoco
import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.analysis.clip_check import GRAVITY, _ground_forces, check_clip, joint_torques
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.tracking import ClipRules, rules_for
from tests.kinematic_engine import gentle_motion
from tests.motion_samples import clip_or_skip
from tests.states import CHARACTERS, random_state

RULE = ClipRules()
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("name", CHARACTERS)
def test_holding_a_pose_in_the_air_takes_the_torques_that_mujoco_says(name):
    character, n = load_character(name), 6
    state = random_state(character, n, speed=0.0, height=5.0)
    engine = MujocoEngine(character, n, threads=1)
    engine.reset(torch.arange(n), state)
    qpos, model = engine.batch.bind("qpos").copy(), character.mj_model(visual=False)
    data = mujoco.MjData(model)
    kinematics = Kinematics(character, dtype=torch.float64)
    bodies = kinematics.forward(CharacterState(*(getattr(state, f).double() for f in vars(state))))
    none = torch.zeros(n, len(character.bodies), 3, dtype=torch.float64)
    in_air = (bodies.pos_w, torch.zeros(n, len(character.bodies), dtype=torch.bool))
    found = joint_torques(character, kinematics, bodies, none, in_air)
    for k in range(n):
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos[k], 0.0, 0.0
        mujoco.mj_inverse(model, data)
        wanted = torch.from_numpy(data.qfrc_inverse[6:].copy())
        norms = torch.stack([wanted[joint.dof].norm() for joint in character.joints])
        torch.testing.assert_close(found[k], norms, atol=2e-3, rtol=1e-3)


def test_standing_feet_carry_the_whole_weight():
    random = torch.Generator().manual_seed(0)
    com = torch.randn(4, 5, 3, generator=random, dtype=torch.float64) + UP * 2
    needed = torch.rand(4, 5, 1, generator=random, dtype=torch.float64) * UP
    point = torch.randn(4, 5, 3, generator=random, dtype=torch.float64) * torch.tensor([1.0, 1.0, 0.0])
    bears = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)
    force = _ground_forces(com, needed, point, bears)
    total = needed.sum(1)
    torch.testing.assert_close(force.sum(1)[:3], total[:3])
    assert not force[3].any(), "nothing holds it in the air"
    assert not force[~bears].any()
    # right above one foot, that foot bears most
    centre = (com * needed[..., 2:]).sum(1) / total[:, 2:]
    point[2, 1, :2] = centre[2, :2]
    assert int(_ground_forces(com, needed, point, bears)[2, :, 2].argmax()) == 1


def test_a_character_that_hangs_in_the_air_hovers_and_one_that_falls_does_not():
    motion, character = gentle_motion("humanoid"), load_character("humanoid")
    assert check_clip(motion, character, RULE, 0.001).hovers_share == 0.0
    raised = replace(motion, root_pos_w=motion.root_pos_w + UP)
    assert check_clip(raised, character, RULE, 0.001).hovers_share == 1.0
    falling = replace(raised, root_pos_w=raised.root_pos_w + UP * (4 - 0.5 * GRAVITY * motion.times**2)[:, None])
    found = check_clip(falling, character, RULE, 0.001)
    assert found.hovers_share == 0.0
    assert max(peak for _, peak, _ in found.torque.values()) < 0.2, "in free fall nothing is heavy"


def test_a_clip_on_its_knees_touches_the_ground_with_forbidden_bodies():
    motion, character = gentle_motion("humanoid"), load_character("humanoid")
    assert check_clip(motion, character, RULE, 0.001).forbidden == {}
    sunk = replace(motion, root_pos_w=motion.root_pos_w - 0.2 * UP)
    found = check_clip(sunk, character, ClipRules(forbidden_contacts=("right_ankle", "left_ankle")), 0.001)
    assert found.sinks_m == pytest.approx(0.2, abs=0.02)
    assert set(found.forbidden) & {"right_ankle", "left_ankle"}


def test_a_clip_played_four_times_as_fast_needs_too_much_torque():
    motion, character = clip_or_skip("cartwheel")
    fast = replace(motion, times=motion.times / 4)
    calm, hurried = (check_clip(m, character, rules_for("cartwheel"), 0.001) for m in (motion, fast))
    worst = [next(iter(found.torque.values())) for found in (calm, hurried)]
    assert worst[0][0] < 0.1 < 0.3 < worst[1][0] and worst[1][1] > 3.0
    assert 0.0 < worst[1][2] < float(fast.times[-1])


@pytest.mark.parametrize("clip", ["walk", "cartwheel", "spinkick", "trot", "canter", "pace", "turn"])
def test_clips_that_have_been_learned_pass_the_check(clip):
    motion, character = clip_or_skip(clip)
    found = check_clip(motion, character, rules_for(clip), 0.001)
    assert found.forbidden == {} and found.hovers_share < 0.2
    assert next(iter(found.torque.values()))[0] < 0.15
