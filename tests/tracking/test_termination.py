import math
from dataclasses import replace

import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.core.rotations import quat_from_rotvec, quat_mul
from mimic.tracking.clip_rules import ClipRules, rules_for
from mimic.tracking.config import TerminationConfig
from mimic.tracking.termination import EarlyTermination
from tests.kinematic_engine import config, gentle_motion, make, shifted
from tests.states import random_state

CPU = torch.device("cpu")


def failed(character, task, sim, reference=None, settings=None, training=True):
    kinematics = Kinematics(character)
    env = make(gentle_motion(character.name), len(sim), kinematic=True)
    env.reset(torch.zeros(len(sim)).double())
    sample = env.tracker.sample()
    if reference is not None:
        bodies = kinematics.forward(reference)
        sample = replace(sample, state=reference, body_offset_w=bodies.pos_w - bodies.pos_w[:, :1])
    rules = EarlyTermination(settings or TerminationConfig(), [task], kinematics, training, CPU)
    return rules.failed(sim, kinematics.forward(sim), sample).tolist()


def on_hands(depths):
    """A humanoid lying in the air, face down, with arms straight down; hands ``depths`` [m] below the ground."""
    character, n = load_character("humanoid"), len(depths)
    zeros = torch.zeros(n, 3)
    joint_quat = torch.tensor([1.0, 0, 0, 0]).repeat(n, len(character.joints), 1)
    for side in ("right", "left"):
        raised = quat_from_rotvec(torch.tensor([0.0, -math.pi / 2, 0.0]))
        joint_quat[:, character.joint_index(f"{side}_shoulder")] = raised
    prone = quat_from_rotvec(torch.tensor([0.0, math.pi / 2, 0.0])).repeat(n, 1)
    state = CharacterState(zeros, prone, zeros, zeros, joint_quat, torch.zeros(n, character.num_actuated))
    kinematics = Kinematics(character)
    lowest = kinematics.lowest_points(kinematics.forward(state))
    hands = [character.body_index("right_wrist"), character.body_index("left_wrist")]
    assert set(lowest[0].argsort()[:2].tolist()) == set(hands), "the hands are the lowest"
    down = torch.tensor([0.0, 0.0, 1.0]) * (torch.tensor(depths) + lowest[:, hands[0]])[:, None]
    return character, shifted(state, root_pos_w=-down)


def test_hands_may_touch_the_ground_in_a_cartwheel_and_not_in_a_walk():
    character, state = on_hands([0.02, -0.0005, -0.002])
    assert failed(character, rules_for("walk"), state) == [True, True, False]
    assert failed(character, rules_for("cartwheel"), state) == [False, False, False]
    assert failed(character, rules_for("crawl"), state) == [False, False, False]
    everything_down = shifted(state, root_pos_w=torch.tensor([0.0, 0.0, -0.6]))
    assert failed(character, rules_for("cartwheel"), everything_down) == [True] * 3
    assert failed(character, rules_for("crawl"), everything_down) == [True] * 3
    assert failed(character, rules_for("roll"), everything_down) == [False] * 3


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_ground_contact_of_a_single_body_is_a_failure_unless_the_body_is_allowed(name):
    character = load_character(name)
    kinematics = Kinematics(character)
    state = random_state(character, 300, bend=1.5)
    lowest, body = kinematics.lowest_points(kinematics.forward(state)).min(1)
    touching = shifted(state, root_pos_w=-torch.stack((0 * lowest, 0 * lowest, lowest + 0.01), 1))
    allowed = [character.bodies[int(b)].name in character.config.allowed_contacts for b in body]
    second = kinematics.lowest_points(kinematics.forward(touching)).sort(1).values[:, 1]
    alone = second > 0.001
    found = failed(character, ClipRules(), touching)
    assert sum(alone.tolist()) > 20
    for i in alone.nonzero().squeeze(1).tolist():
        assert found[i] != allowed[i], character.bodies[int(body[i])].name
    names = tuple(b.name for b in character.bodies)
    assert not any(failed(character, ClipRules(allowed_contacts=names), touching))


def turned_by(state, angle):
    tilt = quat_from_rotvec(torch.tensor([0.0, angle, 0.0])).expand_as(state.root_quat_w)
    return replace(state, root_quat_w=quat_mul(tilt, state.root_quat_w))


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_tilt_and_distance_end_training_episodes_only(name):
    character = load_character(name)
    reference = random_state(character, 3, height=5.0)
    cases = [
        (TerminationConfig(root_tilt=0.7), turned_by(reference, 0.69), False),
        (TerminationConfig(root_tilt=0.7), turned_by(reference, 0.71), True),
        (TerminationConfig(body_distance=0.5), shifted(reference, root_pos_w=torch.tensor([0.3, 0.39, 0.0])), False),
        (TerminationConfig(body_distance=0.5), shifted(reference, root_pos_w=torch.tensor([0.3, 0.41, 0.0])), True),
        (TerminationConfig(), shifted(turned_by(reference, 2.0), root_pos_w=torch.tensor([9.0, 0.0, 0.0])), False),
    ]
    for settings, sim, expected in cases:
        assert failed(character, ClipRules(), sim, reference, settings) == [expected] * 3
        assert failed(character, ClipRules(), sim, reference, settings, training=False) == [False] * 3


def test_one_far_body_is_enough():
    character = load_character("humanoid")
    reference = random_state(character, 2, height=5.0)
    sim = reference.clone()
    knee = character.joint_index("right_knee")
    sim.joint_quat[1, knee] = quat_mul(sim.joint_quat[1, knee], quat_from_rotvec(torch.tensor([0.0, 2.0, 0.0])))
    assert failed(character, ClipRules(), sim, reference, TerminationConfig(body_distance=0.5)) == [False, True]


def test_the_reference_itself_never_fails():
    for name in ("humanoid", "dog"):
        env = make(gentle_motion(name), 40, config(), training=True, kinematic=True)
        env.reset()
        assert not bool(
            env.termination.failed(
                env.engine.read(), env.kinematics.forward(env.engine.read()), env.tracker.sample()
            ).any()
        )
