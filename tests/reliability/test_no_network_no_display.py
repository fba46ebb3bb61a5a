"""The main job needs neither network nor display nor OpenGL."""

import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3
import pytest

from tests.motion_samples import clip_or_skip
from tests.reliability.offline import REFUSED

SCRIPT = Path(__file__).with_name("offline.py")
GRAPHICS = ("libEGL.so.1", "libEGL.so", "libGL.so.1", "libGL.so", "libOpenGL.so.0", "libOSMesa.so.8", "libGLX.so.0")
FAST = ("policy.actor_sizes=[16]", "policy.critic_sizes=[16]", "trainer.evaluate_every=0", "env.evaluation_s=0.3")


@pytest.fixture
def bare(tmp_path):
    """Run a Python file where sockets are fatal, no display is named and every OpenGL library is a broken file."""
    broken = tmp_path / "lib"
    broken.mkdir()
    for name in GRAPHICS:
        (broken / name).write_text("not a library")
    graphics = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "MUJOCO_GL", "PYOPENGL_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in graphics}
    environment |= {"LD_LIBRARY_PATH": str(broken), "OMP_NUM_THREADS": "1"}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux finds libraries by LD_LIBRARY_PATH")
def test_training_evaluation_and_film_need_neither_network_nor_display(bare, tmp_path):
    clip_or_skip("walk")
    settings = [word for setting in FAST for word in ("--set", setting)]
    limits = ["--minutes", 0.02, "--seconds", 0.1, "--num-envs", 8, "--threads", 1]
    result = bare(SCRIPT, "--clip", "walk", *limits, *settings)
    assert result.returncode == 0, result.stdout + result.stderr
    out = tmp_path / "out" / "walk"
    report = json.loads((out / "evaluation.json").read_text())
    assert (report["clip"], report["character"], report["episodes"]) == ("walk", "humanoid", 32)
    pictures = imageio.v3.imread(out / "walk.mp4")
    assert len(pictures) >= 3
    assert pictures[0].std() > 10.0  # not one colour
    doctor = bare(SCRIPT, "doctor", "--json")
    assert doctor.returncode == 0, doctor.stderr
    found = {finding["topic"]: finding["found"] for finding in json.loads(doctor.stdout)["findings"]}
    assert "ray" in found["renderer"] and "libEGL" in found["renderer"]


def test_an_attempt_to_use_the_network_is_detected(bare, tmp_path):
    """The guard itself: a process that looks up a host name ends there, also when it would have caught the error."""
    program = tmp_path / "program.py"
    program.write_text(
        "import contextlib, socket, sys\n"
        f"sys.path.insert(0, {str(SCRIPT.parents[2])!r})\n"
        "from tests.reliability.offline import refuse\n"
        "sys.addaudithook(refuse)\n"
        "with contextlib.suppress(Exception):\n"
        "    socket.create_connection(('localhost', 9))\n"
    )
    result = bare(program)
    assert result.returncode == REFUSED and "network used" in result.stderr
