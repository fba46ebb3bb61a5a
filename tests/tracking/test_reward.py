from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from characters import Kinematics, load_character
from mimic.core.errors import ConfigError
from mimic.core.rotations import quat_from_rotvec, quat_mul
from mimic.core.strict_config import build, to_dict
from mimic.rl.vec_env import Termination
from mimic.runs.preset import load_preset
from mimic.sim.pd_controller import Servo
from mimic.tracking.reference import end_effectors_h
from mimic.tracking.reward import TERMS, JointWeights, Reward, RewardConfig, RewardInputs, TrackingTerm
from tests.kinematic_engine import clip_env, config, follow_reference, gentle_motion, make, shifted
from tests.motion_samples import random_motion
from tests.states import CHARACTERS, random_state

CLIPS = ["walk", "cartwheel", "spin", "roll", "kick", "getup_faceup", "canter", "turn", "dog_spin"]
DEEPMIMIC = config().reward
FEET = {"humanoid": ["right_ankle", "left_ankle"], "dog": ["right_finger", "left_finger", "right_toe", "left_toe"]}
# terms that depend on states alone
OF_STATES = {name for name in TERMS if issubclass(TERMS.get(name), TrackingTerm)} - {"action_rate"}


def table(**terms):
    """A reward table from plain numbers, as a preset has it."""
    return build(RewardConfig, {"terms": terms}, "test.reward")


WITH_FEET = RewardConfig(
    {
        **DEEPMIMIC.terms,
        "pose": replace(DEEPMIMIC.terms["pose"], weight=0.4),
        **table(foot_height={"weight": 0.1, "scale": 10.0}).terms,
    }
)


def compared(character, sim, reference):
    kinematics = Kinematics(character)
    effectors = torch.tensor([character.body_index(name) for name in character.end_effectors])
    bodies = [kinematics.forward(state) for state in (sim, reference)]
    hands = [end_effectors_h(b.pos_w[:, effectors], s) for b, s in zip(bodies, (sim, reference), strict=True)]
    feet = [character.body_index(name) for name in FEET[character.name]]
    heights = tuple(kinematics.lowest_points(each)[:, feet] for each in bodies)
    still = torch.zeros(len(sim), character.num_actuated)
    velocities = map(kinematics.com_velocity, bodies)
    return RewardInputs(
        sim,
        reference,
        *hands,
        *velocities,
        lambda: heights,
        still,
        lambda: still,
        lambda: still,
        JointWeights.of(character),
    )


def terms(character, sim, reference):
    return Reward(WITH_FEET).terms(compared(character, sim, reference))


def slightly_off(character, reference, n, seed):
    """States near enough to the reference for every term to say something."""
    other = random_state(character, n, seed=seed)

    def towards(a, b, share=0.15):
        return a + share * (b - a)

    # quaternions of one sign, so that a small share is a small turn
    other_root = other.root_quat_w * (other.root_quat_w * reference.root_quat_w).sum(-1, keepdim=True).sign()
    root_quat = towards(reference.root_quat_w, other_root)
    joint_quat = towards(reference.joint_quat, other.joint_quat, 0.04)
    return replace(
        reference,
        root_pos_w=towards(reference.root_pos_w, other.root_pos_w),
        root_linvel_w=towards(reference.root_linvel_w, other.root_linvel_w),
        root_angvel_w=towards(reference.root_angvel_w, other.root_angvel_w),
        joint_vel=towards(reference.joint_vel, other.joint_vel),
        root_quat_w=root_quat / root_quat.norm(dim=-1, keepdim=True),
        joint_quat=joint_quat / joint_quat.norm(dim=-1, keepdim=True),
    )


