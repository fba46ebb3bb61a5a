import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from mimic.gym.tracking import GymTracking, GymVectorTracking, env_id
from mocap.catalogue import clip_names
from tests.kinematic_engine import config
from tests.motion_samples import clip_or_skip

# actions are offsets in radians, which a range of -1 to 1 would cut off; observations have no bounds
ADVICE_NOT_TAKEN = ("symmetric and normalized space", "is -infinity", "is infinity")


@pytest.fixture(autouse=True)
def walk():
    clip_or_skip("walk")


@pytest.mark.parametrize("clip", ["cartwheel", "canter"])
def test_gymnasiums_own_checker_has_nothing_to_say(clip):
    clip_or_skip(clip)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        env = gymnasium.make(f"mimic/{clip}-v0")
        check_env(env.unwrapped, skip_render_check=True)
        env.close()
    said = [str(w.message) for w in said if not any(a in str(w.message) for a in ADVICE_NOT_TAKEN)]
    assert not said


def test_every_clip_is_registered():
    assert {env_id(clip) for clip in clip_names()} <= set(gymnasium.registry)


def test_a_seed_fixes_the_start_and_later_resets_go_on_from_it():
    env = GymTracking("walk")
    first, second = env.reset(seed=3)[0], env.reset()[0]
    again, other = env.reset(seed=3)[0], env.reset(seed=4)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)
    np.testing.assert_array_equal(env.reset(seed=3)[0], first)
    np.testing.assert_array_equal(env.reset()[0], second)


def test_reset_can_choose_the_moment_of_the_clip():
    env = GymTracking("walk")
    a = env.reset(options={"start_times": [0.5]})[0]
    np.testing.assert_array_equal(a, env.reset(options={"start_times": [0.5]})[0])
    for wrong in (
        {"start_times": [99.0]},
        {"start_times": [-1.0]},
        {"start_times": [0.1, 0.2]},
        {"start_times": [np.nan]},
    ):
        with pytest.raises(ValueError, match="start_times must be 1 numbers, each from 0"):
            env.reset(options=wrong)
    with pytest.raises(ValueError, match="unknown reset option 'start_time'; did you mean 'start_times'"):
        env.reset(options={"start_time": [0.1]})


def test_every_step_can_be_rendered():
    pytest.importorskip("pybullet")
    assert GymTracking("walk").render() is None
    with pytest.raises(ValueError, match="render_mode 'human': there is rgb_array"):
        GymTracking("walk", render_mode="human")
    with pytest.raises(ValueError, match=r"gymnasium\.make has 'rgb_array'"):
        GymVectorTracking("walk", 2, render_mode="rgb_array")
    env = gymnasium.make("mimic/walk-v0", render_mode="rgb_array", config=config("evaluation_s=0.1"), training=False)
    check_env(env.unwrapped)
    env.reset(seed=0)
    start = env.render()
    assert start.shape == (540, 960, 3) and start.dtype == np.uint8
    done = False
    while not done:
        *_, done, _ = env.step(np.zeros(env.action_space.shape, np.float32))
    end = env.render()
    np.testing.assert_array_equal(end, env.render())  # the episode's end, though what is simulated has begun anew
    env.reset(options={"start_times": [0.0]})
    assert not np.array_equal(start, end) and not np.array_equal(end, env.render())
    env.close()


def test_a_single_episode_ends_with_its_own_last_observation():
    env = GymTracking("walk", config("evaluation_s=0.1"), training=False)
    env.reset(seed=0)
    for k in range(3):
        obs, reward, terminated, truncated, info = env.step(np.zeros(env.action_space.shape, np.float32))
        assert obs in env.observation_space and 0 < reward <= 1
        assert (terminated, truncated) == (False, k == 2)
    assert info["end"] == "timeout" and {"reward_pose", "reward_com"} <= set(info)
    height = env.env.observation.layout["root_height"]
    assert obs[height] == pytest.approx(float(env.env.sim.root_pos_w[0, 2]))


