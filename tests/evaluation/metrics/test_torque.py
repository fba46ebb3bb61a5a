from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.metrics.torque import TorqueShare
from mimic.sim.engines.mujoco import MujocoEngine
from tests.kinematic_engine import config, gentle_motion, make
from tests.states import CHARACTERS, random_state

N = 8


@pytest.mark.parametrize("name", CHARACTERS)
def test_torque_shares_are_the_torques_that_the_engine_applies(name):
    character = load_character(name)
    one_step = replace(character.config, simulation=replace(character.simulation, substeps=1))
    engine = MujocoEngine(replace(character, config=one_step), N, threads=1)
    engine.reset(torch.arange(N), random_state(character, N, speed=0.3))
    target = 0.4 * torch.randn(N, character.num_actuated, generator=torch.Generator().manual_seed(1))
    engine.set_targets(target)
    before = engine.read()
    engine.step()
    kd = torch.cat([torch.full((j.dof.stop - j.dof.start,), j.kd) for j in character.joints])
    applied = torch.from_numpy(engine.batch.bind("ctrl")).float() - kd * before.joint_vel
    share = TorqueShare(character)
    share.set_target(target)
    norms = [applied[:, j.dof].norm(dim=1) / j.torque_limit for j in character.joints]
    found = share(before)
    torch.testing.assert_close(found, torch.stack(norms, 1), atol=2e-3, rtol=0)
    assert 0.05 < float((found > 0.999).float().mean()) < 0.95, "some joints are at their limit, others are not"


def test_torque_is_zero_at_the_target_and_at_the_limit_far_from_it():
    character = load_character("humanoid")
    state = random_state(character, N, speed=0.0, bend=0.0)
    state.joint_quat[:] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    share = TorqueShare(character)
    share.set_target(torch.zeros(N, character.num_actuated))
    assert float(share(state).max()) < 1e-6
    knee = character.joints[character.joint_index("right_knee")]
    target = torch.zeros(N, character.num_actuated)
    target[:, knee.dof] = 0.1
    share.set_target(target)
    expected = torch.zeros(N, len(character.joints))
    expected[:, character.joint_index("right_knee")] = 0.1 * knee.kp / knee.torque_limit
    torch.testing.assert_close(share(state), expected, atol=1e-5, rtol=0)
    share.set_target(target * 100)
    assert float(share(state)[:, character.joint_index("right_knee")].min()) == pytest.approx(1.0)


def test_the_torque_metric_counts_joints_at_their_limit():
    env = make(gentle_motion("humanoid"), N, config("evaluation_s=0.2"))
    wild = evaluate(env, lambda obs: 50.0 * torch.ones(N, env.act_dim)).metrics
    calm = evaluate(env, lambda obs: torch.zeros(N, env.act_dim)).metrics
    assert wild["torque_at_limit_share"] > 0.45 > 0.1 > calm["torque_at_limit_share"]
    assert wild["torque_peak_share"] == pytest.approx(1.0, abs=1e-5)
    rows = wild["torque_by_joint"].values()
    assert wild["torque_mean_share"] == pytest.approx(sum(row.mean for row in rows) / len(rows))
