"""Animation files from the command line: what an animator types, and what then lies there."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import run_mimic
from characters import load_character
from mimic.core.errors import InputError
from mimic.core.rotations import quat_angle
from mimic.exporting.animation import Cut, clip_animation, controller_animation, write_animations
from mimic.exporting.simulated_motion import simulate_motion
from mimic.runs.controller import load_controller
from mocap.editing import resample
from mocap.formats.deepmimic import write_deepmimic
from tests.exporting import bundles
from tests.exporting.reading import body_positions, node
from tests.kinematic_engine import config, gentle_motion
from tests.motion_samples import clip_or_skip
from tests.sources import ROOT

HUMANOID = load_character("humanoid")


@pytest.fixture
def clip(tmp_path):
    """A clip file that loops, drifts and sways."""
    path = tmp_path / "sway.txt"
    path.write_bytes(write_deepmimic(gentle_motion("humanoid"), HUMANOID))
    return str(path)


def animations(path: Path) -> list[dict]:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack("<I", data[12:16])[0]])["animations"]


def test_the_shipped_controller_gives_a_cycle_that_closes():
    clip_or_skip("cartwheel")
    made = controller_animation(load_controller("cartwheel"), Cut(30.0))
    motion = made.motion
    assert motion.loop and motion.fps == pytest.approx(30.0)
    assert motion.duration == pytest.approx(2.7166, abs=0.5 / 30)
    assert quat_angle(motion.joint_quat[-1], motion.joint_quat[0]).max() < 1e-5
    assert quat_angle(motion.root_quat_w[-1], motion.root_quat_w[0]) < 1e-5
    assert motion.root_pos_w[0, :2].abs().max() < 1e-9 and motion.root_pos_w[-1, :2].norm() > 1.0
    assert "its end missed its start by " in made.note and made.note.startswith("cartwheel: 82 frames at 30 frames/s")


def test_the_first_seconds_are_the_simulation_and_three_js_reads_them(tmp_path):
    """Simulation -> GLB -> another program: frames, rate and joint positions."""
    clip_or_skip("cartwheel")
    controller = load_controller("cartwheel")
    made = controller_animation(controller, Cut(60.0, seconds=0.5))
    recorded = simulate_motion(controller, 0.5).simulated
    expected = body_positions(resample(recorded, HUMANOID, 60.0))
    expected[..., [0, 2]] -= expected[0, 0, [0, 2]]  # the animation starts over the origin
    (path,) = write_animations([made], ["glb"], tmp_path)
    times = [frame / 60 for frame in range(31)]
    found = json.loads(node("glb_positions.mjs", ROOT / "mimic/exporting/vendor/three.min.js", path, *times))[
        "animations"
    ][0]
    np.testing.assert_allclose(found["keys"], times, atol=1e-6)
    assert np.abs(np.array(found["bones"]) - expected).max() < 1e-3


def test_a_clip_is_written_in_every_format(clip, tmp_path, capsys):
    pytest.importorskip("pxr", reason="usd-core is not installed")
    words = f"export --clip {clip} --animation glb,bvh,usd --fps 24 --out {tmp_path / 'out'}"
    assert run_mimic.main(words.split()) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["sway.bvh", "sway.glb", "sway.usd"]
    said = capsys.readouterr().out
    assert "sway: 25 frames at 24 frames/s, 1.00 s; a cycle that closes" in said and "sway.usd" in said
    (animation,) = animations(tmp_path / "out" / "sway.glb")
    assert (animation["name"], animation["extras"]) == ("sway", {"fps": 24.0, "frames": 25, "loop": True})


def test_a_motion_in_place_stays_over_the_origin_for_the_seconds_asked_for(clip):
    moving, still = clip_animation(clip, Cut(30.0)).motion, clip_animation(clip, Cut(30.0, in_place=True)).motion
    assert moving.root_pos_w[-1, 0] == pytest.approx(0.3, abs=1e-3)
    assert still.root_pos_w[-1, :2].abs().max() < 1e-9
    short = clip_animation(clip, Cut(60.0, seconds=0.5)).motion
    assert not short.loop and short.duration == pytest.approx(0.5)
    assert torch.allclose(short.root_pos_w[:, 2], clip_animation(clip, Cut(60.0)).motion.root_pos_w[:31, 2], atol=1e-6)


def test_a_looping_clip_repeats_for_the_seconds_asked_for(clip):
    made = clip_animation(clip, Cut(60.0, seconds=2.5))
    assert made.motion.duration == pytest.approx(2.5) and "; 2.5 cycles" in made.note
    assert made.motion.root_pos_w[-1, 0] == pytest.approx(0.75, abs=0.01)


def test_several_motions_share_one_glb(clip, tmp_path):
    first = clip_animation(clip, Cut())
    other = replace(first, motion=replace(first.motion, name="other"))
    (path,) = write_animations([first, other, first], ["glb"], tmp_path)
    assert path.name == "humanoid.glb"
    assert [animation["name"] for animation in animations(path)] == ["sway", "other", "sway-2"]


def test_a_controller_that_falls_gives_a_note_and_the_motion_before_the_fall(tmp_path):
    controller = bundles.untrained(tmp_path, "dog", duration=1.0)
    made = controller_animation(controller, Cut(60.0, seconds=12.0))
    assert "it fell after " in made.note and made.motion.duration < 12.0
    (tmp_path / "x").mkdir()
    never = bundles.untrained(tmp_path / "x", "dog", config("termination.contact_height=0.15"), duration=1.0)
    with pytest.raises(InputError, match=r"there is nothing to export|hold no cycle"):
        controller_animation(never, Cut())


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("--animation glb", "--animation needs --out"),
        ("--animation gbl --out x", "no animation format 'gbl'; did you mean 'glb'"),
        ("--animation glb --fps 0 --out x", "'0' must be a number above 0"),
        ("--animation glb --out sway.txt/x", "cannot be made"),
        ("--animation glb --zip --out x", "--zip is for the controller bundle"),
        ("--replay x.html --in-place", "--in-place is for --animation"),
        ("--web x", "--web needs --controller"),
        ("--replay sway.txt/x.html", "cannot be made"),
    ],
)
def test_bad_arguments_are_refused_in_one_line_with_a_remedy(clip, words, part, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run_mimic.main(["export", "--clip", clip, *words.split()]) == 2
    error = capsys.readouterr().err
    assert part in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sway.txt"]