def by_hand(character, sim, reference, i):
    """The five terms of DeepMimic for row i, and that of the feet, from MuJoCo's kinematics, NumPy and scipy."""
    model = character.mj_model()
    figure = []
    for state in (sim, reference):
        data = mujoco.MjData(model)
        root = Rotation.from_quat(state.root_quat_w[i], scalar_first=True)
        data.qpos[:7] = [*state.root_pos_w[i], *state.root_quat_w[i]]
        data.qvel[:] = [*state.root_linvel_w[i], *root.inv().apply(state.root_angvel_w[i]), *state.joint_vel[i]]
        for j, joint in enumerate(character.joints):
            quat = state.joint_quat[i, j].double().numpy()
            data.joint(joint.name).qpos[:] = (
                quat if joint.kind == "ball" else 2 * np.arctan2(quat[1:] @ joint.axis, quat[0])
            )
        mujoco.mj_forward(model, data)
        mujoco.mj_subtreeVel(model, data)
        facing = root.apply([1, 0, 0])
        unturn = Rotation.from_euler("z", -np.arctan2(facing[1], facing[0]))
        hands = np.array([data.body(name).xpos for name in character.end_effectors])
        seen = unturn.apply(hands - data.qpos[:3])
        feet = np.array([lowest_point(data, name) for name in FEET[character.name]])
        figure.append((root, data, np.column_stack((seen[:, :2], hands[:, 2])), feet))
    (root_a, a, hands_a, feet_a), (root_b, b, hands_b, feet_b) = figure
    spin = sim.root_angvel_w[i].numpy() - reference.root_angvel_w[i].numpy()
    root_turn = (root_a.inv() * root_b).magnitude()
    weights = {joint.name: joint.weight for joint in character.joints}
    total = character.config.root_weight + sum(weights.values())
    pose, velocity = character.config.root_weight * root_turn**2, character.config.root_weight * spin @ spin
    for joint in character.joints:
        qa, qb = a.joint(joint.name).qpos, b.joint(joint.name).qpos
        if joint.kind == "ball":
            turn = (
                Rotation.from_quat(qa, scalar_first=True).inv() * Rotation.from_quat(qb, scalar_first=True)
            ).magnitude()
        else:
            turn = qa[0] - qb[0]
        difference = a.joint(joint.name).qvel - b.joint(joint.name).qvel
        pose, velocity = pose + joint.weight * turn**2, velocity + joint.weight * difference @ difference
    n = len(character.bodies)
    moved, speed = a.qpos[:3] - b.qpos[:3], a.qvel[:3] - b.qvel[:3]
    com = a.subtree_linvel[1] - b.subtree_linvel[1]
    return {
        "pose": np.exp(-2.0 * n / 15 * pose / total),
        "velocity": np.exp(-0.1 * n / 15 * velocity / total),
        "end_effector": np.exp(-10 * ((hands_a - hands_b) ** 2).sum()),
        "root": np.exp(-5 * (moved @ moved + 0.1 * root_turn**2 + 0.01 * speed @ speed + 0.001 * spin @ spin)),
        "com": np.exp(-10 * 0.1 * com @ com),
        "foot_height": np.exp(-10 * (feet_a - feet_b) @ (feet_a - feet_b)),
    }


def lowest_point(data, body):
    """Height of the lowest point of a body's box or capsule."""
    geom = data.model.geom(data.model.body(body).geomadr[0])
    placed = data.geom(geom.id)
    rows = np.abs(placed.xmat.reshape(3, 3)[2])
    if geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX:
        return placed.xpos[2] - rows @ geom.size
    length = geom.size[1] if geom.type[0] == mujoco.mjtGeom.mjGEOM_CAPSULE else 0.0
    return placed.xpos[2] - rows[2] * length - geom.size[0]


