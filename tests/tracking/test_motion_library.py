"""A library of clips: each has its own length, its own rules, and is what it is alone."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.rl.vec_env import Termination
from mimic.sim import make_engine
from mimic.tracking import TrackingEnv, rules_of
from mimic.tracking.observation import Observation
from mocap.catalogue import load_clips
from tests.kinematic_engine import config

TURNS, WALKS = 1, 0
# Some processors round a sum of N environments differently than one of M; a step's difference of 1e-12 grows to 2e-7 in 40.
ROUNDING = 1e-4


def motions():
    """A cycle that goes straight, one that turns on, and one that ends; none as long as another."""
    straight, turn, once = load_clips("trot-authored+turn-authored+walk-authored")
    return straight, turn, replace(once, loop=False)


def settings(**changes):
    task = config()
    seen = replace(task.observation, frame="reference_heading", target_steps=(1, 2, 4, 8, 16), clip_id=False)
    return replace(task, change_clips=False, observation=seen, **changes)


def library(clips, n, task=None, training=False):
    engine = make_engine(load_character("dog"), n, 1, "mujoco", "cpu")
    return TrackingEnv(clips, engine, task or settings(), training=training)


def test_every_environment_of_a_library_does_what_its_clip_does_alone():
    clips = motions()
    env = library(clips, 6)
    env.clips.first_clip = torch.arange(6) % 3
    starts = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.35, 0.05], dtype=torch.float64)
    alone = [library([clip], 6) for clip in clips]
    obs, each = env.reset(starts), [one.reset(starts) for one in alone]
    random = torch.Generator().manual_seed(3)
    for _ in range(40):
        for k in range(3):
            torch.testing.assert_close(obs[k::3], each[k][k::3], atol=ROUNDING, rtol=0)
        action = 0.1 * torch.randn(6, env.act_dim, generator=random)
        step = env.step(action)
        steps = [one.step(action) for one in alone]
        for k in range(3):
            torch.testing.assert_close(step.reward[k::3], steps[k].reward[k::3], atol=ROUNDING, rtol=0)
            assert torch.equal(step.end[k::3], steps[k].end[k::3])
        obs, each = step.obs, [one.obs for one in steps]
    assert bool((alone[TURNS].tracker.current.yaw != 0).any()) and not bool(alone[WALKS].tracker.current.yaw.any())


def test_a_clip_that_does_not_loop_ends_while_the_others_of_its_library_go_on():
    clips = motions()
    env = library(clips, 3)
    env.clips.first_clip = torch.arange(3)
    env.reset(torch.zeros(3, dtype=torch.float64))
    ends = torch.stack([env.step(torch.zeros(3, env.act_dim)).end for _ in range(60)])
    expected = round(clips[2].duration / env.control_dt + 0.4999)
    assert ends[expected - 1, 2] == Termination.CLIP_END and not bool((ends[:, :2] == Termination.CLIP_END).any())


def test_the_observation_of_a_library_has_as_many_numbers_as_that_of_one_clip_unless_it_names_the_clip():
    task = settings()
    assert library(motions(), 3, task).obs_dim == library(motions()[:1], 1, task).obs_dim
    named = replace(task, observation=replace(task.observation, clip_id=True))
    assert library(motions(), 3, named).obs_dim == library(motions(), 3, task).obs_dim + 3


def test_a_clip_keeps_its_time_limit_and_its_forbidden_contacts_in_a_library(monkeypatch):
    dog = load_character("dog")

    def rules(clips, character):
        first = rules_of(clips, character)
        return replace(first, episode_s=0.5, contact_fails=False) if "walk" in clips[0].name else first

    monkeypatch.setattr("mimic.tracking.tracking_env.rules_of", rules)
    env = library(motions(), 3)
    env.clips.first_clip = torch.arange(3)
    env.reset(torch.zeros(3, dtype=torch.float64))
    assert env.episodes.step_limit.tolist() == [600, 600, round(0.5 / dog.simulation.control_dt)]
    sim = env.engine.read()
    fallen = replace(sim, root_pos_w=sim.root_pos_w - torch.tensor([0.0, 0.0, 1.0]))
    failed = env.termination.failed(fallen, env.kinematics.forward(fallen), env.tracker.sample(), torch.arange(3))
    assert failed.tolist() == [True, True, False]


@pytest.mark.parametrize("turned", [0.7, -2.9])
def test_a_recording_that_faces_another_way_looks_the_same_to_the_heading_frame(turned):
    from mimic.core.rotations import quat_from_yaw, quat_mul, quat_rotate

    clip = motions()[0]
    quat = quat_from_yaw(torch.full((clip.num_frames,), turned, dtype=torch.float64))
    other = replace(clip, root_pos_w=quat_rotate(quat, clip.root_pos_w), root_quat_w=quat_mul(quat, clip.root_quat_w))
    times = torch.linspace(0, 0.4, 4, dtype=torch.float64)
    seen = [library([one], 4).reset(times) for one in (clip, other)]
    torch.testing.assert_close(*seen, atol=2e-5, rtol=0)


def test_teachers_see_the_same_moment_with_their_own_observation():
    env = library(motions()[:1], 4)
    own = Observation(config().observation, env.character)
    teacher = library(motions()[:1], 4, replace(config(), change_clips=False))
    for one in (env, teacher):
        one.reset(torch.linspace(0, 0.3, 4, dtype=torch.float64))
    action = torch.zeros(4, env.act_dim)
    env.step(action)
    assert torch.equal(env.observe_as(own), teacher.step(action).obs)
