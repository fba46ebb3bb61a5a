"""Clips out of pybullet's wheel: right bytes are copied, and whatever goes wrong leaves no file and one line."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from mimic.core.errors import InputError
from mocap import pybullet_wheel
from mocap.pybullet_wheel import extract_clips

CLIPS = {"humanoid3d_hop.txt": b"[1, 2]", "humanoid3d_bow.txt": b"[3, 4]"}
SHA256 = {name: hashlib.sha256(data).hexdigest() for name, data in CLIPS.items()}


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """A wheel with two clips, which a program in the place of pip copies into the folder after --dest."""
    path = tmp_path / "pybullet-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in CLIPS.items():
            file.writestr(f"pybullet_data/data/motions/{name}", data)
    pip = tmp_path / "pip.py"
    pip.write_text(
        "import shutil, sys\n"
        "assert sys.argv[1] == 'download' and '--no-deps' in sys.argv\n"
        f"shutil.copy({str(path)!r}, sys.argv[sys.argv.index('--dest') + 1])\n"
    )
    monkeypatch.setattr(pybullet_wheel, "_pip", lambda: [sys.executable, str(pip)])
    monkeypatch.setattr(pybullet_wheel, "_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_the_clips_are_copied_and_the_wheel_is_not_kept(wheel, tmp_path, capsys):
    extract_clips(SHA256, tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == CLIPS
    assert "downloading pybullet" in capsys.readouterr().err


def test_an_altered_wheel_is_not_opened(wheel, tmp_path):
    wheel.write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="has another sha256 than the published one"):
        extract_clips(SHA256, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_altered_clip_is_not_copied(wheel, tmp_path):
    with pytest.raises(InputError, match=r"humanoid3d_hop.txt in pybullet\S+ has another sha256"):
        extract_clips({"humanoid3d_hop.txt": "0" * 64}, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (
            "import sys; sys.exit('WARNING: retrying\\nERROR: No matching distribution found')",
            "No matching distribution",
        ),
        ("import sys; sys.exit(3)", "no reason given"),
        ("", "no reason given"),  # succeeds and downloads nothing
    ],
)
def test_a_failure_of_pip_is_reported(program, reason, monkeypatch, tmp_path):
    monkeypatch.setattr(pybullet_wheel, "_pip", lambda: [sys.executable, "-c", program])
    with pytest.raises(InputError, match=rf"pip cannot download pybullet\S+ \({reason}"):
        extract_clips(SHA256, tmp_path / "cache")


def test_a_pip_that_hangs_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(pybullet_wheel, "_pip", lambda: [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(pybullet_wheel, "_TIMEOUT_S", 0.1)
    with pytest.raises(InputError, match="timed out"):
        extract_clips(SHA256, tmp_path / "cache")


def test_an_environment_without_pip_uses_another_one_or_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/pip3" if name == "pip3" else None)
    assert pybullet_wheel._pip() == ["/usr/bin/pip3"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="there is no pip to download it with"):
        pybullet_wheel._pip()