def test_an_action_that_changes_costs_by_how_much_and_the_first_of_an_episode_nothing():
    steady = RewardConfig(
        {
            **DEEPMIMIC.terms,
            "pose": replace(DEEPMIMIC.terms["pose"], weight=0.4),
            **table(action_rate={"weight": 0.1, "scale": 3.0}).terms,
        }
    )
    env = make(gentle_motion("humanoid"), 2, replace(config(), reward=steady), training=True)
    twin = make(gentle_motion("humanoid"), 2, replace(config(), reward=steady), training=True)
    env.reset(torch.zeros(2, dtype=torch.float64))
    actions = [torch.full((2, env.act_dim), value) for value in (0.1, 0.1, 0.3)]
    found = []
    for action in actions:
        action[1, :14] *= 2
        twin.reset()
        twin.load_state_dict(env.state_dict())
        found.append(env.step(action).info["action_rate"])
    torch.testing.assert_close(torch.stack(found)[:2], torch.ones(2, 2))
    change = torch.tensor([0.2**2, (0.4**2 + 0.2**2) / 2])
    torch.testing.assert_close(found[2], torch.exp(-3.0 * change))
    assert torch.equal(twin.step(actions[2]).info["action_rate"], found[2]), "a resumed run knows the action before"
    env.reset(torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(env.step(actions[0]).info["action_rate"], torch.ones(2))


@pytest.mark.parametrize("name", CHARACTERS)
def test_five_terms_are_deepmimics_and_all_equal_an_independent_version(name):
    character = load_character(name)
    reference = random_state(character, 8, seed=1)
    sim = slightly_off(character, reference, 8, seed=50)
    found = terms(character, sim, reference)
    reward, with_feet = (Reward(weights).total(found) for weights in (DEEPMIMIC, WITH_FEET))
    tested = set()
    for i in range(8):
        expected = by_hand(character, sim, reference, i)
        for term, value in expected.items():
            assert float(found[term][i]) == pytest.approx(value, rel=2e-4, abs=1e-6), term
        whole = 0.5 * expected["pose"] + 0.05 * expected["velocity"] + 0.15 * expected["end_effector"]
        whole += 0.2 * expected["root"] + 0.1 * expected["com"]
        assert float(reward[i]) == pytest.approx(whole, rel=1e-4)
        whole += 0.1 * (expected["foot_height"] - expected["pose"])
        assert float(with_feet[i]) == pytest.approx(whole, rel=1e-4)
        tested = tested | {term for term, value in expected.items() if 0.02 < value < 0.99}
    assert tested == OF_STATES, "the states test every term"


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_tracking_term_of_a_state_compared_with_itself_is_one(name):
    character = load_character(name)
    state = random_state(character, 200, speed=5.0)
    other_sign = replace(state, root_quat_w=-state.root_quat_w, joint_quat=-state.joint_quat)
    for twin in (state, other_sign):
        for term, value in terms(character, twin, state).items():
            torch.testing.assert_close(value, torch.ones(200), atol=1e-6, rtol=0, msg=term)


AMOUNTS = (0.0, 0.05, 0.15, 0.4, 0.8)
X = torch.tensor([1.0, 0.0, 0.0])
Z = torch.tensor([0.0, 0.0, 1.0])


def pushed(state, what, amount):
    """The state with one thing wrong by ``amount``."""
    chest_turn = quat_from_rotvec(amount * X).expand_as(state.joint_quat[:, 0])
    bent = state.joint_quat.clone()
    bent[:, 0] = quat_mul(bent[:, 0], chest_turn)
    match what:
        case "root place":
            return shifted(state, root_pos_w=amount * X)
        case "root height":
            return shifted(state, root_pos_w=amount * Z)
        case "root speed":
            return shifted(state, root_linvel_w=amount * X)
        case "root heading":
            return replace(
                state,
                root_quat_w=quat_mul(quat_from_rotvec(amount * Z).expand_as(state.root_quat_w), state.root_quat_w),
            )
        case "root spin":
            return shifted(state, root_angvel_w=amount * Z)
        case "joint angle":
            return replace(state, joint_quat=bent)
        case _:
            return shifted(
                state, joint_vel=torch.nn.functional.one_hot(torch.tensor(0), state.joint_vel.shape[1]) * amount
            )


FALLS = {
    "root place": {"root"},
    "root height": {"root", "end_effector", "foot_height"},
    "root speed": {"root", "com"},
    "root heading": {"pose", "root"},  # seen from its own heading the rest is as it was, but velocities are world's
    "root spin": {"velocity", "root", "com"},
    "joint angle": {"pose", "end_effector"},
    "joint velocity": {"velocity", "com"},
}


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("what", FALLS)
def test_a_term_falls_with_its_own_error_and_only_with_it(name, what):
    character = load_character(name)
    # level and at rest, so that a turn about z moves no height and no centre of mass
    state = random_state(character, 6, speed=0.0)
    state.root_quat_w[:] = torch.tensor([1.0, 0, 0, 0])
    falling = FALLS[what] | (
        {"foot_height"} if (name, what) == ("dog", "joint angle") else set()
    )  # its spine: fore paws
    values = [terms(character, pushed(state, what, amount), state) for amount in AMOUNTS]
    for term in OF_STATES:
        course = torch.stack([value[term] for value in values])
        if term in falling:
            assert bool((course.diff(dim=0) < 0).all()), term
        else:
            torch.testing.assert_close(course, torch.ones_like(course), atol=2e-6, rtol=0, msg=term)


@pytest.mark.parametrize("clip", CLIPS)
def test_the_reference_as_the_simulation_earns_one_at_every_phase_and_over_the_seam(clip):
    n = round(clip_env(clip, 1).motion.duration * 30) // 2 + 2
    env = clip_env(clip, n, kinematic=True)
    # starts two control steps apart, so that five steps each pass every phase; the last ones cross the seam
    env.reset(torch.linspace(0, 0.999 * env.motion.duration, n, dtype=torch.float64))
    closed = torch.zeros(n, dtype=torch.bool)
    for _ in range(5):
        before = env.tracker.current.clip_time.clone()
        step = follow_reference(env)
        torch.testing.assert_close(env.reward.total(env.terms), torch.ones(n), atol=1e-6, rtol=0)
        assert bool(((step.end == Termination.NONE) | (step.end == Termination.CLIP_END)).all())
        assert bool((step.reward > 1 - 1e-6).all())
        closed |= (env.tracker.current.clip_time < before) | (step.end == Termination.CLIP_END)
    assert bool(closed.any())


def test_the_environment_gives_the_reward_the_heights_of_its_own_feet():
    """Trained for feet, the reference still earns one, over the seam and turned; a raised dog loses what the term says."""
    feet = load_preset("feet").env
    for motion in (gentle_motion("dog", turn=0.7), gentle_motion("humanoid")):
        env = make(motion, 12, feet, training=True, kinematic=True)
        env.reset(torch.linspace(0, 0.99 * env.motion.duration, 12, dtype=torch.float64))
        for _ in range(6):
            follow_reference(env)
            torch.testing.assert_close(env.reward.total(env.terms), torch.ones(12), atol=1e-6, rtol=0)
        follow_reference(env, lambda state: shifted(state, root_pos_w=0.01 * Z))
        count = len(FEET[env.character.name])
        expected = torch.full((12,), float(np.exp(-2000.0 * count * 0.01**2)))
        torch.testing.assert_close(env.terms["foot_height"], expected, atol=1e-4, rtol=0)
        assert sorted(env.character.bodies[k].name for k in env._feet.tolist()) == sorted(FEET[env.character.name])


@pytest.mark.parametrize("clip", ["canter", "turn"])
def test_the_reference_as_the_simulation_still_earns_one_after_many_cycles(clip):
    env = clip_env(clip, 2, kinematic=True)
    env.reset(torch.tensor([0.0, 0.2]).double())
    for _ in range(75):
        follow_reference(env)
        torch.testing.assert_close(env.reward.total(env.terms), torch.ones(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_random_motion_as_the_simulation_earns_one_too(name):
    env = make(random_motion(name), 16, kinematic=True)
    env.reset()
    for _ in range(12):
        follow_reference(env)
        torch.testing.assert_close(env.reward.total(env.terms), torch.ones(16), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"pose": 0.5, "velocity": 0.4}, "sum to 0.9"),
        ({"pose": 0.6, "velocity": 0.6}, "sum to 1.2"),
        ({"pose": 0.5, "velocty": 0.5}, "no reward term 'velocty'; did you mean 'velocity'"),
        ({}, "sum to 0"),
    ],
)
def test_a_table_that_is_no_weighted_mean_is_refused(weights, message):
    with pytest.raises(ConfigError, match=message):
        Reward(table(**{name: {"weight": weight, "scale": 1.0} for name, weight in weights.items()}))


