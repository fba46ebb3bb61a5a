"""Recorded episodes from the command line: collect, and training from them."""

import numpy as np
import pytest
import torch

from mimic.cli.main import main
from mimic.core import checkpoint
from mimic.rl.episode_file import read_episodes
from mimic.rl.metrics_log import read_rows

SMALL = ["--num-envs", "4", "--set", "trainer.tensorboard=false", "--set", "env.evaluation_episodes=2"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with a small run of CartPole and two files of its episodes."""
    folder = tmp_path_factory.mktemp("recorded")
    run = ["train", "--task", "CartPole-v1", "--out", str(folder / "run"), "--samples", "256", *SMALL]
    assert main([*run, "--set", "awr.rollout.steps=32"]) == 0
    for name, std in (("a", "0"), ("b", "0.5")):
        words = ["collect", "--task", "CartPole-v1", "--controller", str(folder / "run"), "--transitions", "300"]
        assert main([*words, "--std", std, "--out", str(folder / f"{name}.npz")]) == 0
    return folder


def _train(algorithm, out, *more):
    return main(["train", "--task", "CartPole-v1", "--algorithm", algorithm, "--out", str(out), *SMALL, *more])


def test_collect_writes_whole_episodes_with_what_they_are_of(recorded):
    found = read_episodes(recorded / "a.npz")
    assert found.reward.numel() >= 300 and found.params.shape[1] == 2 and found.action.shape[1] == 1
    assert found.about["task"] == "CartPole-v1" and found.about["std"] == 0.0


@pytest.mark.parametrize("algorithm", ["bc", "marwil", "rwr", "lawer"])
def test_offline_algorithms_learn_from_the_files_alone_and_resume_to_the_bit(recorded, tmp_path, algorithm):
    files = ["--data", str(recorded / "a.npz"), str(recorded / "b.npz")]
    total = sum(read_episodes(recorded / name).reward.numel() for name in ("a.npz", "b.npz"))
    assert _train(algorithm, tmp_path / "whole", *files, "--samples", str(4 * total)) == 0
    assert _train(algorithm, tmp_path / "parts", *files, "--samples", str(2 * total)) == 0
    again = ["train", "--task", "CartPole-v1", "--resume", "--out", str(tmp_path / "parts")]
    assert main([*again, "--samples", str(4 * total)]) == 0
    whole, parts = (checkpoint.latest(tmp_path / name / "ckpt").tensors for name in ("whole", "parts"))
    assert "replay" not in whole and float(whole["policy"]["normalizer.count"]) == total
    for group in ("policy", "critic", "actor_optimizer", "learner"):
        for name, tensor in whole[group].items():
            assert torch.equal(tensor, parts[group][name]), (group, name)
    assert "reward" not in read_rows(tmp_path / "whole" / "metrics.jsonl")[-1]


def test_awr_begins_with_demonstrations_which_stay_until_they_are_pushed_out(recorded, tmp_path):
    settings = ["--set", "awr.rollout.steps=16", "--set", "awr.rollout.replay_iterations=2"]
    assert _train("awr", tmp_path / "run", "--data", str(recorded / "a.npz"), "--samples", "64", *settings) == 0
    replay = checkpoint.latest(tmp_path / "run" / "ckpt").tensors["replay"]
    expert = read_episodes(recorded / "a.npz").obs
    kept = (replay["obs"].unsqueeze(2) == expert).all(-1).any(-1)
    assert 0.3 < float(kept.float().mean()) < 1.0 and replay["obs"].shape[0] > 32


@pytest.mark.parametrize(
    ("algorithm", "file", "message"),
    [
        ("bc", None, "bc: learns from recorded episodes alone; add --data FILE, which `collect` writes"),
        ("marwil", None, "marwil: learns from recorded episodes alone"),
        ("ppo", "a.npz", "--data: ppo learns from its newest experience alone"),
        ("bc", "nowhere.npz", "nowhere.npz: no such file"),
        ("bc", "nan.npz", "nan.npz: obs"),
        ("bc", "wide.npz", "wide.npz: observations of 5 numbers and actions of 1; 'CartPole-v1' has 4 and 1"),
    ],
)
def test_data_that_is_missing_broken_or_of_no_use_is_one_line(recorded, tmp_path, capsys, algorithm, file, message):
    arrays = dict(np.load(recorded / "a.npz"))
    np.savez(recorded / "nan.npz", **arrays | {"obs": arrays["obs"] * np.nan})
    wide = {name: np.pad(arrays[name], ((0, 0), (0, 1))) for name in ("obs", "final_obs")}
    np.savez(recorded / "wide.npz", **arrays | wide)
    data = ["--data", str(recorded / file)] if file else []
    assert _train(algorithm, tmp_path / "run", "--samples", "100", *data) == 2
    said = capsys.readouterr().err.strip()
    assert message in said and "\n" not in said
    assert not (tmp_path / "run").exists()
