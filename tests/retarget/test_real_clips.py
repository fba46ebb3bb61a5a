"""Real recordings meet the figures that docs/retargeting.md promises; skipped where they are absent."""

import os
from pathlib import Path

import pytest

from characters import load_character
from mocap.formats import read_clip
from retarget.pipeline import retarget
from retarget.quality_report import make_quality_report

PEOPLE = [
    "bvh/cartwheel_clean.bvh",
    "bvh/dataset-1_run_active_001.bvh",
    "bvh/test_freebvh.bvh",
    "bvh/jumping_jacks.bvh",
]
DOGS = [f"dog_keypoints/dog_{name}_joint_pos.txt" for name in ("trot", "pace", "run02")]


def card_of(file: str, name: str) -> dict[str, object]:
    folder = os.environ.get("MIMIC_MOCAP")
    if not folder or not (Path(folder) / file).is_file():
        pytest.skip(f"{file} is not on this machine: set MIMIC_MOCAP")
    character = load_character(name)
    result = retarget(read_clip(Path(folder) / file), character)
    return make_quality_report(result.motion, character, result.targets).to_json()


@pytest.mark.parametrize("file", PEOPLE)
def test_people(file):
    card = card_of(file, "humanoid")
    assert card["keypoint_error_cm"]["mean"] <= 5 and card["keypoint_error_cm"]["p95"] <= 10
    assert card["foot_skate_cm_s"] <= 3 and card["penetration_mm"] <= 5
    assert card["limit_violation_fraction"] == 0 and card["joint_jumps"] == 0


@pytest.mark.parametrize("file", DOGS)
def test_dogs(file):
    card = card_of(file, "dog")
    assert card["keypoint_error_cm"]["mean"] <= 4
    assert card["penetration_mm"] <= 5 and card["float_mm"] <= 10
    assert card["limit_violation_fraction"] == 0
