"""Sealed folders: nothing but what was written, under the names it was written."""

import os
from pathlib import Path

import pytest

from mimic.core.checked_folder import (
    CheckpointWriteError,
    _manifest_bytes,
    read_checked_folder,
    read_manifest,
    write_checked_folder,
)
from mimic.core.errors import CheckpointError


def _folder(tmp_path: Path, name: str = "one") -> Path:
    write_checked_folder(tmp_path / name, {"a.bin": b"123", "b.json": b"{}"}, {"step": 1})
    return tmp_path / name


def test_bytes_come_back_all_or_those_asked_for(tmp_path):
    folder = _folder(tmp_path)
    assert read_checked_folder(folder) == {"a.bin": b"123", "b.json": b"{}"}
    assert read_checked_folder(folder, ["b.json"]) == {"b.json": b"{}"}
    assert read_manifest(folder)["notes"] == {"step": 1}
    with pytest.raises(CheckpointError, match=r"has no c; it holds a\.bin, b\.json"):
        read_checked_folder(folder, ["c"])


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    write_checked_folder(_folder(tmp_path), {"c.bin": b""})
    assert read_checked_folder(tmp_path / "one") == {"c.bin": b""}
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize(
    "notes",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"format": 1, "files": {}, "notes": {}}',
        b"\xff",
        b'{"format": NaN}',
    ],
)
def test_odd_manifests_are_refused(tmp_path, notes):
    path = _folder(tmp_path)
    (path / "MANIFEST.json").write_bytes(notes)
    with pytest.raises(CheckpointError, match="damaged"):
        read_checked_folder(path)


def _forge(path, files=None, version=1):
    """A manifest that is consistent in itself, as an attacker would write it."""
    manifest = read_manifest(path)
    data = _manifest_bytes(files or manifest["files"], manifest["notes"], version)
    (path / "MANIFEST.json").write_bytes(data)


def test_a_newer_format_names_both_versions(tmp_path):
    path = _folder(tmp_path)
    _forge(path, version=99)
    with pytest.raises(CheckpointError, match=r"format 99.*format 1"):
        read_checked_folder(path)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "..", ".hidden", "a/b", "MANIFEST.json", ""])
def test_a_manifest_cannot_point_outside(tmp_path, name):
    path = _folder(tmp_path)
    (tmp_path / "outside").write_bytes(b"x")
    _forge(path, {name: {"size": 1, "sha256": "0" * 64}})
    with pytest.raises(CheckpointError, match="not a plain file name"):
        read_checked_folder(path)


@pytest.mark.parametrize("name", ["one", "two"])
@pytest.mark.parametrize("failing", ["fsync", "rename", "mkdir"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("torch says no")])
def test_failures_at_every_stage_are_one_clear_error(tmp_path, monkeypatch, name, failing, error):
    _folder(tmp_path)

    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(CheckpointWriteError, match="could not be saved"):
            _folder(tmp_path, name)
    assert [p.name for p in tmp_path.iterdir()] == ["one"]
    assert len(read_checked_folder(tmp_path / "one")) == 2
