import math
from dataclasses import fields, replace

import pytest
import torch

from characters import CharacterState, load_character
from mimic.core.rotations import quat_from_rotvec, quat_mul
from mimic.rl.vec_env import Termination
from mimic.sim import make_engine
from mimic.tracking import TrackingEnv
from mimic.tracking.clip_rules import ClipRules
from mimic.tracking.counter_random import counter_uniform
from mimic.tracking.reward import RewardConfig
from tests.kinematic_engine import ahead, clip_env, config, follow_reference, gentle_motion, make, shifted
from tests.states import CHARACTERS, assert_states_close, normal

NAN, INF = math.nan, math.inf
DT = 1 / 30
PRESETS = ("fast", "paper")


def noise(env, step, scale=0.1):
    """Actions of environment i that do not depend on how many there are."""
    rows = [normal(env.act_dim, seed=1000 * step + i) for i in range(env.num_envs)]
    return scale * torch.stack(rows).float()


def identical(a, b, rows):
    """Two steps agree to the bit in these rows."""
    pairs = [(a.obs, b.obs), (a.reward, b.reward), (a.end, b.end), (a.final_obs, b.final_obs)]
    pairs += [(a.info[name], b.info[name]) for name in b.info]
    return all(torch.equal(x[rows], y[rows]) for x, y in pairs)


def finite(step):
    return all(bool(t.isfinite().all()) for t in (step.obs, step.reward, step.final_obs, *step.info.values()))


@pytest.mark.parametrize("name", CHARACTERS)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_step_has_the_shapes_and_the_types_the_learner_expects(name, preset):
    env = make(gentle_motion(name), 5, config(name=preset), training=True)
    obs = env.reset()
    step = env.step(torch.zeros(5, env.act_dim))
    assert obs.shape == step.obs.shape == step.final_obs.shape == (5, env.obs_dim)
    assert step.reward.shape == step.end.shape == (5,) and step.end.dtype == torch.int8
    assert {t.dtype for t in (obs, step.obs, step.final_obs, step.reward, *step.info.values())} == {torch.float32}
    assert env.obs_passthrough_mask.shape == (env.obs_dim,)
    assert env.action_low.shape == env.action_high.shape == (env.act_dim,)
    assert env.act_dim == env.character.num_actuated
    assert set(step.info) == {"pose", "velocity", "end_effector", "root", "com"}


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_simulation_is_the_reference_at_the_drawn_time_after_a_reset(name):
    env = make(gentle_motion(name, turn=1.0), 64)
    env.reset()
    assert_states_close(env.engine.read(), env.tracker.sample().state, atol=5e-6)
    expected = counter_uniform(0, torch.arange(64), torch.zeros(64, dtype=torch.int64)) * env.motion.duration
    assert torch.equal(env.tracker.current.clip_time, expected)
    times = torch.linspace(0, 0.9, 64).double()
    env.reset(times)
    assert torch.equal(env.tracker.current.clip_time, times)
    assert_states_close(env.engine.read(), env.tracker.sample().state, atol=5e-6)


def test_the_simulation_of_a_real_clip_is_the_reference_after_a_reset():
    for clip in ("cartwheel", "canter"):
        env = clip_env(clip, 32)
        env.reset()
        assert_states_close(env.engine.read(), env.tracker.sample().state, atol=5e-6)
        assert float(env.kinematics.lowest_points(env.kinematics.forward(env.engine.read())).min()) > -1e-3, "lifted"


def test_an_environment_knows_nothing_of_how_many_others_there_are():
    few, many = (make(gentle_motion("humanoid"), n, training=True, seed=4) for n in (8, 64))
    obs = [env.reset()[:8] for env in (few, many)]
    torch.testing.assert_close(obs[0], obs[1], atol=1e-6, rtol=0)
    episodes = 0
    for k in range(45):
        a, b = few.step(noise(few, k, 0.6)), many.step(noise(many, k, 0.6))
        assert torch.equal(a.end, b.end[:8])
        # matrix products of another size may round otherwise; starts are the same to the bit
        started = a.end != Termination.NONE
        assert torch.equal(few.tracker.current.clip_time[started], many.tracker.current.clip_time[:8][started])
        torch.testing.assert_close(a.reward, b.reward[:8], atol=1e-3, rtol=0)
        episodes += int(started.sum())
    assert episodes >= 8


def test_seeds_give_other_starts_and_reseeding_the_same_again():
    a, b = (make(gentle_motion("dog"), 16, seed=seed) for seed in (0, 1))
    first, other = a.reset(), b.reset()
    assert not bool((a.tracker.current.clip_time == b.tracker.current.clip_time).any())
    again = a.reset()
    assert not torch.equal(again, first), "the second episode starts elsewhere"
    a.reseed(1)
    assert torch.equal(a.reset(), other)