def test_a_vector_environment_keeps_gymnasiums_rules():
    env = gymnasium.make_vec("mimic/walk-v0", num_envs=6, config=config("evaluation_s=0.1"), training=False)
    assert isinstance(env, GymVectorTracking) and env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    assert env.observation_space.shape == (6, *env.single_observation_space.shape)
    assert env.action_space.shape == (6, *env.single_action_space.shape)
    obs, _ = env.reset(seed=1)
    assert obs in env.observation_space and obs.dtype == np.float32
    idle = np.zeros(env.action_space.shape, np.float32)
    for _ in range(2):
        obs, reward, terminated, truncated, info = env.step(idle)
        assert "final_obs" not in info and not (terminated | truncated).any()
    ended = env.step(idle)
    obs, reward, terminated, truncated, info = ended
    assert truncated.all() and not terminated.any() and info["_final_obs"].all()
    assert (info["end"] == "timeout").all() and info["_end"].all() and reward.shape == (6,)
    assert all(final.shape == env.single_observation_space.shape for final in info["final_obs"])
    assert not any(np.array_equal(final, new) for final, new in zip(info["final_obs"], obs, strict=True))
    phase = env.env.observation.layout["phase_circle"]
    clip_phase = 2 * np.pi * env.env.tracker.phase.numpy()
    np.testing.assert_allclose(obs[:, phase], np.stack((np.sin(clip_phase), np.cos(clip_phase)), 1), atol=1e-6)


def test_termination_is_told_from_truncation():
    env = GymVectorTracking("walk", num_envs=4)
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, np.float32)
    action[2] = np.nan
    env.env.engine.batch.qpos[0, 2] -= 0.7
    obs, reward, terminated, truncated, info = env.step(action)
    assert terminated.tolist() == [True, False, True, False] and not truncated.any()
    assert info["end"].tolist() == ["fail", "", "diverged", ""]
    assert info["_final_obs"].tolist() == terminated.tolist() and info["final_obs"][1] is None
    assert np.isfinite(obs).all() and reward.tolist()[0] == reward.tolist()[2] == 0.0


def test_start_times_are_random_without_a_seed_and_alike_with_one():
    starts = [GymVectorTracking("walk", 2).reset()[0] for _ in range(2)]
    assert not np.array_equal(*starts)
    np.testing.assert_array_equal(
        GymVectorTracking("walk", 1).reset(seed=7)[0][0], GymTracking("walk").reset(seed=7)[0]
    )


def test_episodes_grow_as_the_preset_has_them_grow():
    grows = config("time_limit.start_s=0.1", "time_limit.end_s=0.4", "time_limit.ramp_samples=40", "time_limit.power=1")
    env = GymVectorTracking("walk", 2, grows)
    env.reset(seed=0)
    ends = [k for k in range(40) if env.step(np.zeros(env.action_space.shape, np.float32))[3][0]]
    lengths = np.diff([-1, *ends])
    assert lengths[0] == 3 and lengths[-1] == 12 and (np.diff(lengths) >= 0).all()


@pytest.mark.parametrize("shape", [(2, 1), (1, 28), (28,), (3, 28), ()])
def test_actions_of_another_shape_are_refused(shape):
    env = GymVectorTracking("walk", 2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"the action has shape .*, expected \(2, 28\)"):
        env.step(np.zeros(shape, np.float32))


def test_the_action_space_is_as_wide_as_the_task_has_it():
    space = GymTracking("walk", config("action.bound=0.7")).action_space
    np.testing.assert_array_equal(space.high, np.full(28, 0.7, np.float32))
    np.testing.assert_array_equal(space.low, -space.high)


def test_both_faces_show_the_same_task():
    single, vector = GymTracking("walk"), GymVectorTracking("walk", num_envs=1)
    start = {"start_times": [0.4]}
    np.testing.assert_array_equal(single.reset(options=start)[0], vector.reset(options=start)[0][0])
    action = 0.1 * torch.randn(single.action_space.shape, generator=torch.Generator().manual_seed(0)).numpy()
    a, b = single.step(action), vector.step(action[None])
    np.testing.assert_array_equal(a[0], b[0][0])
    assert a[1] == b[1][0]
