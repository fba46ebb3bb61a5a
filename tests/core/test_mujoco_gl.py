"""A bad MUJOCO_GL does not keep MuJoCo from being imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mimic.core.mujoco_gl import problem_with

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("setting", ["", "glfw", "off", " Disable "])
def test_a_mujoco_gl_setting_that_needs_no_library_is_no_problem(setting: str) -> None:
    assert problem_with(setting) == ""


def test_an_unknown_mujoco_gl_setting_is_a_problem() -> None:
    assert "no such setting" in problem_with("quartz")


@pytest.mark.skipif(sys.platform != "linux", reason="LD_LIBRARY_PATH")
@pytest.mark.parametrize("setting", ["egl", "osmesa", "nonsense"])
def test_our_rooms_import_whatever_mujoco_gl_says(setting: str, tmp_path: Path) -> None:
    for name in ("libEGL.so.1", "libOSMesa.so.8", "libOSMesa.so.6"):
        (tmp_path / name).write_text("no library")
    env = {**os.environ, "MUJOCO_GL": setting, "LD_LIBRARY_PATH": str(tmp_path)}
    env.pop("DISPLAY", None)
    program = "from mimic.core.mujoco_gl import IGNORED; import mujoco; print(IGNORED)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"MUJOCO_GL={setting} was ignored")
