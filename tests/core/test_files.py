"""Files are there whole or not at all."""

import json
import os
import signal
import subprocess
import sys

import pytest

from mimic.core.errors import InputError
from mimic.core.files import publish_folder, read_file, restore_folder, write_bytes, write_json


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "evaluation.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": [1.5, None]})
    assert json.loads(path.read_text()) == {"a": [1.5, None]}
    assert [p.name for p in path.parent.iterdir()] == ["evaluation.json"]
    (tmp_path / "file").write_text("")
    for impossible in (tmp_path / "file" / "x.json", tmp_path / "new"):
        with pytest.raises(InputError, match=r"cannot be (written|made)"):
            write_json(impossible, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "new"], "nothing temporary is left"


def test_only_a_regular_file_within_the_limit_is_read(tmp_path):
    """Nothing is waited for: a FIFO without a writer would block for ever, and a device has no end."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "data").write_bytes(b"12345")
    assert read_file(tmp_path / "data", 5) == b"12345"
    for name, most, reason in (
        ("fifo", 5, "not a regular file"),
        ("endless", 5, "not a regular file"),
        (".", 5, "not a regular file"),
        ("data", 4, "larger than 4 bytes"),
        ("none", 5, "no such file"),
        ("a\0b", 5, "cannot be read"),
    ):
        with pytest.raises(InputError, match=reason):
            read_file(tmp_path / name, most)


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    write_bytes(path, b"before")

    def full(self, data):
        with open(self, "wb") as file:
            file.write(data[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"picture\.png: cannot be written \(No space left on device\)"):
        write_bytes(path, b"after")
    assert path.read_bytes() == b"before" and [p.name for p in tmp_path.iterdir()] == ["picture.png"]


_PUBLISH_AND_DIE = """
import os, signal, sys
from pathlib import Path
from mimic.core.files import publish_folder
calls, deadly = 0, int(sys.argv[2])
def counted(call):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kwargs)
    return wrapped
for name in ("mkdir", "rename", "rmdir", "unlink", "fsync"):
    setattr(os, name, counted(getattr(os, name)))
publish_folder(Path(sys.argv[1]), {"new": b"2", "in/side": b"3"})
"""


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_kill_at_any_moment_leaves_the_old_folder_or_the_new_one(tmp_path):
    """A child dies at its first, second, ... change of the disk, until it outlives them all."""
    old, new = {"old": b"1"}, {"new": b"2", "in/side": b"3"}
    seen, code, step = [], -signal.SIGKILL, 0
    while code == -signal.SIGKILL:
        step += 1
        out = tmp_path / str(step) / "bundle"
        publish_folder(out, old)
        code = subprocess.run([sys.executable, "-c", _PUBLISH_AND_DIE, str(out), str(step)], check=False).returncode
        restore_folder(out)
        seen.append(content(out))
    assert (
        code == 0 and seen[-1] == new and content(out.parent) == {f"bundle/{name}": data for name, data in new.items()}
    )
    assert seen == sorted(seen, key=lambda found: found == new), "the old one until the new one is there"
    assert all(found in (old, new) for found in seen) and old in seen


def test_a_folder_published_after_a_kill_replaces_what_was_moved_aside(tmp_path):
    out = tmp_path / "bundle"
    publish_folder(out, {"old": b"1"})
    os.rename(out, tmp_path / ".tmp-replaced-bundle")
    publish_folder(out, {"new": b"2"})
    assert content(tmp_path) == {"bundle/new": b"2"}
