import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from characters import load_character
from mimic.core.errors import ConfigError
from mimic.core.rotations import quat_from_yaw, quat_mul, quat_rotate
from mimic.tracking.config import ObservationConfig
from mimic.tracking.observation import FIELDS, Observation
from tests.kinematic_engine import clip_env, config, gentle_motion, make, shifted
from tests.states import CHARACTERS, random_state

PRESETS = ("fast", "paper")


def env_in(state_seed, name, preset, n=6):
    """An environment in whose middle of the clip something else is going on than the reference."""
    env = make(gentle_motion(name, turn=0.8), n, config(name=preset))
    env.reset()
    env.tracker.current.yaw[:] = torch.linspace(-3, 3, n)
    env.tracker.current.origin_w[:, :2] = torch.randn(n, 2, generator=torch.Generator().manual_seed(state_seed))
    env.engine.reset(torch.arange(n), random_state(env.character, n, seed=state_seed, height=1.0))
    return env


def observe(env):
    return env._observe(slice(None), env.engine.read())


def turned(state, yaw, shift):
    turn = quat_from_yaw(yaw)
    return replace(
        state,
        root_pos_w=quat_rotate(turn, state.root_pos_w) + shift,
        root_quat_w=quat_mul(turn, state.root_quat_w),
        root_linvel_w=quat_rotate(turn, state.root_linvel_w),
        root_angvel_w=quat_rotate(turn, state.root_angvel_w),
    )


def field(env, obs, name):
    return obs[:, env.observation.layout[name]]


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize(
    "fields", [tuple(FIELDS), ("joint_vel", "phase"), *(config(name=p).observation.fields for p in PRESETS)]
)
def test_named_fields_tile_the_vector_without_a_gap(name, fields):
    observation = Observation(ObservationConfig(fields, target_steps=(1, 3)), load_character(name))
    assert list(observation.layout) == list(fields)
    ends = [0]
    for columns in observation.layout.values():
        assert columns.start == ends[-1] and columns.stop > columns.start
        ends.append(columns.stop)
    assert ends[-1] == observation.dim == len(observation.unnormalized)


@pytest.mark.parametrize(("name", "size"), [("humanoid", 227), ("dog", 347)])
def test_the_paper_preset_has_deepmimics_size(name, size):
    assert Observation(config(name="paper").observation, load_character(name)).dim == size


def test_only_the_phase_is_left_unnormalised():
    observation = Observation(
        ObservationConfig(("root_height", "phase_circle", "joint_vel", "phase")), load_character("dog")
    )
    named = [name for name, columns in observation.layout.items() if bool(observation.unnormalized[columns].any())]
    assert named == ["phase_circle", "phase"] and int(observation.unnormalized.sum()) == 3


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("preset", PRESETS)
def test_turning_and_moving_the_world_with_the_reference_changes_nothing(name, preset):
    env = env_in(1, name, preset)
    before = observe(env)
    yaw, shift = torch.linspace(-2, 2.5, 6), torch.tensor([3.0, -4.0, 0.0])
    env.engine.reset(torch.arange(6), turned(env.engine.read(), yaw, shift))
    now = env.tracker.current
    now.origin_w = quat_rotate(quat_from_yaw(yaw), now.origin_w) + shift
    now.yaw = now.yaw + yaw
    torch.testing.assert_close(observe(env), before, atol=3e-5, rtol=0)


SEES_ITS_OWN_TURN = {
    "reference": {"root_rot", "root_linvel", "root_angvel", "body_pos", "target_root"},
    "heading": {"link_rot", "link_linvel", "link_angvel"},  # of these the root's own entries
}


@pytest.mark.parametrize("preset", PRESETS)
def test_turning_the_simulation_alone_changes_what_compares_it_with_the_reference(preset):
    env = env_in(2, "humanoid", preset)
    before, start = observe(env), env.engine.read()
    # about the root, so that nothing moves but the heading
    pivot = start.root_pos_w
    spun = replace(turned(start, torch.full((6,), 1.0), torch.zeros(3)), root_pos_w=pivot)
    env.engine.reset(torch.arange(6), spun)
    after = observe(env)
    changed = {
        n for n in env.observation.layout if not torch.allclose(field(env, before, n), field(env, after, n), atol=3e-5)
    }
    assert changed == SEES_ITS_OWN_TURN[env.config.observation.frame] - {"target_root"}
    if preset == "paper":
        for name, width in (("link_rot", 6), ("link_linvel", 3), ("link_angvel", 3)):
            torch.testing.assert_close(
                field(env, before, name)[:, width:], field(env, after, name)[:, width:], atol=3e-5, rtol=0
            )


def test_moving_the_simulation_alone_moves_the_targets_by_as_much_and_nothing_else():
    env = env_in(3, "dog", "fast")
    before, start = observe(env), env.engine.read()
    shift = torch.tensor([0.3, -0.2, 0.0])
    env.engine.reset(torch.arange(6), shifted(start, root_pos_w=shift))
    after = observe(env)
    moved = field(env, after, "target_root")[:, :3] - field(env, before, "target_root")[:, :3]
    torch.testing.assert_close(
        quat_rotate(quat_from_yaw(env.tracker.current.yaw), moved), -shift.expand(6, 3), atol=1e-5, rtol=0
    )
    others = [n for n in env.observation.layout if n != "target_root"]
    assert all(torch.allclose(field(env, before, n), field(env, after, n), atol=1e-5) for n in others)


