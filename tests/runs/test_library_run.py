"""`train` on several clips: a run of seconds that is evaluated by clip, and what it says of wrong clips."""

import json

import pytest

from mimic.core.errors import InputError
from mimic.runs.controller import load_controller
from mimic.runs.library_clips import prepare_clips
from mocap.catalogue import load_clip
from mocap.clip_library import LibraryClip, read_library
from mocap.formats.clip_npz import write_clip_npz
from run_mimic import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    pack = folder / "pack.yaml"
    pack.write_text("clips:\n  - walk-authored\n  - {clip: trot-authored, weight: 3, mirror: true}\n")
    options = ["--num-envs", "16", "--threads", "1", "--set", "trainer.evaluate_every=0"]
    command = ["train", "--clip", str(pack), "--out", str(folder / "run")]
    assert main([*command, "--samples", "400", *options]) == 0
    assert main([*command, "--samples", "600", "--threads", "1", "--resume"]) == 0
    return folder / "run"


def test_a_pack_is_trained_as_a_library_without_a_clips_number(run):
    task = json.loads((run / "config.json").read_text())["task"]
    assert task["clips"] == ["walk-authored", "trot-authored", "trot-authored@mirror"]
    assert task["weights"] == [1.0, 3.0, 3.0]
    controller = load_controller(str(run))
    assert controller.has_library and controller.clips == tuple(task["clips"])
    assert controller.policy.config.actor_sizes == (512, 512)


def test_chosen_clips_of_a_library_are_evaluated(run, tmp_path, capsys):
    out = tmp_path / "found.json"
    options = ["--episodes", "1", "--seconds", "0.5", "--threads", "1", "--json", str(out)]
    assert main(["evaluate", "--controller", str(run), "--clip", "trot-authored@mirror,turn-authored", *options]) == 0
    assert list(json.loads(out.read_text())["clips"]) == ["trot-authored@mirror", "turn-authored"]
    assert "was not trained on 'turn-authored'" in capsys.readouterr().out


def test_a_resumed_run_of_other_clips_is_refused(run, capsys):
    assert main(["train", "--clip", "walk-authored,trot-authored", "--resume", "--out", str(run)]) == 2
    assert "this run is of 'walk-authored+trot-authored+trot-authored@mirror'" in capsys.readouterr().err


def test_clips_of_two_characters_are_refused(tmp_path):
    with pytest.raises(InputError, match="'walk-authored' is of 'dog', 'walk' of 'humanoid'"):
        prepare_clips(read_library("walk-authored,walk"), tmp_path, print)


def test_a_clip_whose_report_fails_is_kept_with_one_warning(tmp_path):
    from dataclasses import replace

    sunk = load_clip("walk-authored")
    sunk = replace(sunk, root_pos_w=sunk.root_pos_w - sunk.root_pos_w.new_tensor([0.0, 0.0, 0.2]))
    path = tmp_path / "sunk.npz"
    path.write_bytes(write_clip_npz(sunk))
    said = []
    clips = (LibraryClip(str(path)), LibraryClip("trot-authored"))
    assert prepare_clips(clips, tmp_path, said.append) == clips
    assert len(said) == 1 and "its quality report fails (" in said[0]
