"""The doctor reports missing parts and their remedies, and survives checks that fail."""

import io
import json

import pytest
from rich.console import Console

from mimic.cli import doctor as room
from mimic.cli.doctor import doctor, print_report
from mimic.rendering import backend as choice
from mimic.rendering.backend import APT_LINE, Probe

TOPICS = {"python", "packages", "threads", "gpu", "simulation", "renderer", "video", "clips", "cache", "disk"}


def _printed(report: dict) -> str:
    text = io.StringIO()
    print_report(report, Console(file=text, width=100))
    return text.getvalue()


def _finding(report: dict, topic: str) -> dict:
    return next(finding for finding in report["findings"] if finding["topic"] == topic)


def test_a_report_covers_everything_and_is_json() -> None:
    report = doctor()
    assert {finding["topic"] for finding in report["findings"]} == TOPICS
    assert json.loads(json.dumps(report)) == report
    assert report["versions"]["mujoco"]
    assert all(topic in _printed(report) for topic in TOPICS)


def test_the_doctor_names_the_command_to_type_if_opengl_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "probe_egl", lambda: Probe(False, "libEGL [is] not installed"))
    report = doctor()
    assert "(ray)" in _finding(report, "renderer")["found"]
    assert APT_LINE in _printed(report) and "[is]" in _printed(report)


def test_a_machine_without_a_renderer_is_a_note_and_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "probe_egl", lambda: Probe(False, "nothing"))
    monkeypatch.setattr(choice, "_has_embree", lambda: False)
    monkeypatch.setattr(choice, "_has_pybullet", lambda: False)
    assert _finding(doctor(), "renderer")["state"] == "note"


def test_a_missing_package_and_a_check_that_fails_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> room.Check:
        raise OSError("no such disk")

    monkeypatch.setattr(room, "_PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setattr(room, "_disk", fail)
    report = doctor()
    assert not report["healthy"]
    assert "no-such-package" in _finding(report, "packages")["found"]
    assert "no such disk" in _finding(report, "disk")["found"]
    assert "Something is missing" in _printed(report)


@pytest.mark.parametrize(
    ("installed", "state", "word"), [(True, "ok", "--engine warp"), (False, "note", "pip install")]
)
def test_the_doctor_says_how_to_use_a_gpu(monkeypatch, installed, state, word):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: "a card")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    monkeypatch.setattr(
        "mimic.sim.check_engine", lambda engine, device: None
    )  # tests/gpu/test_first_gpu.py has the rest
    finding = room._gpu()
    assert finding["state"] == state and word in finding["found"] + finding["do"]


def test_the_doctor_measures_the_cache_and_says_if_it_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "repaired").mkdir()
    for name in ("one", "two"):
        (tmp_path / "repaired" / name).write_bytes(bytes(600_000))
    monkeypatch.setenv("MIMIC_CACHE", str(tmp_path))
    assert room._cache() == room._check("cache", "ok", f"2 downloaded or repaired clips, 1.2 MB, in {tmp_path}")
    inside_a_file = tmp_path / "repaired" / "one" / "cache"
    monkeypatch.setenv("MIMIC_CACHE", str(inside_a_file))
    finding = room._cache()
    assert finding["state"] == "note" and str(inside_a_file) in finding["found"] and "MIMIC_CACHE" in finding["do"]
