"""Paths are followed by puppets that do exactly what the reference says: by the choice of strides, and by pure pursuit."""

import json
import math

import pytest
import torch

import run_mimic
from characters import load_character
from mimic.core.errors import InputError
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.entries import STEP_S
from mimic.motion_graph.library import state_between
from mimic.play.helping_hand import HandEngine
from mimic.play.path_following import steer
from mimic.play.paths import PATHS, PathProgress
from mimic.play.performer import Performer
from mimic.play.pure_pursuit import lead_along, turn_towards
from mimic.play.stride_choice import StrideChooser
from mimic.runs.controller import load_controller
from mimic.tracking import TrackingEnv
from mocap.catalogue import load_clips
from tests.kinematic_engine import KinematicEngine, config, follow_reference

CLIPS = "trot-slow-authored+trot-left-authored+trot-right-authored"
DOG = "dog-authored"


class PuppetEngine(HandEngine):
    """An engine without physics: a step takes on the reference of ``env``."""

    env: ConductedEnv

    def step(self) -> None:
        row = self.env.conductor.poses(torch.tensor([[STEP_S, 2 * STEP_S]])).row
        self.reset(torch.tensor([0]), state_between(row[:, 0], row[:, 1], STEP_S, self.character))


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
    chooser, progress_probe = StrideChooser(env, points), PathProgress(points)
    env.tracker.clip_selector, env.clips.first_clip = chooser.choose, 0
    env.reset(torch.zeros(1, dtype=torch.float64))
    distance, used = [], set()
    for _ in range(600):
        assert not bool(follow_reference(env).end.any()) or env.state_dict()["steps"][0] == 0
        distance.append(progress_probe.place(env.sim.root_pos_w[0, :2].double()))
        used.add(int(env.tracker.current.clip[0]))
    assert max(distance) < 0.5, "the root swings beside the path that the middle of the legs follows"
    assert progress_probe.travelled * 0.02 == pytest.approx(20 * 1.8, rel=0.1)
    assert used >= ({0, 1, 2} if name == "eight" else {1} if name == "left" else {2})


@pytest.mark.parametrize(("name", "speed"), [("eight", 0.8), ("eight", 1.8), ("right", 1.2)])
def test_a_puppet_that_is_led_by_pure_pursuit_keeps_to_the_path(name, speed):
    controller = load_controller(DOG)
    engine = PuppetEngine(load_character("dog"), 1, threads=1)
    engine.env = ConductedEnv(load_clips(controller.clip), engine, controller.env_config)
    seconds = 20.0
    performer = Performer(engine.env, controller.policy, "walk-authored")
    result = lead_along(performer, PATHS[name](3.0), seconds, speed)
    assert float(result.distance.mean()) < 0.05 and float(result.distance.max()) < 0.15 and result.falls == 0
    assert result.laps * len(result.points) * 0.02 == pytest.approx(seconds * speed, rel=0.15)


@pytest.mark.parametrize(("aside", "turn"), [(0.0, 0.0), (1.0, 1.0), (-1.0, -1.0)])
def test_the_arc_leads_to_the_goal(aside, turn):
    place, heading = torch.tensor([1.0, 5.0]), 0.0
    goal = place + torch.tensor([1.0, aside])
    assert turn_towards(goal, place, heading, 1.0) == pytest.approx(turn)  # a quarter circle of radius 1 m


def test_a_library_is_steered_from_the_command_line(tmp_path, capsys):
    out = tmp_path / "eight.json"
    arguments = [
        "steer",
        "--controller",
        DOG,
        "--seconds",
        "1.5",
        "--json",
        str(out),
        "--picture",
        str(tmp_path / "p.png"),
    ]
    assert run_mimic.main(arguments) == 0
    report = json.loads(out.read_text())
    assert set(report) == {"laps", "falls", "seconds", "from_path_m"} and report["seconds"] == pytest.approx(1.5)
    assert 0.0 < report["from_path_m"]["mean"] <= report["from_path_m"]["max"] < 1.0
    assert 0.0 < report["laps"] < 0.2 and (tmp_path / "p.png").stat().st_size > 1000
    assert "laps in 2 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--controller", "trot-authored", "--json", "a"], "steering needs several"),
        (["--controller", DOG], "needs --out FILM.mp4, --json FILE or --picture FILE.png"),
        (["--controller", DOG, "--speed", "40", "--json", "a"], "the fastest gait of this controller has"),
        (["--controller", "steer", "--speed", "1", "--json", "a"], "leave --speed out"),
        (["--controller", DOG, "--speed", "nan", "--json", "a"], "--speed"),
    ],
)
def test_steering_that_cannot_be_meant_is_refused_in_one_line(options, said, tmp_path, capsys):
    options = [str(tmp_path / "a.json") if option == "a" else option for option in options]
    try:
        code = run_mimic.main(["steer", *options])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2 and said in error and "Traceback" not in error


def test_a_controller_of_one_clip_cannot_be_steered():
    with pytest.raises(InputError, match="steering needs several"):
        steer(load_controller("trot-authored"), "eight", 3.0, 1.0)
