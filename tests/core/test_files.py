"""Files are there whole or not at all."""

import json

import pytest

from mimic.core.errors import InputError
from mimic.core.files import write_bytes, write_json


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


def test_what_was_there_stays_when_the_disk_is_full(tmp_path, monkeypatch):
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
