import json
import os

import pytest
import torch

from mimic.core import checkpoint
from mimic.core.errors import CheckpointError, InputError
from mimic.rl.policy import Policy, PolicyConfig
from mimic.runs import controller as controller_module
from mimic.runs.controller import find_controller, latest_run_of_clip, load_controller, shipped_controllers, short_name
from mimic.runs.controller_spec import ControllerSpec
from tests.kinematic_engine import clip_env, config
from tests.motion_samples import clip_or_skip


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path, monkeypatch):
    """An empty working folder, and no controllers but the test's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(controller_module, "SHIPPED_FOLDER", tmp_path / "shipped")


def policy(obs_dim=10, act_dim=4, seed=0):
    return Policy(obs_dim, act_dim, PolicyConfig(actor_sizes=(8,)), torch.Generator().manual_seed(seed))


def controller(folder, clip="walk", character="humanoid", of=None, **spec):
    of = of or policy()
    checkpoint.write_controller(
        folder, of.state_dict(), ControllerSpec(clip, character, config(), of.describe()).to_json() | spec
    )
    return folder


def run(root, name, steps, scores=None, clip="walk"):
    """A run folder with a checkpoint at each of ``steps``."""
    of = policy()
    spec = ControllerSpec(clip, "humanoid", config(), of.describe()).to_json()
    for step, score in zip(steps, scores or [None] * len(steps), strict=True):
        checkpoint.save(root / name / "ckpt", step, {"policy": of.state_dict()}, {}, spec, score)
    (root / name / "config.json").write_text(json.dumps({"clip": clip}))
    return root / name


def test_a_loaded_controller_acts_as_the_saved_one(tmp_path):
    of = policy(seed=3)
    found = load_controller(str(controller(tmp_path / "c", of=of, seed=5)))
    obs = torch.randn(7, 10)
    assert torch.equal(found.policy.mean(obs), of.mean(obs))
    assert (found.clip, found.env_config, found.spec.seed) == ("walk", config(), 5)


def test_a_policy_that_does_not_fit_its_task_is_refused(tmp_path):
    clip_or_skip("walk")
    with pytest.raises(CheckpointError, match="made for 10 observations and 4 actions, clip 'walk' has"):
        load_controller(str(controller(tmp_path / "c"))).make_env(2)


def test_a_controller_makes_the_task_of_evaluation(tmp_path):
    clip_or_skip("walk")
    sizes = clip_env("walk", 1)
    env = load_controller(str(controller(tmp_path / "c", of=policy(sizes.obs_dim, sizes.act_dim)))).make_env(3, seed=9)
    assert (env.num_envs, env.seed, env.training, env.motion.name) == (3, 9, False, "walk")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"format": 99}, "format 99, this program reads 1"),
        ({"env": {"observation": 3}}, "env"),
        ({"env": {"observatoin": 3}}, "did you mean 'observation'"),
    ],
)
def test_a_spec_of_another_format_or_with_unknown_settings_is_refused(tmp_path, spec, message):
    with pytest.raises(InputError, match=message):
        load_controller(str(controller(tmp_path / "c", **spec)))


def test_missing_keys_of_a_spec_are_named(tmp_path):
    of = policy()
    checkpoint.write_controller(tmp_path / "c", of.state_dict(), {"format": 1, "policy": of.describe(), "env": {}})
    with pytest.raises(CheckpointError, match="the keys character, clip"):
        load_controller(str(tmp_path / "c"))


def test_a_damaged_controller_is_a_checkpoint_error(tmp_path):
    folder = controller(tmp_path / "c")
    spec = json.loads((folder / "controller.json").read_text())
    (folder / "controller.json").write_text(json.dumps({**spec, "clip": "run"}))
    with pytest.raises(CheckpointError, match=str(folder)):
        load_controller(str(folder))


def test_a_run_means_its_best_checkpoint_else_its_newest(tmp_path):
    best = run(tmp_path, "scored", [1, 2, 3], [0.1, 0.9, 0.2])
    assert find_controller(str(best)) == best / "ckpt" / "000000002"
    newest = run(tmp_path, "unscored", [1, 2])
    assert find_controller(str(newest)) == newest / "ckpt" / "000000002"
    one = best / "ckpt" / "000000001"
    assert find_controller(str(one)) == one


def test_a_name_means_the_shipped_controller_then_the_latest_run_of_the_clip(tmp_path):
    runs = tmp_path / "runs"
    old, new = run(runs, "walk-awr", [1]), run(runs, "walk-ppo", [1])
    run(runs, "run-awr", [1], clip="run")
    os.utime(old, (1, 1))
    os.utime(new, (2, 2))
    (runs / "walk-empty").mkdir()
    broken = run(runs, "walk-broken", [1])
    (broken / "config.json").write_text("{")
    assert latest_run_of_clip("walk") == new.relative_to(tmp_path)
    assert find_controller("walk") == new.relative_to(tmp_path) / "ckpt" / "000000001"
    assert find_controller("walk-awr") == old.relative_to(tmp_path) / "ckpt" / "000000001", "a run may be named as well"
    assert latest_run_of_clip("wal") is None and latest_run_of_clip("jump") is None
    controller(tmp_path / "shipped" / "walk")
    assert shipped_controllers() == ["walk"]
    assert find_controller("walk") == tmp_path / "shipped" / "walk"


def test_runs_whose_names_begin_alike_are_told_apart_by_their_clips(tmp_path):
    runs = tmp_path / "runs"
    mine, fast = run(runs, "mine-awr", [1], clip="mine.txt"), run(runs, "mine-fast-awr", [1], clip="mine-fast.txt")
    called = run(runs, "called-otherwise", [1], clip="clips/other.txt")
    os.utime(mine, (1, 1))
    assert latest_run_of_clip("mine") == latest_run_of_clip("mine.txt") == mine.relative_to(tmp_path)
    assert latest_run_of_clip("mine-fast") == fast.relative_to(tmp_path)
    assert latest_run_of_clip("other") == latest_run_of_clip("clips/other.txt") == called.relative_to(tmp_path)
    assert latest_run_of_clip("elsewhere/mine.txt") is None
    other = run(runs, "other", [1], clip="elsewhere/mine.txt")
    os.utime(other, (9e9, 9e9))
    assert latest_run_of_clip("mine.txt") == mine.relative_to(tmp_path), (
        "the very clip before one of the same short name"
    )


@pytest.mark.parametrize("name", ["wlk", "/no/such/folder", "no/such", "[", "**", "", "x" * 300, "a\nb"])
def test_a_controller_that_does_not_exist_is_one_clear_line(tmp_path, name):
    run(tmp_path / "runs", "walk-awr", [1])
    with pytest.raises(InputError) as caught:
        load_controller(name)
    assert "Traceback" not in str(caught.value)
    if name == "wlk":
        message = str(caught.value)
        assert "no controller 'wlk'" in message and "walk-awr" in message
        assert "train" not in message, "there is no such clip"


def test_a_clip_without_a_controller_says_how_to_train_one(tmp_path):
    with pytest.raises(InputError, match=r"run_mimic\.py train --clip dog_spin"):
        load_controller("dog_spin")


def test_a_clip_file_gives_its_name_without_the_folder():
    assert (short_name("walk"), short_name("/data/my walk.txt")) == ("walk", "my walk")


def test_a_controller_of_a_recording_does_not_run_on_the_fallback_clip(tmp_path, monkeypatch):
    monkeypatch.delenv("MIMIC_MOCAP", raising=False)
    monkeypatch.setenv("MIMIC_CACHE", str(tmp_path / "cache"))
    found = load_controller(str(controller(tmp_path / "c", clip="trot", character="dog")))
    with pytest.raises(InputError, match=r"'trot', which is not installed; run_mimic\.py fetch trot downloads it"):
        found.make_env(2)


def test_the_clips_of_a_run_are_found_in_the_configuration_of_today_and_of_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in (("new", {"task": {"type": "tracking", "clips": ["walk", "jog"]}}), ("old", {"clip": "kick"})):
        (tmp_path / "runs" / name / "ckpt" / "000000001").mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text(json.dumps(content))
    assert (latest_run_of_clip("walk+jog"), latest_run_of_clip("kick")) == (
        tmp_path.joinpath("runs/new").relative_to(tmp_path),
        tmp_path.joinpath("runs/old").relative_to(tmp_path),
    )


def test_a_folder_named_like_a_controller_that_ships_does_not_hide_it(tmp_path, capsys):
    shipped = controller(tmp_path / "shipped" / "walk")
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "manifest.json").write_text("{}")  # a bundle, from `export --out walk`
    assert find_controller("walk") == shipped
    assert capsys.readouterr().err == ""
    mine = run(tmp_path / "runs", "walk", [1])
    assert find_controller("walk") == shipped
    assert "'walk' is the controller that ships; for the one in runs/walk, write ./runs/walk" in capsys.readouterr().err
    assert find_controller("./runs/walk").samefile(mine / "ckpt" / "000000001"), "chosen when named as a path"


def test_a_folder_that_is_no_controller_is_passed_over_for_a_run(tmp_path):
    (tmp_path / "mine").mkdir()
    found = run(tmp_path / "runs", "mine", [1])
    assert find_controller("mine").samefile(found / "ckpt" / "000000001")
    (tmp_path / "other").mkdir()
    called = run(tmp_path / "runs", "called", [1], clip="other")
    assert find_controller("other").samefile(called / "ckpt" / "000000001")


def test_a_path_object_is_never_a_name(tmp_path):
    controller(tmp_path / "shipped" / "walk")
    mine = run(tmp_path, "walk", [1])
    assert find_controller(mine.relative_to(tmp_path)).samefile(mine / "ckpt" / "000000001")
