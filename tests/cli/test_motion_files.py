"""``--clip FILE``: a file of another skeleton is retargeted into the run's folder, each step said in a line."""

import json

import pytest

from mimic.runs.controller import load_controller
from mocap.catalogue import load_clip
from mocap.formats.bvh import write_bvh
from run_mimic import main
from tests.retarget.foreign import foreign, stepping

FAST = ["--num-envs", "16", "--threads", "1", "--set", "trainer.evaluate_every=0"]


@pytest.fixture
def walk(tmp_path, monkeypatch):
    """A BVH of another skeleton that steps for one cycle, in the working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "steps.bvh"
    path.write_bytes(write_bvh(foreign(stepping(seconds=1.0))))
    return path


def test_train_retargets_a_motion_file_and_resumes_without_doing_so_again(walk, capsys):
    command = ["train", "--clip", "steps.bvh"]
    assert main([*command, "--samples", "400", *FAST]) == 0
    out = capsys.readouterr().out
    for step in ("reading steps.bvh: BVH, ", "retargeting to the humanoid (a guess", "as a cycle", "quality report: "):
        assert step in out
    clip = "runs/steps-awr/clips/steps.npz"
    assert load_controller("steps").clip == clip and load_clip(clip).loop
    assert json.loads((walk.parent / "runs/steps-awr/clips/steps.json").read_text())["made_from"]["file"] == "steps.bvh"

    assert main([*command, "--samples", "600", "--threads", "1", "--resume"]) == 0
    assert "retargeted before" in capsys.readouterr().out
    assert main([*command, "--samples", "800", "--resume", "--mirror"]) == 2
    assert "made from another file or with other options" in capsys.readouterr().err

    assert (
        main(["collect", "--controller", "steps", "--clip", "steps.bvh", "--transitions", "50", "--out", "e.npz"]) == 0
    )
    assert main(["train", "--clip", "steps.bvh", "--samples", "400", *FAST]) == 2
    assert "holds a run already" in capsys.readouterr().err


def test_the_options_of_retarget_override_what_was_guessed(walk, capsys):
    options = ["--character", "humanoid", "--no-loop", "--end", "0.5", "--licence", "CC0", "--out", "mine"]
    assert main(["train", "--clip", "steps.bvh", "--samples", "400", *FAST, *options]) == 0
    motion = load_clip("mine/clips/steps.npz")
    assert not motion.loop and motion.license == "CC0" and motion.duration == pytest.approx(0.5, abs=0.02)
    assert "a guess" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--clip", "steps.bvh", "--take", "Walk"], "files of this format have one take"),
        (["--clip", "steps.bvh", "--take", "all"], "name one take"),
        (["--clip", "steps.bvh", "--up", "q"], "axis"),
        (["--clip", "nothing.bvh"], "nothing.bvh"),
        (["--clip", "steps.bvh,walk", "--take", "a"], "are for one clip"),
    ],
)
def test_wrong_options_of_a_motion_file_end_in_one_line(walk, capsys, options, says):
    assert main(["train", "--samples", "400", *options]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_export_takes_a_motion_file(walk, tmp_path):
    command = ["export", "--clip", "steps.bvh", "--animation", "bvh", "--out", str(tmp_path / "anim")]
    assert main(command) == 0
    assert list((tmp_path / "anim").glob("*.bvh"))