def test_weights_and_scales_are_those_of_the_table():
    character = load_character("humanoid")
    reference = random_state(character, 4)
    pair = compared(character, slightly_off(character, reference, 4, seed=9), reference)
    both = Reward(table(pose={"weight": 0.3, "scale": 2.0}, root={"weight": 0.7, "scale": 5.0}))
    deepmimic = Reward(DEEPMIMIC).terms(pair)
    torch.testing.assert_close(both.total(both.terms(pair)), 0.3 * deepmimic["pose"] + 0.7 * deepmimic["root"])
    sharper = Reward(table(pose={"weight": 1.0, "scale": 4.0}))
    torch.testing.assert_close(sharper.total(sharper.terms(pair)), deepmimic["pose"].square())


def signed_inputs(power=2.0):
    """One step of one humanoid: each joint turns at 1 rad/s against 2 N·m, and the action has changed by 0.5."""
    character = load_character("humanoid")
    state = random_state(character, 1)
    ones = torch.ones(1, character.num_actuated)
    inputs = compared(character, replace(state, joint_vel=ones), replace(state, joint_vel=ones))
    return replace(
        inputs, action=0.5 * ones, previous_action=lambda: torch.zeros_like(ones), joint_torque=lambda: -power * ones
    )


def test_signed_terms_have_the_values_worked_out_by_hand():
    count = load_character("humanoid").num_actuated
    signed = table(
        pose={"weight": 0.5, "scale": 2.0},
        effort={"kind": "energy", "weight": -0.001},
        joint_torques_l2={"weight": -1e-5},
        joint_vel_l2={"weight": -1e-4},
        action_rate_l2={"weight": -0.01},
        alive={"weight": 0.25},
    )
    reward = Reward(signed)
    terms = reward.terms(signed_inputs())
    expected = {"pose": 1.0, "effort": 2.0 * count, "joint_torques_l2": 4.0 * count, "joint_vel_l2": 1.0 * count}
    expected |= {"action_rate_l2": 0.25 * count, "alive": 1.0}
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(expected, abs=1e-5)
    total = 0.5 + 0.25 - (0.001 * 2 + 1e-5 * 4 + 1e-4 + 0.01 * 0.25) * count
    assert float(reward.total(terms)) == pytest.approx(total, abs=1e-5)
    assert reward.maximum == 0.75, "the sum of the positive weights of terms in [0, 1]"


