"""Each rule finds its fault where it is, and is silent on a run that is well."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from characters import load_character
from mimic.analysis.clip_check import ClipCheck
from mimic.analysis.diagnose import diagnose
from mimic.analysis.evidence import Evidence, Trial, changed_settings
from mimic.analysis.falls import Falls
from mimic.analysis.rules import RULES, findings
from mimic.evaluation.metrics.torque import JointTorque
from mimic.evaluation.report import EvaluationReport, NormalizedReturn
from mimic.runs.run_config import tracking_run
from tests.kinematic_engine import preset

WELL = {"explained_variance": 0.92, "ess": 0.79, "kl": 0.015, "std": 0.1, "actor_lr": 1e-4, "critic_lr": 1e-3}
WELL |= {"weight_clipped": 0.0, "skipped_updates": 0.0, "episode_length": 200.0, "ends/fail": 20.0, "ends/timeout": 5.0}
WELL |= {"ends/clip_end": 0.0, "ends/diverged": 0.0, "info/pose": 0.9, "info/velocity": 0.3, "info/end_effector": 0.5}
WELL |= {"info/root": 0.8, "info/com": 0.7}
HUMANOID = load_character("humanoid")
DOABLE = {joint.name: (0.02, 0.9, 0.4) for joint in HUMANOID.joints}
FALLS = Falls(
    falls=60,
    clip_s=[0.5] * 60,
    hazard=[0.0] * 10,
    window=(0.5, 0.6),
    window_share=0.7,
    touched={"right_knee": 0.8, "neck": 0.2},
    root_off_m=0.3,
    root_low_m=0.12,
    tilt_rad=0.7,
    tilt_to=(0.6, 0.1, 0.0),
    limbs_off_m={"left_wrist": 0.09, "chest": 0.01},
    lost={"root": 0.15, "pose": 0.1, "com": 0.02},
)


def evidence(
    settings=(), log=None, clip=None, samples=9_000_000, returns=(0.1, 0.8), at_limit=0.1, falls=FALLS, algorithm="awr"
) -> Evidence:
    """A run of 40 iterations, well but for what is said otherwise."""
    rows = [
        {"iteration": float(k), "samples": samples * k / 40}
        | WELL
        | (log or {})
        | ({"eval/normalized_return": returns[0] + (returns[1] - returns[0]) * k / 40} if k % 4 == 0 else {})
        for k in range(1, 41)
    ]
    report = EvaluationReport(
        clip="walk",
        character="humanoid",
        episodes=64,
        episode_s=10.0,
        normalized_return=NormalizedReturn(returns[1], 0.0),
        survival=0.1,
        mean_steps=60.0,
        mean_time_s=2.0,
        metrics={"torque_by_joint": {name: JointTorque(0.2, 1.0, at_limit) for name in DOABLE}},
        reward_terms={},
        by_time=(),
    )
    check = {"sinks_m": 0.01, "forbidden": {}, "torque": DOABLE, "hovers_share": 0.0} | (clip or {})
    run = tracking_run("walk", preset("fast", *settings), algorithm)
    return Evidence(
        run=Path("runs/x"),
        config=run,
        character=HUMANOID,
        rows=rows,
        clip=ClipCheck(**check),
        trial=Trial(Path("runs/x/ckpt/1"), report, falls),
    )


def faults(*args, **options) -> list[tuple[str, float]]:
    return [(finding.fault, finding.certainty) for finding in findings(evidence(*args, **options))]


@pytest.mark.parametrize("algorithm", ["awr", "ppo", "rwr"])
def test_a_healthy_run_has_no_fault(algorithm):
    assert faults(algorithm=algorithm) == []
    assert [fault for fault, _ in faults(samples=300_000, returns=(0.1, 0.2))] == ["patience"]


@pytest.mark.parametrize(
    ("fault", "word", "options"),
    [
        ("simulation", "breaks", {"log": {"ends/diverged": 10.0}}),
        ("weights", "wasted", {"log": {"ess": 0.004}, "settings": ("awr.update.temperature=0.05",)}),
        ("weights", "saturated", {"log": {"weight_clipped": 0.5}, "settings": ("awr.update.temperature=0.01",)}),
        ("weights", "equal weights", {"log": {"ess": 0.999}}),
        (
            "critic",
            "too small to move",
            {"log": {"explained_variance": -1.0}, "settings": ("awr.update.critic_lr=1e-12",)},
        ),
        ("critic", "does not predict", {"log": {"explained_variance": 0.1}}),
        ("critic", "0.033 s ahead", {"settings": ("awr.update.gamma=0",)}),
        ("critic", "longer than returns", {"settings": ("awr.update.gamma=0.9999",)}),
        ("exploration", "115°", {"log": {"std": 2.0, "kl": 0.001, "actor_lr": 1e-3, "info/velocity": 0.001}}),
        ("exploration", "no new actions", {"log": {"std": 0.001}}),
        ("step size", "too much", {"log": {"kl": 2.0}}),
        ("step size", "lower bound", {"log": {"kl": 0.1, "actor_lr": 1e-6}}),
        ("step size", "hardly change", {"log": {"kl": 1e-5, "actor_lr": 3e-3}}),
        ("step size", "hardly change", {"log": {"kl": 1e-9}, "settings": ("awr.update.target_kl=0",)}),
        ("step size", "12 updates", {"log": {"skipped_updates": 12.0}}),
        ("reward", "'velocity'", {"log": {"info/velocity": 0.001}}),
        ("clip", "right knee", {"clip": {"forbidden": {"right_knee": 0.2}}}),
        (
            "clip",
            "sinks 7 cm",
            {"clip": {"sinks_m": 0.07}, "settings": ("env.lift_penetration=false", "env.repair=false")},
        ),
        ("clip", "left knee", {"clip": {"torque": DOABLE | {"left_knee": (0.4, 3.0, 0.5)}}}),
        ("clip", "hovers", {"clip": {"hovers_share": 0.5}}),
        ("motors", "at its limit", {"at_limit": 0.9}),
        ("exploration", "stopped getting better", {"returns": (0.15, 0.151)}),
    ],
)
def test_one_fault_is_found_and_no_other(fault, word, options):
    found = findings(evidence(**options))
    assert [finding.fault for finding in found] == [fault]
    assert word in found[0].what and found[0].tries and 0.0 < found[0].certainty <= 1.0


def test_every_rule_has_a_case_here_and_is_in_the_table():
    cases = test_one_fault_is_found_and_no_other.pytestmark[0].args[1]
    found = {type(rule(evidence(**options))) for rule in RULES for *_, options in cases}
    assert len(found) == 2, "a finding or None"
    silent = [
        rule.__name__
        for rule in RULES
        if all(rule(evidence(**options)) is None for *_, options in cases) and rule.__name__ != "run_is_short"
    ]
    assert not silent


def test_settings_that_are_advised_exist():
    cases = [options for *_, options in test_one_fault_is_found_and_no_other.pytestmark[0].args[1]]
    for options in (*cases, cases[2] | {"algorithm": "rwr"}, cases[8] | {"algorithm": "ppo"}):
        for line in (line for finding in findings(evidence(**options)) for line in finding.tries):
            words = line.split()
            for key in (after for word, after in pairwise(words) if word == "--set"):
                assert preset("fast", key.rstrip(",;"))


def test_the_most_certain_fault_comes_first_and_its_consequences_are_not_listed():
    found = findings(evidence(log={"std": 2.0, "info/velocity": 0.0, "explained_variance": 0.2}))
    assert [f.fault for f in found] == ["exploration", "critic"]
    assert found[0].certainty >= found[1].certainty


def test_a_log_too_short_for_statistics_shows_no_fault():
    whole = evidence(samples=300_000, returns=(0.0, 0.1))
    for rows in ([], whole.rows[:3]):
        short = replace(whole, rows=rows, trial=None, notes=["why"])
        assert [f.fault for f in findings(short)] == ["patience"]
        assert "why" in diagnose(short).text()


def test_the_diagnosis_says_where_the_character_falls_and_which_reward_is_lost():
    text = diagnose(evidence(log={"ess": 0.004}, returns=(0.05, 0.06))).text()
    for part in (
        "It has not learned. Normalised return 0.06",
        "60 of 64 starts fall, most readily between 0.50 and 0.60 s of the clip (70 % of the falls there)",
        "The right knee hits the ground first (80 % of the falls)",
        "30 cm from its place, 12 cm too low, and turned wrongly by 40°, mostly forward",
        "left hand 9 cm",
        "balance is lost",
        "root 0.15, pose 0.10",
        "1. Weights (surely)",
        "try: a higher temperature: --set awr.update.temperature=2",
    ):
        assert part in text
    assert "It did not fall" in diagnose(evidence(falls=None)).text()


def test_a_diagnosis_fits_into_json_and_names_changed_settings():
    data = diagnose(evidence(settings=("awr.update.temperature=0.5",))).to_json()
    assert json.loads(json.dumps(data, allow_nan=False))["log"]["ess"] == 0.79
    assert data["changed_settings"] == {"awr.update.temperature": [0.5, 2.0]}
    assert changed_settings(tracking_run("walk", preset("fast"))) == {}
