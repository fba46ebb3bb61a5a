"""Runs of Gymnasium's tasks from the command line: training, resuming, evaluating, and what is refused."""

import json

import pytest
import torch

from mimic.cli.main import main
from mimic.core import checkpoint
from mimic.rl.metrics_log import read_rows

SMALL = ["--set", "trainer.tensorboard=false", "--set", "env.evaluation_episodes=2", "--num-envs", "4"]
QUICK = [*SMALL, "--set", "awr.rollout.steps=16", "--set", "awr.update.actor_batch=64"]


def _train(out, task, samples, *more):
    return main(["train", "--task", task, "--out", str(out), "--samples", str(samples), *more])


def _tensors(out):
    return checkpoint.latest(out / "ckpt").tensors


def test_a_discrete_task_is_trained_and_evaluated(tmp_path, capsys):
    assert _train(tmp_path / "run", "CartPole-v1", 256, *QUICK) == 0
    assert (tmp_path / "run" / "learning_curve.png").stat().st_size > 0
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert rows[0]["eval/return"] > 5.0 and rows[-1]["samples"] == 256
    report = tmp_path / "report.json"
    words = ["evaluate", "--task", "CartPole-v1", "--controller", str(tmp_path / "run"), "--json", str(report)]
    assert main([*words, "--episodes", "3"]) == 0
    found = json.loads(report.read_text())
    assert (found["task"], found["episodes"]) == ("CartPole-v1", 3) and set(found["return"]) == {"mean", "std"}
    assert 5.0 < found["return"]["mean"] <= 500.0
    assert "over 3 episodes of 'CartPole-v1'" in capsys.readouterr().out


def test_a_run_of_a_mujoco_task_is_resumed_to_the_bit(tmp_path):
    assert _train(tmp_path / "whole", "Hopper-v5", 256, *QUICK) == 0
    assert _train(tmp_path / "parts", "Hopper-v5", 128, *QUICK) == 0
    assert _train(tmp_path / "parts", "Hopper-v5", 256, "--resume") == 0
    whole, parts = _tensors(tmp_path / "whole"), _tensors(tmp_path / "parts")
    for group, tensors in whole.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, parts[group][name]), (group, name)


def test_a_run_whose_episodes_cannot_be_resumed_says_that_they_begin_anew(tmp_path, capsys):
    assert _train(tmp_path / "run", "CartPole-v1", 64, *QUICK) == 0
    assert _train(tmp_path / "run", "CartPole-v1", 192, "--resume") == 0
    assert "unfinished episodes begin anew" in capsys.readouterr().out
    ends = _tensors(tmp_path / "run")["replay"]["end"]
    assert bool((ends[15] != 0).all())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --task Hoper-v5", "no task 'Hoper-v5' in Gymnasium; did you mean 'Hopper-v5'"),
        ("train --task Hopper-v5 --clip walk", "not allowed with argument"),
        ("train --samples 5", "one of the arguments --clip --task is required"),
        ("train --task Blackjack-v1", "only a flat Box can be learned from"),
        ("train --task Hopper-v5 --preset fast", "--preset fast: is for clips; --task takes the preset gym"),
        ("train --clip walk-authored --preset gym", "--preset gym: needs --task"),
        ("train --task Hopper-v5 --from cartwheel", "--from starts from the controller of a clip"),
        ("evaluate --task Hopper-v5 --controller nowhere", "no controller 'nowhere'; give a run of `train --task`"),
        ("evaluate --task Hopper-v5 --controller nowhere --push", "--push is for clips"),
        ("train --task Hopper-v5 --set awr.update.clip_values=true", "keep clip_values for rewards in"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert not list(tmp_path.iterdir())


def test_a_controller_of_another_task_is_refused_by_its_sizes(tmp_path, capsys):
    assert _train(tmp_path / "run", "CartPole-v1", 64, *QUICK) == 0
    assert main(["evaluate", "--task", "Hopper-v5", "--controller", str(tmp_path / "run")]) == 2
    assert "with 4 observations and 2 choices; 'Hopper-v5' has 11 observations and 3 actions" in capsys.readouterr().err


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """A run of CartPole with a few evaluations."""
    out = tmp_path_factory.mktemp("task") / "run"
    assert _train(out, "CartPole-v1", 192, *QUICK, "--set", "trainer.evaluate_every=64") == 0
    return out


def test_diagnose_speaks_of_the_task_and_of_its_return(short_run, tmp_path, capsys):
    words = ["diagnose", str(short_run), "--episodes", "3", "--json", str(tmp_path / "found.json")]
    assert main(words) == 0
    text, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    assert "'CartPole-v1' by AWR" in text and "over 3 episodes" in text and "The run is short: 192 samples" in text
    assert found["task"] == "CartPole-v1" and found["trial"]["episodes"] == 3
    assert found["changed_settings"]["num_envs"] == [4, 16]


def test_curves_of_a_task_show_its_return_and_the_steps_of_its_episodes(short_run, tmp_path, capsys):
    picture = tmp_path / "curves.png"
    assert main(["curves", str(short_run), "--out", str(picture), "--reach", "5"]) == 0
    assert " steps)" in (text := capsys.readouterr().out) and "return of 5 reached" in text
    assert picture.stat().st_size > 0


def test_a_packed_run_of_a_task_is_a_controller_with_its_history(short_run, tmp_path, capsys):
    packed = tmp_path / "packed"
    assert main(["pack", str(short_run), "--out", str(packed), "--episodes", "3"]) == 0
    spec = json.loads((packed / "controller.json").read_text())
    assert spec["training"]["samples"] <= 192 and spec["training"]["num_envs"] == 4
    assert spec["evaluation"]["task"] == "CartPole-v1"
    assert main(["evaluate", "--task", "CartPole-v1", "--controller", str(packed), "--episodes", "3"]) == 0
    again = main(["pack", str(short_run), "--out", str(packed)])
    assert again == 2 and "exists already" in capsys.readouterr().err
