"""One controller for several clips: which one it is, when another comes, and that one clip alone is as before."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.tracking import TrackingEnv, make_env
from mimic.tracking.reference import Reference
from mocap.catalogue import load_clips
from mocap.formats.clip_npz import write_clip_npz
from tests.kinematic_engine import KinematicEngine, config, follow_reference, gentle_motion, make
from tests.states import assert_states_close

NAMES = ("trot-slow-authored", "trot-left-authored", "trot-right-authored")


def several(n, seed=0, training=False):
    return TrackingEnv(
        load_clips("+".join(NAMES)),
        KinematicEngine(load_character("dog"), n, threads=1),
        config(),
        None,
        training,
        seed,
    )


def test_a_table_of_several_clips_holds_each_clip_as_it_is_alone():
    motions, dog = load_clips("+".join(NAMES)), load_character("dog")
    together, times = Reference(motions, dog), torch.linspace(0, motions[0].duration, 40, dtype=torch.float64)
    origin, yaw = torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), torch.linspace(-2, 2, 40)
    for k, motion in enumerate(motions):
        alone, clip = Reference([motion], dog), torch.full((40,), k)
        found, expected = together.sample(times, origin, yaw, clip), alone.sample(times, origin, yaw)
        assert_states_close(found.state, expected.state, atol=1e-6)
        assert torch.equal(together.pd_target(times, clip), alone.pd_target(times))
        assert torch.equal(together.cycle_displacement[k], alone.cycle_displacement[0])


def test_the_observation_ends_with_which_clip_it_is():
    env = several(64)
    one = make(load_clips(NAMES[0])[0], 4)
    obs = env.reset()
    assert (env.obs_dim, obs.shape[1]) == (one.obs_dim + 3, one.obs_dim + 3)
    assert torch.equal(obs[:, -3:].argmax(1), env.tracker.current.clip) and bool((obs[:, -3:].sum(1) == 1).all())
    assert env.obs_passthrough_mask.shape == (env.obs_dim,) and bool(env.obs_passthrough_mask[-3:].all())
    assert set(env.tracker.current.clip.tolist()) == {0, 1, 2}


def test_clips_change_only_when_a_cycle_is_over_and_each_of_them_comes():
    env = several(32)
    env.reset()
    came, changed = torch.zeros(3, dtype=torch.int64), 0
    for _ in range(120):
        before = env.tracker.current.clone()
        step = follow_reference(env)
        assert not bool(step.end.any()) and float(step.reward.min()) > 0.6
        closed = env.tracker.current.clip_time < before.clip_time
        assert torch.equal(env.tracker.current.clip[~closed], before.clip[~closed])
        changed += int((env.tracker.current.clip != before.clip).sum())
        came += torch.bincount(env.tracker.current.clip[closed], minlength=3)
    assert bool((came > 0.2 * came.sum()).all())
    assert 0.1 < changed / int(came.sum()) < 0.3, "two thirds of three cycles in ten"


def test_an_environment_of_several_clips_continues_from_a_state_dict_and_depends_on_the_seed():
    env, twin, other = several(16), several(16), several(16, seed=1)
    for each in (env, other):
        each.reset()
    for _ in range(10):
        follow_reference(env)
    twin.reset()
    twin.load_state_dict(env.state_dict())
    for _ in range(40):
        assert torch.equal(follow_reference(env).obs, follow_reference(twin).obs)
        follow_reference(other)
    assert torch.equal(env.tracker.current.clip, twin.tracker.current.clip)
    assert not torch.equal(env.tracker.current.clip, other.tracker.current.clip)


def test_the_next_clip_starts_at_the_heading_at_which_a_turn_ends():
    env = several(2)
    env.tracker.clip_selector, env.clips.first_clip = lambda over: torch.full_like(over, 1), 1
    env.reset(torch.zeros(2, dtype=torch.float64))
    cycles = 6
    for _ in range(round(cycles * env.motion.duration / env.control_dt) + 1):
        follow_reference(env)
    # 60 degrees a second to the left
    turned = torch.rad2deg(torch.remainder(env.tracker.current.yaw, 2 * torch.pi))
    a_cycle = 60.0 * env.motion.duration
    assert bool(((turned - cycles * a_cycle).abs() < 0.2 * a_cycle).all()), turned


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ("trot-slow-authored+nothing", "no clip 'nothing'"),
        ("trot-slow-authored+", "no clip ''"),
    ],
)
def test_clips_that_do_not_go_together_are_refused(names, part):
    with pytest.raises(InputError, match=part):
        make_env(load_clips(names), config(), 2)


def test_clips_of_two_characters_are_refused(tmp_path):
    (tmp_path / "sway.npz").write_bytes(write_clip_npz(gentle_motion("humanoid")))
    with pytest.raises(InputError, match="different characters"):
        load_clips(f"{tmp_path / 'sway.npz'}+trot-slow-authored")


def test_clips_that_follow_one_another_may_differ_in_length_but_must_loop():
    short, long = load_clips("trot-authored+walk-authored")
    assert short.duration < long.duration
    env = make_env([short, long], config(), 16)
    obs = env.reset()
    seen = set()
    for _ in range(60):
        step = env.step(torch.zeros(16, env.act_dim))
        assert bool(env.tracker.within(1e6).all()) and bool(step.obs.isfinite().all())
        seen |= set(env.tracker.current.clip.tolist())
    assert seen == {0, 1} and obs.shape == (16, env.obs_dim)
    with pytest.raises(InputError, match="must loop; 'walk-authored' does not"):
        make_env([short, replace(long, loop=False)], config(), 2)
