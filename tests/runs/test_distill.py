"""Distillation of three dogs into one: a run of seconds that loads, evaluates by clip, and repeats itself."""

import json
from dataclasses import replace

import pytest
import torch

from mimic.core.errors import InputError
from mimic.rl.cloning import CloningConfig
from mimic.rl.policy import PolicyConfig
from mimic.runs.controller import load_controller
from mimic.runs.distill import DistillConfig, distill
from mimic.runs.evaluate_controller import EvaluationSetup
from mimic.runs.evaluate_library import evaluate_library
from mimic.runs.teachers import load_teachers

NAMES = "walk-authored,trot-authored,turn-authored"
TINY = DistillConfig(
    num_envs=24,
    warm_steps=20,
    warm_updates=60,
    rounds=2,
    steps=4,
    updates=10,
    capacity=600,
    cloning=CloningConfig(batch=128, ema=0.9),
    policy=PolicyConfig(actor_sizes=(64, 64)),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("distill") / "dogs"
    return out, distill(load_teachers(NAMES), out, config=TINY, threads=1, say=lambda line: None)


def test_a_distilled_controller_knows_its_clips_and_can_be_taken_for_one_of_them(run):
    out, result = run
    controller = load_controller(str(out))
    assert (
        controller.path == result.controller and controller.clips == tuple(NAMES.split(",")) and controller.has_library
    )
    assert result.samples == 24 * (20 + 2 * 4)
    one = controller.of_clip("trot-authored").make_env(2)
    assert one.num_clips == 1 and one.obs_dim == controller.make_env(3).obs_dim
    assert controller.spec.extra["teachers"] == NAMES.split(",")
    assert json.loads((out / "config.json").read_text())["distill"]["rounds"] == 2
    with pytest.raises(InputError, match="does not have the clip 'canter-authored'"):
        controller.of_clip("canter-authored")


def test_an_evaluation_has_a_row_for_each_clip_beside_its_own_controller(run):
    evaluation = evaluate_library(load_controller(str(run[0])), EvaluationSetup(episodes=2, seconds=1.0, threads=1))
    found = evaluation.to_json()
    assert list(found["clips"]) == NAMES.split(",")
    for row in found["clips"].values():
        assert set(row) == {"normalized_return", "expert_return", "survival", "mpjpe_m"}
        assert 0.0 < row["normalized_return"] < 1.0 and row["expert_return"] > 0.8
    returns = [row["normalized_return"] for row in found["clips"].values()]
    assert found["mean_return"] == pytest.approx(sum(returns) / 3)


def test_the_same_seed_gives_the_same_student_and_another_seed_another(run, tmp_path):
    policies = [load_controller(run[1].controller).policy]
    for seed in (0, 1):
        made = distill(load_teachers(NAMES), tmp_path / f"{seed}", config=replace(TINY, seed=seed), threads=1, say=len)
        policies.append(load_controller(made.controller).policy)
    first, same, other = (policy.net[0].weight for policy in policies)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_minutes_become_rounds_that_the_configuration_states(tmp_path, monkeypatch):
    monkeypatch.setattr("mimic.runs.distill.DistillConfig", lambda seed: replace(TINY, seed=seed, rounds=77))
    distill(load_teachers("walk-authored,trot-authored"), tmp_path / "run", minutes=0.01, threads=1, say=len)
    chosen = json.loads((tmp_path / "run/config.json").read_text())["distill"]
    assert 1 <= chosen["rounds"] < 77 and 1 <= chosen["warm_steps"] <= 20


def test_a_folder_that_holds_a_run_is_left_alone(run):
    with pytest.raises(InputError, match="holds a run already"):
        distill(load_teachers(NAMES), run[0], config=TINY, threads=1)


@pytest.mark.parametrize(
    ("names", "character", "part"),
    [
        ("walk-authored,walk-authored", None, "two teachers have the clip 'walk-authored'"),
        ("walk-authored,cartwheel", None, "is for character 'humanoid', not 'dog'"),
        ("walk-authored,steer", None, "was trained on several clips; a teacher has one"),
        ("walk-autored", None, "no controller 'walk-autored'"),
        ("all", "cow", "no controller that ships is for character 'cow'"),
    ],
)
def test_teachers_that_cannot_teach_one_student_are_refused(names, character, part):
    with pytest.raises(InputError, match=part):
        load_teachers(names, character)