@pytest.mark.parametrize("name", CHARACTERS)
def test_fields_say_what_their_names_promise(name):
    env = make(
        gentle_motion(name, turn=0.8),
        4,
        replace(config(), observation=ObservationConfig(tuple(FIELDS), "heading", (1, 4))),
    )
    env.reset(torch.tensor([0.0, 0.1, 0.5, 0.9]).double())
    state = random_state(env.character, 4, seed=7, height=1.0)
    env.engine.reset(torch.arange(4), state)
    env.tracker.current.yaw[:] = torch.tensor([0.0, 1.0, -2.0, 3.0])
    obs = observe(env)
    seen = {n: field(env, obs, n).double().numpy() for n in env.observation.layout}
    bodies = env.kinematics.forward(state)
    coms = env.kinematics.com_positions(bodies)
    phase = (env.tracker.current.clip_time / env.motion.duration).numpy()
    np.testing.assert_allclose(seen["phase"][:, 0], 2 * phase - 1, atol=1e-6)
    circle = np.stack((np.sin(2 * np.pi * phase), np.cos(2 * np.pi * phase)), 1)
    np.testing.assert_allclose(seen["phase_circle"], circle, atol=1e-6)
    np.testing.assert_allclose(seen["root_height"], state.root_pos_w[:, 2:], atol=1e-6)
    np.testing.assert_allclose(seen["joint_vel"], state.joint_vel, atol=1e-6)
    for i in range(4):
        root = Rotation.from_quat(state.root_quat_w[i], scalar_first=True)
        facing = root.apply([1, 0, 0])
        to_heading = Rotation.from_euler("z", -math.atan2(facing[1], facing[0]))
        to_reference = Rotation.from_euler("z", -float(env.tracker.current.yaw[i]))

        def six(rotation):
            return np.concatenate((rotation.apply([1, 0, 0]), rotation.apply([0, 0, 1])))

        def close(field_name, expected, i=i):
            np.testing.assert_allclose(seen[field_name][i], np.ravel(expected), atol=2e-5, err_msg=field_name)

        links = [Rotation.from_quat(q, scalar_first=True) for q in bodies.quat_w[i]]
        close("root_rot", six(to_reference * root))
        close("root_linvel", to_reference.apply(state.root_linvel_w[i]))
        close("root_angvel", to_reference.apply(state.root_angvel_w[i]))
        close("joint_rot", [six(Rotation.from_quat(q, scalar_first=True)) for q in state.joint_quat[i]])
        close("body_pos", to_heading.apply(bodies.pos_w[i, 1:] - bodies.pos_w[i, 0]))
        close("link_pos", to_heading.apply(coms[i] - bodies.pos_w[i, 0]))
        close("link_rot", [six(to_reference * links[0]), *(six(to_heading * link) for link in links[1:])])
        of_com = bodies.linvel_w[i] + np.cross(bodies.angvel_w[i], coms[i] - bodies.pos_w[i])
        for field_name, velocity in (("link_linvel", of_com), ("link_angvel", bodies.angvel_w[i])):
            close(field_name, [to_reference.apply(velocity[0]), *to_heading.apply(velocity[1:])])


def test_targets_are_the_reference_so_many_control_steps_on():
    env = make(gentle_motion("humanoid"), 3, config("observation.target_steps=[1,4]"), kinematic=True)
    env.reset(torch.tensor([0.0, 0.3, 0.95]).double())
    obs = observe(env)
    start = env.engine.read().root_pos_w
    for k, steps in enumerate((1, 4)):
        later = env.tracker.ahead(steps / 30)
        pos, quat = env.tracker.reference.root(later.clip_time, later.origin_w, later.yaw)
        root = field(env, obs, "target_root")[:, 9 * k : 9 * k + 9]
        torch.testing.assert_close(root[:, :3], pos - start, atol=1e-6, rtol=0)
        matrix = torch.from_numpy(Rotation.from_quat(quat.numpy(), scalar_first=True).as_matrix()).float()
        torch.testing.assert_close(root[:, 3:], torch.cat((matrix[..., 0], matrix[..., 2]), -1), atol=1e-6, rtol=0)
        pose = field(env, obs, "target_pose")[:, env.act_dim * k : env.act_dim * (k + 1)]
        assert torch.equal(pose, env.tracker.reference.pd_target(later.clip_time))


def test_the_vector_does_not_jump_where_a_cycle_closes():
    env = clip_env("walk", 1, kinematic=True)
    duration = env.motion.duration
    seam = []
    for time in (duration - 1e-4, 1e-4):
        env.reset(torch.tensor([time]).double())
        if time < 1:
            env.tracker.current.origin_w[:] = env.tracker.reference.cycle_displacement[0]
            env.engine.reset(torch.arange(1), env.tracker.sample().state)
        seam.append(observe(env))
    assert float((seam[1] - seam[0])[:, env.observation.layout["phase_circle"]].abs().max()) < 1e-3
    assert float((seam[1] - seam[0])[:, env.observation.layout["target_root"]].abs().max()) < 0.05


def test_an_unknown_field_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="no observation field 'root_hight'; did you mean 'root_height'"):
        Observation(ObservationConfig(("phase", "root_hight")), load_character("dog"))


@pytest.mark.parametrize("fields", [(), ("phase", "root_height", "phase")])
def test_no_field_or_one_twice_is_refused(fields):
    with pytest.raises(ConfigError, match="at least one field, and no field twice"):
        Observation(ObservationConfig(fields), load_character("dog"))
