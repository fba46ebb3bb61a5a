"""Distillation of three dogs into one: a run of seconds that loads, evaluates by clip, repeats itself and can be resumed."""

import json
from dataclasses import replace

import pytest
import torch

from mimic.core.errors import InputError
from mimic.rl.cloning import CloningConfig
from mimic.rl.policy import PolicyConfig
from mimic.runs.controller import load_controller, total_training_cost
from mimic.runs.controller_spec import ControllerSpec
from mimic.runs.dagger_rollout import DaggerRollout
from mimic.runs.distill import distill
from mimic.runs.distill_config import DistillConfig, read_distillation
from mimic.runs.evaluate_controller import EvaluationSetup
from mimic.runs.evaluate_library import evaluate_library
from mimic.runs.package_controller import package_controller
from mimic.runs.teachers import load_teachers
from run_mimic import main

NAMES = "walk-authored,trot-authored,turn-authored"
TINY = DistillConfig(
    num_envs=24,
    first_steps=20,
    rounds=5,
    steps=4,
    updates=10,
    capacity=600,
    teacher_rounds=3,
    save_rounds=2,
    cloning=CloningConfig(batch=128, ema=0.9),
    policy=PolicyConfig(actor_sizes=(64, 64)),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("distill") / "dogs"
    return out, distill(load_teachers(NAMES), out, TINY, threads=1, say=len)


def test_a_distilled_controller_knows_its_clips_and_can_be_taken_for_one_of_them(run):
    out, result = run
    controller = load_controller(str(out))
    assert (
        controller.path == result.controller and controller.clips == tuple(NAMES.split(",")) and controller.has_library
    )
    assert result.samples == 24 * (20 + 5 * 4) == TINY.samples
    one = controller.of_clip("trot-authored").make_env(2)
    assert one.num_clips == 1 and one.obs_dim == controller.make_env(3).obs_dim
    assert [one.controller for one in controller.spec.teachers] == NAMES.split(",")
    assert json.loads((out / "config.json").read_text())["distill"]["rounds"] == 5
    new = controller.of_clip("canter-authored").make_env(2)
    assert (new.motion.name, new.obs_dim) == ("canter-authored", one.obs_dim)
    with pytest.raises(InputError, match="is for character 'dog'; clip 'walk' is of 'humanoid'"):
        controller.of_clip("walk")


def test_an_evaluation_has_a_row_for_each_clip_beside_its_own_controller(run):
    evaluation = evaluate_library(load_controller(str(run[0])), EvaluationSetup(episodes=2, seconds=1.0, threads=1))
    found = evaluation.to_json()
    assert list(found["clips"]) == NAMES.split(",")
    for row in found["clips"].values():
        assert set(row) == {"normalized_return", "expert_return", "survival", "mpjpe_m"}
        assert 0.0 < row["normalized_return"] < 1.0 and row["expert_return"] > 0.8
    returns = [row["normalized_return"] for row in found["clips"].values()]
    assert found["mean_return"] == pytest.approx(sum(returns) / 3)


def test_a_packaged_student_states_every_teacher_and_its_return_in_every_clip(run, tmp_path):
    evaluation = package_controller(run[0], tmp_path / "dogs", episodes=1, threads=1)
    spec = load_controller(tmp_path / "dogs").spec
    assert ControllerSpec.from_json(json.loads(json.dumps(spec.to_json())), "dogs") == spec
    assert (
        spec.evaluation["clips"]["trot-authored"]["normalized_return"]
        == evaluation.clips["trot-authored"].normalized_return
    )
    assert spec.training.samples == TINY.samples and spec.training.extra["distill"]["rounds"] == 5
    behind = [load_controller(one.controller).spec.training.samples for one in spec.teachers]
    assert total_training_cost(load_controller(tmp_path / "dogs")).samples == TINY.samples + sum(behind)


def weight_of(run):
    return load_controller(run.controller).policy.net[0].weight


def test_the_same_seed_gives_the_same_student_and_another_seed_another(run, tmp_path):
    same, other = (
        distill(load_teachers(NAMES), tmp_path / f"{seed}", replace(TINY, seed=seed), threads=1, say=len)
        for seed in (0, 1)
    )
    assert torch.equal(weight_of(run[1]), weight_of(same)) and not torch.equal(weight_of(run[1]), weight_of(other))


def test_a_distillation_that_was_stopped_continues_to_the_bit(run, tmp_path, monkeypatch):
    collect, calls = DaggerRollout.collect, []

    def stopping(*args):
        calls.append(args)
        if len(calls) == 5:  # round 4; round 2 has been saved, round 3 has not
            raise KeyboardInterrupt
        return collect(*args)

    out = tmp_path / "run"
    monkeypatch.setattr(DaggerRollout, "collect", stopping)
    with pytest.raises(KeyboardInterrupt):
        distill(load_teachers(NAMES), out, TINY, threads=1, say=len)
    assert main(["distill", "--resume", "--out", str(out), "--threads", "1"]) == 0
    assert len(calls) == 5 + 3
    assert torch.equal(weight_of(run[1]), load_controller(str(out)).policy.net[0].weight)
    # 600 of 960 demonstrations are kept, so the folder of the first rounds is not needed any more
    assert [int(path.name) for path in sorted((out / "demonstrations").iterdir())] == [672, 864, 960]


def test_what_cannot_be_resumed_is_said_in_one_line(run, tmp_path, capsys):
    def said(*options):
        assert main(["distill", *options]) == 2
        return capsys.readouterr().err

    assert "not the folder of a distillation" in said("--resume", "--out", str(tmp_path))
    assert "leave out --from, --seed" in said("--resume", "--out", str(run[0]), "--from", "walk", "--seed", "3")
    assert "name the teachers" in said("--out", str(tmp_path / "new"))
    assert "give one of them" in said(
        "--from", "walk", "--minutes", "2", "--samples", "9", "--out", str(tmp_path / "new")
    )


def test_a_library_grows_by_a_clip_and_begins_as_its_copy(run, tmp_path):
    """Its teacher of the old clips is the library itself, so before the first update it does what the library does."""
    library = load_controller(str(run[0]))
    teachers = load_teachers(f"{run[0]},pace-authored")
    still = replace(TINY, rounds=1, updates=1, cloning=replace(TINY.cloning, lr=1e-12))
    distill(teachers, tmp_path / "grown", still, threads=1, say=len)
    grown = load_controller(str(tmp_path / "grown"))
    assert grown.clips == (*library.clips, "pace-authored") and grown.has_library
    obs = torch.randn(50, library.make_env(3).obs_dim, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(grown.policy.mean(obs), library.policy.mean(obs), atol=1e-4)
    assert torch.equal(grown.policy.normalizer.mean, library.policy.normalizer.mean)
    with pytest.raises(InputError, match="two teachers have the clip 'trot-authored'"):
        load_teachers(f"{run[0]},trot-authored")


def test_minutes_become_rounds_that_the_configuration_states(tmp_path):
    distill(load_teachers("walk-authored,trot-authored"), tmp_path, TINY, minutes=1e-6, threads=1, say=len)
    found = read_distillation(tmp_path)
    assert found.distill.rounds == 7 and found.minutes == 0.0
    assert TINY.with_samples(24 * (20 + 4 * 9) - 1).rounds == 9
    assert (DistillConfig.for_clips(4).num_envs, DistillConfig.for_clips(20, 3).num_envs) == (256, 640)


def test_a_folder_that_holds_a_run_is_left_alone(run):
    with pytest.raises(InputError, match="holds a run already"):
        distill(load_teachers(NAMES), run[0], TINY, threads=1)


@pytest.mark.parametrize(
    ("names", "character", "part"),
    [
        ("walk-authored,walk-authored", None, "two teachers have the clip 'walk-authored'"),
        ("walk-authored,cartwheel", None, "is for character 'humanoid', not 'dog'"),
        ("walk-authored,steer", None, "; choose a teacher with one clip, or a library"),
        ("dog-authored,dog", None, "have several clips each; a student grows from one library"),
        ("walk-autored", None, "no controller 'walk-autored'"),
        ("all", "cow", "no controller that ships is for character 'cow'"),
    ],
)
def test_teachers_that_cannot_teach_one_student_are_refused(names, character, part):
    with pytest.raises(InputError, match=part):
        load_teachers(names, character)


def test_a_teacher_whose_recording_is_not_here_is_refused(monkeypatch):
    monkeypatch.setattr("mimic.runs.controller.available_name", lambda clip: f"{clip}-authored")
    with pytest.raises(InputError, match=r"'trot', which is not installed; run_mimic\.py fetch trot downloads it"):
        load_teachers("trot,pace")
