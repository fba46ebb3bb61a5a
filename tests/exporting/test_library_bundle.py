"""The bundle of a controller of a library: schema version 2, whose conductor in JavaScript does as Python's."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import run_mimic
from mimic.core.errors import InputError
from mimic.exporting.bundle import bundle_files
from mimic.exporting.verify import OF_LIBRARIES, verify
from mimic.runs.controller import load_controller
from tests.exporting import bundles
from tests.exporting.test_verify import change, reseal
from tests.sources import ROOT

PLAYERS = ROOT / "mimic" / "exporting" / "players"


def run_player(name: str, bundle: Path) -> "subprocess.CompletedProcess[str]":
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    command = ["node", str(PLAYERS / name), str(bundle)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return bundle_files(load_controller("dog-authored"))


@pytest.fixture
def bundle(files: dict[str, bytes], tmp_path: Path) -> Path:
    return bundles.write(tmp_path / "bundle", files)


def test_it_is_small_names_every_clip_and_its_licence_and_passes_verify(files, bundle, capsys):
    assert sum(map(len, files.values())) < 8e6
    assert len(files["library.bin"]) + len(files["weights.bin"]) < 6e6
    manifest = bundles.part(files, "manifest.json")
    clips = load_controller("dog-authored").clips
    assert manifest["schema_version"] == 2 and manifest["name"] == "dog-authored"
    assert [clip["name"] for clip in manifest["licence"]["clips"]] == [*clips]
    readme = files["README.md"].decode()
    assert all(f"* {name}: " in readme for name in clips) and "version 1" in readme
    assert all(bundles.part(files, f"{name}.json")["schema_version"] == 2 for name in OF_LIBRARIES)
    assert run_mimic.main(["verify", str(bundle)]) == 0
    assert "library reference" in capsys.readouterr().out


def test_reference_and_observation_in_javascript_are_pythons(bundle):
    said = run_player("check_library.mjs", bundle).stdout
    errors = dict(re.findall(r"^(\w+) +(\S+)$", said, re.M))
    assert set(errors) == {"reference", "observation", "action", "target", "motor", "fallen"}
    assert all(float(error) < 1e-3 for error in errors.values()), said
    rows = bundles.part({"p": (bundle / "performance.json").read_bytes()}, "p")["rows"]
    assert {row["fallen"] for row in rows} == {False, True}, "it stands, and it lies"
    reference = np.array([row["reference"] for row in rows])
    assert rows[-1]["time"] > 2.0 and np.ptp(reference[:, :2], axis=0).max() > 1.0, "it goes somewhere"


def test_the_check_notices_another_entry(bundle):
    data = np.frombuffer((bundle / "library.bin").read_bytes(), "<f4").copy()
    where = bundles.part({"l": (bundle / "library.json").read_bytes()}, "l")["tensors"]["entries.phase"]
    data[where["offset"] // 4 :] = (data[where["offset"] // 4 :] + 0.5) % 1.0
    reseal(bundle, "library.bin", data.tobytes())
    assert run_player("check_library.mjs", bundle).returncode == 1
    with pytest.raises(InputError, match=r"library reference is .* from the recorded vectors"):
        verify(bundle)


@pytest.mark.parametrize(
    ("name", "edit", "complaint"),
    [
        ("library.json", lambda part: part["clips"][0].update(first=10**6), "a clip lies outside the table"),
        ("library.json", lambda part: part["gaits"].append(99), "a gait is not one of the clips"),
        ("library.json", lambda part: part["clips"].pop(), "a column for each of"),
        ("library.json", lambda part: part.update(schema_version=1), "schema version 1, but the manifest says 2"),
        ("performance.json", lambda part: part.update(first=77), "its first clip is not in library.json"),
        ("performance.json", lambda part: part["commands"][0].update(play=77), "plays clip 77"),
    ],
)
def test_parts_that_do_not_fit_are_refused_in_one_line(bundle, name, edit, complaint):
    change(bundle, name, edit)
    with pytest.raises(InputError, match=complaint):
        verify(bundle)


def test_the_player_of_version_1_refuses_it_by_its_version(bundle):
    done = run_player("check.mjs", bundle)
    assert done.returncode != 0 and "schema version 2, this program reads 1" in done.stderr
