"""The sdist and the wheel made from it work where nothing of the checkout is near: in an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.motion_samples import clip_or_skip
from tests.sources import ROOT, TOP_LEVEL

pytestmark = pytest.mark.slow
FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "run_mimic.py")
SMALL = ("policy.actor_sizes=[16]", "policy.critic_sizes=[16]", "trainer.evaluate_every=0", "env.evaluation_s=0.3")


def python(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """The folder of a wheel, unpacked by pip; the wheel is built from an unpacked sdist."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, source)
    for room in TOP_LEVEL:
        if (ROOT / room).is_dir() and room != "bench":
            shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    python("-c", f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})", cwd=source)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (unpacked,) = (folder / "sdist").iterdir()
    python("-c", f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})", cwd=unpacked)
    (wheel,) = folder.glob("*.whl")
    python("-m", "pip", "install", "--quiet", "--no-deps", "--target", folder / "site", wheel, cwd=folder)
    return folder / "site"


@pytest.fixture
def run(installed, tmp_path):
    """Run the installed program in an empty folder."""
    paths = {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}

    def mimic(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mimic", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, **paths},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return mimic


def test_nothing_of_the_checkout_is_used(run, installed):
    assert run("--version").startswith("mimic ")
    assert {path.name for path in installed.iterdir() if path.suffix == ".py"} == set()
    report = json.loads(run("doctor", "--json"))
    assert report["healthy"], report
    where = python(
        "-c", f"import sys; sys.path.insert(0, {str(installed)!r}); import mimic; print(mimic.__file__)", cwd=installed
    )
    assert Path(where.strip()).is_relative_to(installed)


def test_a_clip_is_trained_evaluated_exported_and_verified_in_an_empty_folder(run, tmp_path):
    clip_or_skip("walk")
    settings = [word for setting in SMALL for word in ("--set", setting)]
    run("train", "--clip", "walk", "--samples", 2000, "--num-envs", 8, "--out", "mine", *settings)
    assert "normalised return" in run("evaluate", "--controller", "./mine", "--episodes", 2, "--seconds", 1)
    run("export", "--controller", "walk", "--web", "page")
    assert (tmp_path / "page" / "index.html").is_file()
    run("export", "--controller", "walk", "--out", "bundle")
    run("verify", "bundle")
