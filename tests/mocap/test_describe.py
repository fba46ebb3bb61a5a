"""What is said about a file is so, for every kind of clip; and the inspect verb writes it down."""

import json
import re
from pathlib import Path

import pytest
import torch

import run_mimic
from characters import load_character
from mocap.conventions import ReadOptions
from mocap.describe import describe, retarget_command, stick_figure
from mocap.formats.bvh import read_bvh
from mocap.formats.deepmimic import write_deepmimic
from mocap.formats.keypoints import read_keypoint_text
from mocap.skeleton import character_motion_as_skeleton
from tests.mocap.test_bvh_format import GOOD
from tests.motion_samples import random_motion


def test_a_foreign_skeleton():
    clip = read_bvh(GOOD.encode(), "clip", ReadOptions(unit="m", up="z", forward="x"))
    report = describe(clip)
    assert (report["kind"], report["format"], report["frames"]) == ("motion of a skeleton", "BVH", 2)
    assert report["bones"] == ["Hips", "LeftLeg"] and report["tips"] == 1
    assert report["assumptions"]["unit"] == {"value": "m", "by": "user", "why": ""}
    assert report["fps"] == 100 and json.loads(json.dumps(report)) == report
    figure = stick_figure(clip)
    assert torch.equal(figure.pos_w[:, :2], clip.positions_w()) and figure.parents == (-1, 0, 1)


def test_a_motion_of_ours_and_key_points():
    motion = random_motion("dog")
    report = describe(motion)
    assert report["character"] == "dog" and report["loop"] and len(report["bones"]) == 23
    expected = character_motion_as_skeleton(motion, load_character("dog")).positions_w()[..., 2]
    assert report["height_m"]["lowest"] == pytest.approx(float(expected.min()), abs=1e-4)
    points = read_keypoint_text(",".join(f"{i / 100}" for i in range(81)).encode(), "clip")
    assert describe(points)["seen_fraction"] == 1 and describe(points)["frames"] == 1


def test_the_verb_prints_and_writes(tmp_path, capsys):
    (tmp_path / "walk.bvh").write_text(GOOD.replace("Frames: 2", "Frames: 3").replace("LeftLeg", "Left<b>Leg"))
    out, page = tmp_path / "x.json", tmp_path / "x.html"
    arguments = ["inspect", str(tmp_path / "walk.bvh"), "--unit", "cm", "--fps", "50", "--json", str(out)]
    assert run_mimic.main([*arguments, "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "walk: motion of a skeleton (BVH)" in printed and "note: the file says 3 frames and has 2" in printed
    assert "the file has a frame time of 0.01 s" in printed
    assert json.loads(out.read_text())["fps"] == 50
    html = page.read_text()
    assert "Left&lt;b&gt;Leg" in html and "<b>" not in html
    assert not re.search(r"(src|href)=|https?:", html)
    assert html.count("<line") == 1 + 2 * 2  # the ground, and two bones in each of two figures


def test_the_verb_reads_our_clips(tmp_path, capsys):
    path = tmp_path / "clip.txt"
    path.write_bytes(write_deepmimic(random_motion("humanoid"), load_character("humanoid")))
    assert run_mimic.main(["inspect", str(path)]) == 0
    assert "motion of one of our characters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--unit", "furlong"], "no unit 'furlong'"),
        (["--up", "q"], "no axis 'q'"),
        (["--up", "y", "--forward", "-y"], "along the same axis"),
        (["--fps", "0"], "must be a number above 0"),
        (["--root", "Nobody"], "no figure 'Nobody'"),
    ],
)
def test_options_that_mean_nothing(arguments, complaint, tmp_path, capsys):
    (tmp_path / "walk.bvh").write_text(GOOD)
    assert run_mimic.main(["inspect", str(tmp_path / "walk.bvh"), *arguments]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("bone", "character"), [("b_Tail01", "dog"), ("LeftLeg", "humanoid"), ("Ponytail", "humanoid")]
)
def test_a_figure_with_a_tail_is_sent_to_the_dog(bone, character):
    clip = read_bvh(GOOD.replace("LeftLeg", bone).encode(), "clip", ReadOptions(unit="m", up="z", forward="x"))
    command = f"run_mimic.py retarget a/clip.bvh --character {character} --out clip.npz"
    assert retarget_command(clip, Path("a/clip.bvh")) == command
