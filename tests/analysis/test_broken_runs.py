"""Runs broken on purpose, diagnosed as a user would: what was broken is named first."""

import io
import json
import shutil

import pytest

import run_mimic
from characters import load_character
from mimic.analysis.clip_check import check_clip, worst
from mimic.analysis.diagnose import diagnose
from mimic.analysis.evidence import gather
from mimic.core.errors import CheckpointError, InputError
from mimic.rl.progress import PlainProgress
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run
from mimic.runs.training import StopCriteria, train
from mimic.tracking import preprocess_motion, rules_of
from mocap.catalogue import load_clips
from tests.motion_samples import clip_or_skip

TINY = ("num_envs=16", "policy.actor_sizes=[8]", "policy.critic_sizes=[8]", "awr.rollout.steps=8")
TINY += ("awr.rollout.overlap=false", "trainer.evaluate_every=0", "trainer.tensorboard=false")
ITERATIONS = 10
BROKEN = {
    "weights": ("awr.update.temperature=0.01",),
    "critic": ("awr.update.critic_lr=1e-12",),
    "exploration": ("awr.rollout.std_start=2", "awr.rollout.std_end=2"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of tiny runs by what is broken; ``nothing`` is a healthy one."""
    clip_or_skip("cartwheel")
    root = tmp_path_factory.mktemp("runs")
    for name, settings in {"nothing": (), **BROKEN}.items():
        run = tracking_run("cartwheel", load_preset("fast", (*TINY, *settings)), "awr")
        with open(root / f"{name}.log", "w") as log:
            train(run, root / name, StopCriteria(samples=ITERATIONS * 16 * 8), 1, PlainProgress(log))
    return root


@pytest.mark.parametrize("broken", BROKEN)
def test_the_setting_broken_on_purpose_is_named_first_and_surely(runs, broken):
    diagnosis = diagnose(gather(runs / broken, episodes=8, threads=1))
    first = diagnosis.findings[0]
    assert first.fault == broken and first.certainty > 0.85
    text = diagnosis.text()
    assert f"1. {broken.capitalize()} (surely)" in text and "8 of 8 starts fall" in text
    key, _, value = BROKEN[broken][0].partition("=")
    assert f"{key} = {float(value):g}" in text.replace(".0 (", " ("), "the setting that did it is listed"


def test_a_run_with_nothing_wrong_is_told_to_be_patient(runs):
    diagnosis = diagnose(gather(runs / "nothing", episodes=8, threads=1))
    assert [finding.fault for finding in diagnosis.findings] == ["patience"]


def test_diagnose_prints_its_diagnosis_and_writes_it_as_json(runs, tmp_path, capsys):
    command = [
        "diagnose",
        str(runs / "critic"),
        "--episodes",
        "4",
        "--threads",
        "1",
        "--json",
        str(tmp_path / "d.json"),
    ]
    assert run_mimic.main(command) == 0
    out = capsys.readouterr().out
    assert "WHERE IT FALLS" in out and "WHAT IS AT FAULT\n1. Critic (surely)" in out
    data = json.loads((tmp_path / "d.json").read_text())
    assert data["findings"][0]["fault"] == "critic" and data["changed_settings"]["awr.update.critic_lr"] == [
        1e-12,
        1e-3,
    ]
    assert data["falls"]["falls"] == 4 and data["clip"] == "cartwheel"


def test_a_run_of_several_clips_is_checked_against_the_most_demanding_one(tmp_path):
    run = tracking_run("trot-slow-authored+trot-left-authored", load_preset("fast", TINY))
    train(run, tmp_path, StopCriteria(samples=2 * 16 * 8), 1, PlainProgress(io.StringIO()))
    evidence = gather(tmp_path, episodes=4, threads=1)
    alone = [check_clip(*checked) for checked in _asked(run)]
    assert evidence.clip == worst(alone) and evidence.clip.sinks_m == max(check.sinks_m for check in alone)
    for joint, (_, largest, _) in evidence.clip.torque.items():
        assert largest in [check.torque[joint][1] for check in alone]
    assert "WHAT IS AT FAULT" in diagnose(evidence).text()


def _asked(run):
    """What `check_clip` is given for each clip of a run."""
    motions, character = load_clips(run.task.title), load_character("dog")
    env = run.task.env
    asked = [preprocess_motion(motion, character, env) for motion in motions]
    task = rules_of(tuple(asked), character)
    return [(m, character, task, env.termination.contact_height, a) for m, a in zip(motions, asked, strict=True)]


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(InputError, match="not a run folder"):
        gather(tmp_path)
    assert run_mimic.main(["diagnose", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    (tmp_path / "config.json").write_text("{" * 10_000)
    with pytest.raises(CheckpointError):
        gather(tmp_path)


def test_a_damaged_run_is_diagnosed_from_its_undamaged_parts(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "weights", run)
    for policy in (run / "ckpt").glob("*/policy.safetensors"):
        data = bytearray(policy.read_bytes())
        data[-1] ^= 1
        policy.write_bytes(data)
    rows = (run / "metrics.jsonl").read_text().splitlines()
    strange = {"iteration": 3, "samples": 10**400, "std": "wide", "kl": [1], "ess": None, "info/pose": True}
    (run / "metrics.jsonl").write_text("\n".join([*rows, json.dumps(strange), '{"iteration": NaN', "\n"]))
    evidence = gather(run, episodes=4, threads=1)
    assert evidence.trial is None and "no policy to evaluate" in evidence.notes[0]
    assert evidence.rows[-1] == {"iteration": 3.0}
    assert diagnose(evidence).findings[0].fault == "weights"


def test_the_policy_of_another_clip_is_not_evaluated(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "nothing", run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"task": config["task"] | {"clips": ["spinkick"]}}))
    clip_or_skip("spinkick")
    evidence = gather(run, episodes=4, threads=1)
    assert evidence.trial is None and "is of 'cartwheel', but config.json names 'spinkick'" in evidence.notes[0]
