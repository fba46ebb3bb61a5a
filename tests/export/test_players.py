"""Every evaluator recomputes the test vectors from the plain numbers; each says so itself, with a check that can fail."""

import json
import shutil
import subprocess

import pytest


def tool(name: str) -> str:
    """The path of a program, or a skipped test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)


def spoil(bundle, folder, name="testvectors.json"):
    """A copy of the bundle in which one expected number is wrong by a little."""
    copy = shutil.copytree(bundle, folder / "spoilt")
    vectors = json.loads((copy / name).read_text())
    vectors["states"][5]["action"][3] += 2e-4
    (copy / name).write_text(json.dumps(vectors))
    return copy


def assert_right_and_can_be_wrong(check, bundle, tmp_path):
    done = run(*check, bundle)
    assert done.returncode == 0 and "OK" in done.stdout, done.stdout + done.stderr
    for what in ("observation", "action", "target", "motor", "clock", "frames"):
        assert what in done.stdout
    done = run(*check, spoil(bundle, tmp_path))
    assert done.returncode == 1 and "OFF" in done.stdout


def test_javascript(bundle, tmp_path):
    assert_right_and_can_be_wrong([tool("node"), bundle / "players" / "check.mjs"], bundle, tmp_path)
