import math

import pytest
import torch

from characters import load_character
from mimic.tracking.action import Action
from mimic.tracking.config import ActionConfig
from tests.kinematic_engine import config, gentle_motion, make
from tests.states import CHARACTERS, normal

PAPER = config(name="paper").action


@pytest.mark.parametrize("name", CHARACTERS)
def test_zero_is_the_middle_of_what_deepmimic_allows(name):
    character = load_character(name)
    action = Action(PAPER, character)
    pose, one, edge = (
        action.pd_target(a, None) for a in (torch.zeros(action.dim), torch.ones(action.dim), action.bound)
    )
    for joint in character.joints:
        if joint.kind == "ball":
            assert pose[joint.dof].tolist() == [0.0, 0.0, 0.0]
            assert one[joint.dof].tolist() == pytest.approx([math.pi] * 3)
            assert edge[joint.dof].tolist() == pytest.approx([2 * math.pi] * 3)
        else:
            low, high = joint.range
            assert float(pose[joint.dof]) == pytest.approx((low + high) / 2, abs=1e-6)
            assert float(one[joint.dof] - pose[joint.dof]) == pytest.approx(2 * (high - low), rel=1e-5)
            assert float(edge[joint.dof] - pose[joint.dof]) == pytest.approx(2 * (high - low), rel=1e-5)


@pytest.mark.parametrize("name", CHARACTERS)
def test_zero_is_the_reference_pose_a_lead_ahead(name):
    env = make(gentle_motion(name), 5)
    assert env.action.needs_reference
    env.reset(torch.tensor([0.0, 0.2, 0.5, 0.93, 0.99]).double())
    later = env.tracker.ahead(env.config.action.lead_s)
    expected = env.tracker.reference.pd_target(later.clip_time)
    assert torch.equal(env.pd_target(torch.zeros(5, env.act_dim)), expected)
    offset = normal(5, env.act_dim, seed=0).float()
    torch.testing.assert_close(env.pd_target(offset), expected + offset)


def test_the_engine_gets_the_target_that_the_action_means():
    env = make(gentle_motion("dog"), 3, config("action.ball_scale=0.25"), kinematic=True)
    env.reset()
    given = []
    env.engine.set_targets = given.append
    env.engine.next_state = env.engine.read()
    base, action = env.pd_target(torch.zeros(3, env.act_dim)), normal(3, env.act_dim, seed=1).float()
    env.step(action)
    torch.testing.assert_close(given[0], base + 0.25 * action)


def test_bounds_are_the_learners_business_and_are_not_clipped():
    character = load_character("humanoid")
    action = Action(ActionConfig(bound=1.5, hinge_bound=0.5), character)
    assert {float(action.bound[j.dof][0]) for j in character.joints if j.kind == "hinge"} == {0.5}
    assert {float(action.bound[j.dof][0]) for j in character.joints if j.kind == "ball"} == {1.5}
    far = torch.full((1, action.dim), 9.0)
    assert torch.equal(action.pd_target(far, torch.zeros(1, action.dim)), far)