def test_threads_and_twins_give_the_same_bits():
    def walk(threads):
        env = TrackingEnv(
            gentle_motion("humanoid"), make_engine(load_character("humanoid"), 16, threads), config(), seed=3
        )
        env.reset()
        return [env.step(noise(env, k, 0.5)) for k in range(30)]

    one, two, again = walk(1), walk(2), walk(1)
    for a, b, c in zip(one, two, again, strict=True):
        assert identical(a, b, slice(None)) and identical(a, c, slice(None))


def test_a_saved_state_continues_to_the_bit():
    env = make(gentle_motion("dog", turn=0.5), 8, training=True)
    env.reset()
    for k in range(20):
        env.step(noise(env, k, 0.4))
    saved = env.state_dict()
    expected = [env.step(noise(env, k, 0.4)) for k in range(20, 45)]
    assert any(bool((step.end != Termination.NONE).any()) for step in expected), "resets are continued too"
    other = make(gentle_motion("dog", turn=0.5), 8, training=True)
    other.reset()
    other.load_state_dict(saved)
    for k, step in zip(range(20, 45), expected, strict=True):
        assert identical(other.step(noise(other, k, 0.4)), step, slice(None))


def test_a_state_dict_holds_copies():
    env = make(gentle_motion("humanoid"), 4)
    env.reset()
    saved = env.state_dict()
    kept = {name: value.clone() for name, value in saved.items()}
    env.step(noise(env, 0))
    env.reset()
    assert all(torch.equal(saved[name], kept[name]) for name in kept)


def test_final_obs_equals_obs_exactly_in_environments_whose_episode_goes_on():
    env = make(gentle_motion("humanoid"), 4, kinematic=True, training=True)
    env.reset()
    fall = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -0.6], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    step = follow_reference(env, lambda state: shifted(state, root_pos_w=fall))
    assert step.end.tolist() == [Termination.NONE, Termination.FAIL, Termination.NONE, Termination.NONE]
    same = (step.obs == step.final_obs).all(1)
    assert same.tolist() == [True, False, True, True]
    now = env._observe(slice(None), env.engine.read())
    assert torch.allclose(step.obs, now, atol=1e-5), "obs is that of the episode now under way"
    height = env.observation.layout["root_height"]
    assert float(step.final_obs[1, height]) == pytest.approx(float(env.sim.root_pos_w[1, 2]))
    assert env.episodes.steps.tolist() == [1, 0, 1, 1]
    assert step.reward.tolist()[1] == 0.0 and float(step.reward[[0, 2, 3]].min()) > 0.999


TILT = quat_from_rotvec(torch.tensor([0.0, 1.0, 0.0]))


def sunk(state):
    return shifted(state, root_pos_w=torch.tensor([0.0, 0.0, -0.7]))


def tilted(state):
    high = shifted(state, root_pos_w=torch.tensor([0.0, 0.0, 0.3]))
    high.root_quat_w = quat_mul(TILT.expand_as(state.root_quat_w), high.root_quat_w)
    return high


def strayed(state):
    return shifted(state, root_pos_w=torch.tensor([0.9, 0.0, 0.0]))


def broken(state):
    return shifted(state, joint_vel=torch.tensor(NAN))


@pytest.mark.parametrize(
    ("change", "training", "end"),
    [
        (sunk, True, Termination.FAIL),
        (sunk, False, Termination.FAIL),
        (tilted, True, Termination.FAIL),
        (tilted, False, Termination.NONE),
        (strayed, True, Termination.FAIL),
        (strayed, False, Termination.NONE),
        (broken, True, Termination.DIVERGED),
        (broken, False, Termination.DIVERGED),
    ],
)
@pytest.mark.parametrize("name", CHARACTERS)
def test_every_way_to_fail_is_reachable(name, change, training, end):
    env = make(gentle_motion(name), 3, kinematic=True, training=training)
    env.reset()
    step = follow_reference(env, change)
    assert step.end.tolist() == [end] * 3
    assert bool((step.reward == 0).all()) == (end != Termination.NONE)


def test_time_runs_out():
    env = make(gentle_motion("humanoid"), 3, config("evaluation_s=0.5"), kinematic=True)
    env.reset()
    ends = torch.stack([follow_reference(env).end for _ in range(31)])
    assert (ends != Termination.NONE).nonzero()[:, 0].unique().tolist() == [14, 29]
    assert set(ends[14].tolist()) == {Termination.TIMEOUT}


def test_the_rules_of_a_clip_may_shorten_episodes():
    env = make(gentle_motion("humanoid"), 2, rules=ClipRules(episode_s=0.2), kinematic=True)
    env.reset()
    assert [int(follow_reference(env).end[0]) for _ in range(6)] == [0, 0, 0, 0, 0, Termination.TIMEOUT]