def test_a_table_is_written_and_read_back_with_the_kinds_of_its_terms():
    signed = table(pose={"weight": 0.5, "scale": 2.0}, effort={"kind": "energy", "weight": -0.001})
    plain = {"terms": {"pose": {"weight": 0.5, "scale": 2.0}, "effort": {"kind": "energy", "weight": -0.001}}}
    assert to_dict(signed) == plain and build(RewardConfig, plain, "back") == signed
    assert to_dict(DEEPMIMIC)["terms"]["root"] == {"weight": 0.2, "scale": 5.0}, "as in runs of before"


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"pose": {"weight": 1.0, "scal": 2.0}}, "test.reward.terms.pose: unknown key 'scal'; did you mean 'scale'"),
        ({"pose": {"weight": 1.0}}, "key 'scale' is missing"),
        ({"pose": {"weight": -1.0, "scale": 2.0}}, "a weight must not be negative"),
        ({"effort": {"kind": "enery", "weight": -1.0}}, "effort: no reward term 'enery'; did you mean 'energy'"),
        ({"energy": {"weight": -1.0, "scale": 2.0}}, "unknown key 'scale'"),
        ({"energy": {"weight": -0.001}}, "no term in .0, 1. has a positive weight"),
        ({"pose": 0.5}, "expected 'key: value' lines"),
    ],
)
def test_a_mistake_in_a_table_names_the_term_and_the_nearest_valid_word(terms, message):
    with pytest.raises(ConfigError, match=message):
        Reward(table(**terms))


def test_energy_in_the_environment_is_the_servos_torque_times_the_joint_velocity():
    reward = RewardConfig({**DEEPMIMIC.terms, **table(energy={"weight": -1e-4}).terms})
    env = make(gentle_motion("dog"), 4, replace(config(), reward=reward))
    env.reset()
    step = env.step(torch.zeros(4, env.act_dim))
    servo = Servo(env.character)
    servo.set_target(env._pd_target)
    power = (servo.torque_of(env.sim) * env.sim.joint_vel).abs().sum(-1)
    torch.testing.assert_close(step.info["energy"], power)
    assert float(power.min()) > 1.0
    limits = torch.cat([torch.full((j.dof.stop - j.dof.start,), j.torque_limit) for j in env.character.joints])
    assert bool((servo.torque_of(env.sim).abs() <= limits + 1e-3).all())
    expected = Reward(DEEPMIMIC).total(step.info) - 1e-4 * power
    torch.testing.assert_close(step.reward, torch.where(step.end == Termination.FAIL, 0.0, expected))
