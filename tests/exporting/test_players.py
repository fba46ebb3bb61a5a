"""Every evaluator recomputes the test vectors from the plain numbers; each says so itself, with a check that can fail."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import mujoco
import pytest

from mimic.exporting import bundle as bundle_module
from mimic.exporting.observation_schema import EXPORTED_FIELDS
from mimic.exporting.runtime_free import SCHEMA_VERSION
from tests.exporting import bundles

PLAYERS = Path(bundle_module.__file__).with_name("players")
SAMPLES = PLAYERS.with_name("samples")
COMPARED = ("observation", "action", "target", "motor", "clock", "frames")


def tool(name: str) -> str:
    """The path of a program, or a skipped test."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (.ci/run installs it)")
    return path


def run(*command: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def built(*command: object) -> None:
    done = run(*command)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def edited(bundle, folder, name, edit):
    """A copy of the bundle with one JSON file changed; evaluators look at no hashes."""
    copy = shutil.copytree(bundle, folder)
    part = json.loads((copy / name).read_text())
    edit(part)
    (copy / name).write_text(json.dumps(part))
    return copy


def assert_right_and_can_be_wrong(check, bundle, tmp_path, **environment):
    done = run(*check, bundle, cwd=tmp_path, **environment)
    assert done.returncode == 0 and "OK" in done.stdout, done.stdout + done.stderr
    assert all(what in done.stdout for what in COMPARED)

    def add_a_little(vectors):
        vectors["states"][5]["action"][3] += 2e-4

    done = run(
        *check, edited(bundle, tmp_path / "wrong", "testvectors.json", add_a_little), cwd=tmp_path, **environment
    )
    assert done.returncode == 1 and "OFF" in done.stdout


def assert_refuses_another_version(check, bundle, tmp_path, **environment):
    other = edited(bundle, tmp_path / "other", "weights.json", lambda part: part.update(schema_version=9))
    done = run(*check, other, cwd=tmp_path, **environment)
    assert done.returncode not in (0, 1) or "rror" in done.stderr
    assert "weights.json" in done.stderr and "schema version 9" in done.stderr


@pytest.fixture(scope="module")
def javascript():
    return [tool("node"), PLAYERS / "check.mjs"]


@pytest.fixture(scope="module")
def cpp(tmp_path_factory):
    program = tmp_path_factory.mktemp("cpp") / "check"
    built(tool("g++"), "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", PLAYERS / "check.cpp", "-o", program)
    return [program]


@pytest.fixture(scope="module")
def csharp(tmp_path_factory):
    program = tmp_path_factory.mktemp("cs") / "check.exe"
    sources = (PLAYERS / "MimicController.cs", PLAYERS / "Check.cs")
    built(tool("mcs"), "-langversion:6", "-warnaserror", f"-out:{program}", *sources)
    return [tool("mono"), program]


@pytest.fixture(scope="module")
def gdscript():
    return [tool("godot3-server"), "--no-window", "-s", PLAYERS / "check.gd"]


@pytest.mark.parametrize("language", ["javascript", "cpp", "csharp", "gdscript"])
def test_an_evaluator_reproduces_the_test_vectors_and_notices_wrong_ones(language, bundle, tmp_path, request):
    check = request.getfixturevalue(language)
    # Godot writes its settings and its log somewhere: not at home, nor here
    environment = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"} if language == "gdscript" else {}
    assert_right_and_can_be_wrong(check, bundle, tmp_path, **environment)
    if bundle.name.startswith("bundle0"):
        assert_refuses_another_version(check, bundle, tmp_path, **environment)


def test_the_cpp_header_needs_no_trust_in_what_it_reads(cpp, tmp_path):
    """A bundle whose numbers point elsewhere is refused, not read from elsewhere."""
    sound = bundles.write(tmp_path / "sound", bundles.cartwheel())
    lies = (
        ("skeleton.json", lambda p: p["joints"][3].update(qpos=10**6)),
        ("skeleton.json", lambda p: p["bodies"][4].update(parent=12)),
        ("skeleton.json", lambda p: p["bodies"][4].update(joint=99)),
        ("weights.json", lambda p: p["tensors"]["weight.1"].update(offset=10**9)),
        ("weights.json", lambda p: p["tensors"]["weight.1"].update(shape=[256, 257])),
        ("weights.json", lambda p: p["tensors"].pop("shift")),
        ("reference.json", lambda p: p["tensors"]["table.pd_target"].update(shape=[1, 28])),
        ("reference.json", lambda p: p.update(clip_frames=10**6)),
        ("observation.json", lambda p: p["fields"][0].update(name="mood")),
    )
    for index, (name, edit) in enumerate(lies):
        done = run(*cpp, edited(sound, tmp_path / str(index), name, edit))
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, (name, done.stderr)
    (sound / "control.json").write_text("[" * 100_000)
    assert run(*cpp, sound).returncode == 2


def test_cpp_follows_the_recorded_rollout_in_mujocos_own_library(tmp_path):
    folder = Path(mujoco.__file__).parent
    library = next(folder.glob("libmujoco.so*"), None)
    if library is None:
        pytest.skip("this build of mujoco brings no shared library to link with")
    program, sound = tmp_path / "rollout", bundles.write(tmp_path / "sound", bundles.cartwheel())
    built(
        *(tool("g++"), "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", PLAYERS / "rollout.cpp"),
        *("-I", folder / "include", library, f"-Wl,-rpath,{folder}", "-o", program),
    )
    done = run(program, sound)
    assert done.returncode == 0 and "OK" in done.stdout, done.stdout + done.stderr
    weaker = edited(sound, tmp_path / "weaker", "control.json", lambda p: p["joints"][3].update(kp=510.0))
    assert run(program, weaker).returncode == 1


def test_the_unity_samples_compile(tmp_path):
    """Against stand-ins of the classes they name: their own mistakes are found, Unity's are not."""
    sources = [PLAYERS / "MimicController.cs", *sorted((SAMPLES / "unity").glob("*.cs"))]
    assert len(sources) == 3
    stubs = Path(__file__).with_name("unity_stubs.cs")
    command = [tool("mcs"), "-langversion:6", "-unsafe", "-target:library", "-nowarn:649,414"]
    built(*command, f"-out:{tmp_path / 'samples.dll'}", stubs, *sources)


def test_every_evaluator_knows_every_field_and_the_version():
    for name in ("mimic.mjs", "mimic.hpp", "MimicController.cs", "mimic_controller.gd"):
        text = (PLAYERS / name).read_text()
        version = {
            "mimic.mjs": "SCHEMA_VERSION =",
            "mimic.hpp": "kSchemaVersion =",
            "MimicController.cs": "SchemaVersion =",
        }
        assert f"{version.get(name, 'SCHEMA_VERSION =')} {SCHEMA_VERSION}" in text
        for field in EXPORTED_FIELDS:
            assert f'"{field}"' in text or f"\n  {field}: (s)" in text, (name, field)
