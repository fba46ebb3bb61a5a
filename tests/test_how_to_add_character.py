"""A new character is one folder: a registered folder outside the package is trained on and evaluated like any other."""

import json
import runpy
from pathlib import Path

import pytest
import torch

import run_mimic
from characters import CHARACTERS, load_character, register_character
from mimic.core.errors import ConfigError, InputError
from mimic.core.rotations import quat_from_axis_angle
from mocap.editing import mirror
from mocap.formats.clip_npz import write_clip_npz
from mocap.motion import Motion

TINY = ("--num-envs", "4", "--threads", "1", "--samples", "64", "--set", "awr.rollout.steps=8")
TINY += ("--set", "policy.actor_sizes=[8]", "--set", "policy.critic_sizes=[8]")
TINY += ("--set", "trainer.evaluate_every=0", "--set", "trainer.tensorboard=false")


@pytest.fixture
def inchworm(monkeypatch):
    """The character of ``tests/plugins``, registered for one test as ``MIMIC_PLUGINS`` would."""
    monkeypatch.setattr(CHARACTERS, "_found", dict(CHARACTERS._found))
    runpy.run_path(str(Path(__file__).parent / "plugins" / "inchworm_character.py"))
    return load_character("inchworm")


def inching(frames: int = 31) -> Motion:
    """One second in which the inchworm arches and stretches once."""
    angle = 0.4 * torch.sin(torch.linspace(0, 2 * torch.pi, frames, dtype=torch.float64))
    y = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(frames, 3)
    still = quat_from_axis_angle(y, torch.zeros_like(angle))
    return Motion(
        name="inching",
        character="inchworm",
        joint_names=("bend_front", "bend_rear"),
        times=torch.arange(frames, dtype=torch.float64) / 30,
        root_pos_w=torch.tensor([0.0, 0.0, 0.1], dtype=torch.float64).repeat(frames, 1),
        root_quat_w=still,
        joint_quat=torch.stack((quat_from_axis_angle(y, angle), quat_from_axis_angle(y, -angle)), 1),
        loop=True,
        license="CC0",
    )


def test_a_registered_folder_is_a_character_of_its_folders_name(inchworm):
    assert "inchworm" in CHARACTERS
    assert [joint.name for joint in inchworm.joints] == ["bend_front", "bend_rear"]
    assert [body.joint for body in inchworm.bodies] == [None, 0, 1]


def test_a_joint_need_not_bear_its_bodys_name_to_be_mirrored(inchworm):
    motion = inching()
    assert torch.equal(mirror(motion, inchworm).joint_quat, motion.joint_quat)


def test_a_registered_character_is_trained_and_evaluated_from_the_command_line(inchworm, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("inching.npz").write_bytes(write_clip_npz(inching()))
    assert run_mimic.main(["train", "--clip", "inching.npz", "--out", "run", *TINY]) == 0, capsys.readouterr().err
    words = ["--controller", "./run", "--episodes", "2", "--threads", "1", "--json", "report.json"]
    assert run_mimic.main(["evaluate", *words]) == 0, capsys.readouterr().err
    report = json.loads(Path("report.json").read_text())
    assert report["character"] == "inchworm" and report["episodes"] == 2


def test_a_folder_without_its_yaml_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"the file .*\.yaml"):
        register_character(tmp_path)


def test_a_name_is_registered_by_one_folder_only(inchworm, tmp_path):
    other = tmp_path / "inchworm"
    other.mkdir()
    (other / "inchworm.yaml").write_text("name: inchworm\n")
    with pytest.raises(ConfigError, match="two characters are called 'inchworm'"):
        register_character(other)


def test_an_unknown_character_is_answered_with_the_nearest_name(inchworm):
    with pytest.raises(InputError, match="inchworm"):
        load_character("inchwrm")
