"""The follower, led by a puppet that does exactly what the chosen clips say."""

import math

import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.play.path_following import PATHS, PathFollower, steer
from mimic.runs.controller import load_controller
from mimic.tracking import TrackingEnv
from mocap.catalogue import load_clips
from tests.kinematic_engine import KinematicEngine, config, follow_reference

CLIPS = "trot-slow-authored+trot-left-authored+trot-right-authored"


@pytest.mark.parametrize("name", PATHS)
def test_paths_begin_ahead_and_close(name):
    points = PATHS[name](2.0)
    step = (points[1:] - points[:-1]).norm(dim=1)
    assert points[0].tolist() == [0.0, 0.0] and float(points[1, 0]) > 10 * abs(float(points[1, 1]))
    assert float(step.max()) < 0.05 and float((points[-1] - points[0]).norm()) < 0.05
    assert float(step.sum()) == pytest.approx((2 if name == "eight" else 1) * 4 * math.pi, rel=0.01)


@pytest.mark.parametrize("name", PATHS)
def test_a_character_that_follows_its_clips_exactly_keeps_to_the_path(name):
    env = TrackingEnv(load_clips(CLIPS), KinematicEngine(load_character("dog"), 1, threads=1), config(), training=False)
    points = PATHS[name](3.0)
    follower, progress_probe = PathFollower(env, points), PathFollower(env, points)
    env.tracker.clip_selector, env.clips.first_clip = follower.choose, 0
    env.reset(torch.zeros(1, dtype=torch.float64))
    distance, used = [], set()
    for _ in range(600):
        assert not bool(follow_reference(env).end.any()) or env.state_dict()["steps"][0] == 0
        distance.append(progress_probe.place(env.sim.root_pos_w[0, :2].double()))
        used.add(int(env.tracker.current.clip[0]))
    assert max(distance) < 0.5, "the root swings beside the path that the middle of the legs follows"
    assert progress_probe.travelled * 0.02 == pytest.approx(20 * 1.8, rel=0.1)
    assert used >= ({0, 1, 2} if name == "eight" else {1} if name == "left" else {2})


def test_a_controller_of_one_clip_cannot_be_steered():
    with pytest.raises(InputError, match="steering needs several"):
        steer(load_controller("trot-authored"), "eight", 3.0, 1.0)