def test_a_clip_that_does_not_loop_is_over_with_its_last_frame_and_that_outranks_the_time():
    env = make(gentle_motion("humanoid", loop=False), 2, config("evaluation_s=1.0"), kinematic=True)
    env.reset(torch.tensor([0.0, 0.5]).double())
    ends = torch.stack([follow_reference(env).end for _ in range(30)])
    assert int(ends[29, 0]) == Termination.CLIP_END and int((ends[:29, 0] != 0).sum()) == 0
    assert int(ends[14, 1]) == Termination.CLIP_END


def test_a_fall_outranks_the_end_of_time_and_clip():
    env = make(gentle_motion("humanoid", loop=False), 1, config("evaluation_s=0.0333333"), kinematic=True)
    env.reset(torch.tensor([0.99]).double())
    assert follow_reference(env, sunk).end.tolist() == [Termination.FAIL]


def test_the_time_limit_grows_as_deepmimics():
    env = make(gentle_motion("humanoid"), 1, config(name="paper"), kinematic=True, training=True)
    for samples in (0, 1_000_000, 16_000_000, 32_000_000, 10**9):
        env.set_progress(samples)
        env.reset()
        seconds = 0.5 + 19.5 * min(1.0, samples / 32e6) ** 4
        assert int(env.state_dict()["step_limit"]) == round(seconds * 30)
    judged = make(gentle_motion("humanoid"), 1, config(name="paper"), kinematic=True)
    judged.set_progress(0)
    judged.reset()
    assert int(judged.state_dict()["step_limit"]) == 600


def test_the_moment_just_judged_stays_readable_after_a_reset():
    env = make(gentle_motion("humanoid"), 2, kinematic=True)
    env.reset()
    told = sunk(ahead(env))
    follow_reference(env, lambda _: told)
    assert_states_close(env.sim, told, atol=5e-6)
    kept = [getattr(env.sim, f.name).clone() for f in fields(CharacterState)]
    judged = env.sim
    follow_reference(env)
    assert all(torch.equal(getattr(judged, f.name), k) for f, k in zip(fields(CharacterState), kept, strict=True))


PLACES = ("qpos", "qvel", "action", "clip_time", "origin", "yaw")


def spoil(env, where, value, action):
    """Put one bad number into environment 41."""
    match where:
        case "qpos":
            env.engine.batch.qpos[41, 9] = value
        case "qvel":
            env.engine.batch.qvel[41, 9] = value
        case "action":
            action[41, 3] = value
        case "clip_time":
            env.tracker.current.clip_time[41] = value
        case "origin":
            env.tracker.current.origin_w[41, 1] = value
        case "yaw":
            env.tracker.current.yaw[41] = value


@pytest.fixture(scope="module")
def calm():
    """For each preset: an environment's saved state, and three clean steps from there."""
    result = {}
    for preset in PRESETS:
        env = make(gentle_motion("humanoid"), 64, config(name=preset), training=preset == "fast")
        env.reset()
        env.step(noise(env, 0))
        saved = env.state_dict()
        result[preset] = env, saved, [env.step(noise(env, k)) for k in (1, 2, 3)]
    return result


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e30])
@pytest.mark.parametrize("where", PLACES)
def test_one_broken_environment_of_64_ends_and_the_others_do_not_notice(calm, where, value, preset):
    env, saved, clean = calm[preset]
    env.load_state_dict(saved)
    rest = torch.arange(64) != 41
    action = noise(env, 1)
    spoil(env, where, value, action)
    step = env.step(action)
    assert int(step.end[41]) == Termination.DIVERGED and float(step.reward[41]) == 0.0
    assert int((step.end == Termination.DIVERGED).sum()) == 1
    assert finite(step) and identical(step, clean[0], rest)
    for k, undisturbed in zip((2, 3), clean[1:], strict=True):
        step = env.step(noise(env, k))
        assert finite(step) and identical(step, undisturbed, rest)
        assert int((step.end == Termination.DIVERGED).sum()) == 0, "it was mended by its reset"


def test_the_training_reward_may_differ_from_the_evaluation_reward():
    judged = config()
    terms = {**judged.reward.terms, "end_effector": replace(judged.reward.terms["end_effector"], scale=200.0)}
    sharper = replace(judged, training_reward=RewardConfig(terms))
    rewards = {}
    for name, env_config, training in (
        ("judged", judged, True),
        ("trained for", sharper, True),
        ("judged after all", sharper, False),
    ):
        env = make(gentle_motion("dog"), 8, env_config, training=training)
        env.reset()
        rewards[name] = follow_reference(
            env, lambda state: shifted(state, root_pos_w=torch.tensor([0.0, 0.0, 0.02]))
        ).reward
    assert torch.equal(rewards["judged"], rewards["judged after all"])
    assert bool((rewards["trained for"] < rewards["judged"] - 0.002).all())
