"""Checkpoints: whole or absent, and every damaged bit is noticed."""

import json
import os
import random
import resource
import signal
import time

import pytest
import torch

from mimic.core import checked_folder, checkpoint
from mimic.core.checkpoint import CheckpointWriteError
from mimic.core.errors import CheckpointError

TENSORS = {
    "policy": {"weight": torch.arange(12.0).view(3, 4), "count": torch.tensor(3.0, dtype=torch.float64)},
    "replay": {
        "end": torch.tensor([[0, 1], [2, 3]], dtype=torch.int8),
        "valid": torch.tensor([True, False]),
        "empty": torch.zeros(0, 5),
        "rng": torch.Generator().manual_seed(1).get_state(),
    },
    "nothing": {},
}
META = {"counters": {"samples": 12, "best_score": None}, "lr": 1e-4}


def _save(root, step=1, **more):
    return checkpoint.save(root, step, TENSORS, META, **more)


def _equal(found) -> bool:
    return found.keys() == TENSORS.keys() and all(
        found[group].keys() == named.keys()
        and all(torch.equal(found[group][n], t) and found[group][n].dtype == t.dtype for n, t in named.items())
        for group, named in TENSORS.items()
    )


def test_a_saved_checkpoint_loads_with_the_same_content(tmp_path):
    path = _save(tmp_path)
    found = checkpoint.load(path)
    assert path.name == "000000001"
    assert _equal(found.tensors)
    assert found.meta["counters"] == META["counters"] and found.meta["lr"] == 1e-4
    assert found.step == 1 and found.warnings == ()
    assert not list(tmp_path.glob(".tmp*"))


def test_views_sharing_memory_are_saved(tmp_path):
    base = torch.arange(10.0)
    path = checkpoint.save(tmp_path, 1, {"a": {"x": base[:5], "y": base[::2], "z": base}}, {})
    found = checkpoint.load(path).tensors["a"]
    assert torch.equal(found["x"], base[:5]) and torch.equal(found["y"], base[::2])


def test_last_three_and_the_best_are_kept(tmp_path):
    for step, score in enumerate([0.1, 0.9, None, 0.3, None, 0.2, float("nan")]):
        _save(tmp_path, step, score=score)
    assert checkpoint.steps(tmp_path) == [1, 4, 5, 6]
    assert checkpoint.best(tmp_path) == tmp_path / "000000001"
    assert checkpoint.latest(tmp_path).step == 6


def test_a_sound_checkpoint_is_left_alone_and_a_damaged_one_replaced(tmp_path):
    path = _save(tmp_path)
    before = path.stat().st_ino
    assert _save(tmp_path).stat().st_ino == before
    (path / "meta.json").write_text("{}")
    _save(tmp_path)
    assert checkpoint.load(path).step == 1


def test_a_score_that_comes_after_its_checkpoint_is_not_lost(tmp_path):
    path = _save(tmp_path)
    assert checkpoint.best(tmp_path) is None
    _save(tmp_path, score=0.5)
    assert checkpoint.best(tmp_path) == path and _equal(checkpoint.load(path).tensors)
    before = path.stat().st_ino
    assert _save(tmp_path, score=0.4).stat().st_ino == before, "the first score is of this very policy"


def _files(path):
    return sorted(p for p in path.iterdir())


def test_every_flipped_bit_is_noticed(tmp_path):
    path = _save(tmp_path, spec={"clip": "walk"})
    pick = random.Random(0)
    flips = [(file, pick.randrange(file.stat().st_size), pick.randrange(8)) for file in _files(path) for _ in range(40)]
    assert len(flips) >= 200
    for file, place, bit in flips:
        whole = file.read_bytes()
        data = bytearray(whole)
        data[place] ^= 1 << bit
        file.write_bytes(bytes(data))
        with pytest.raises(CheckpointError):
            checkpoint.load(path)
        file.write_bytes(whole)
    assert _equal(checkpoint.load(path).tensors)


def test_every_truncation_and_extension_is_noticed(tmp_path):
    path = _save(tmp_path)
    for file in _files(path):
        whole = file.read_bytes()
        for data in (
            b"",
            whole[:1],
            whole[: len(whole) // 2],
            whole[:-1],
            whole + b"\0",
            whole + b"\n",
            whole * 2,
        ):
            file.write_bytes(data)
            with pytest.raises(CheckpointError):
                checkpoint.load(path)
        file.unlink()
        with pytest.raises(CheckpointError, match="no such file"):
            checkpoint.load(path)
        file.write_bytes(whole)


def test_swapped_files_links_and_odd_files_are_refused(tmp_path):
    path = _save(tmp_path)
    a, b = path / "policy.safetensors", path / "replay.safetensors"
    ours, theirs = a.read_bytes(), b.read_bytes()
    a.write_bytes(theirs), b.write_bytes(ours)
    with pytest.raises(CheckpointError):
        checkpoint.load(path)
    a.write_bytes(ours), b.write_bytes(theirs)
    outside = tmp_path / "outside"
    outside.write_bytes(ours)
    a.unlink(), a.symlink_to(outside)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(path)
    a.unlink(), os.mkfifo(a)
    with pytest.raises(CheckpointError, match="not a regular file"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04\x95junk",
        b"\xff" * 64,
        (10**6).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (100).to_bytes(8, "little")
        + b'{"x": {"dtype": "F32", "shape": [9999999999, 9999999999], "data_offsets": [0, 4]}}'.ljust(100)
        + b"1234",
    ],
)
def test_nonsense_in_a_whole_folder_is_refused(tmp_path, data):
    checked_folder.write_checked_folder(
        tmp_path / "000000001",
        {"policy.safetensors": data, "meta.json": b'{"step": 1}', "controller.json": b"{}"},
    )
    for load in (checkpoint.load, checkpoint.read_controller):
        with pytest.raises(CheckpointError, match="not a safetensors file"):
            load(tmp_path / "000000001")


@pytest.mark.parametrize("meta", [b"", b"[]", b"{", b"{}", b'{"step": "1"}', b"[" * 100_000])
def test_nonsense_in_a_whole_folder_for_meta_is_refused(tmp_path, meta):
    checked_folder.write_checked_folder(tmp_path / "000000001", {"meta.json": meta})
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "000000001")


def test_latest_falls_back_from_a_damaged_checkpoint_with_a_warning(tmp_path):
    for step in (1, 2, 3):
        _save(tmp_path, step)
    (tmp_path / "000000003" / "policy.safetensors").write_bytes(b"broken")
    (tmp_path / "000000002" / "MANIFEST.json").unlink()
    found = checkpoint.latest(tmp_path)
    assert found.step == 1
    assert len(found.warnings) == 2 and "000000003" in found.warnings[0]
    (tmp_path / "000000001" / "meta.json").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no undamaged checkpoint"):
        checkpoint.latest(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        checkpoint.latest(tmp_path / "nowhere")


def test_a_checkpoint_of_other_package_versions_loads_with_a_warning(tmp_path, monkeypatch):
    path = _save(tmp_path)
    monkeypatch.setattr(checkpoint, "_versions", lambda: {"torch": "99"})
    assert "may differ in the last bits" in checkpoint.load(path).warnings[0]


def test_controller_round_trip_and_replacement(tmp_path):
    folder = tmp_path / "walk"
    for clip in ("walk", "run"):
        checkpoint.write_controller(folder, TENSORS["policy"], {"clip": clip})
        found = checkpoint.read_controller(folder)
        assert found.spec == {"clip": clip}
        assert torch.equal(found.policy["weight"], TENSORS["policy"]["weight"])
    assert [p.name for p in tmp_path.iterdir()] == ["walk"]
    (folder / "controller.json").write_text('{"clip": "walk"}')
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.read_controller(folder)


def test_a_checkpoint_with_a_spec_is_a_controller_whatever_became_of_its_replay(tmp_path):
    path = _save(tmp_path, spec={"clip": "walk"})
    (path / "replay.safetensors").unlink()
    assert checkpoint.read_controller(path).spec == {"clip": "walk"}
    with pytest.raises(CheckpointError, match="has no controller"):
        checkpoint.read_controller(_save(tmp_path, 2))


def test_orphans_are_cleared_and_an_interrupted_replacement_is_undone(tmp_path):
    path = _save(tmp_path)
    (tmp_path / ".tmp-123-000000002").mkdir()
    (tmp_path / ".tmp-123-000000002" / "policy.safetensors").write_bytes(b"half")
    path.rename(tmp_path / ".tmp-replaced-000000001")
    checkpoint.remove_orphans(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["000000001"]
    assert checkpoint.latest(tmp_path).step == 1
    assert checkpoint.remove_orphans(tmp_path / "nowhere") == []


def test_a_kill_while_saving_loses_no_checkpoint(tmp_path):
    """A child saves in a loop and reports each; killed at random, the newest loads and is not older than reported."""
    rng = random.Random(0)
    big = {"policy": {"w": torch.zeros(300_000)}}
    first = 1
    for _ in range(20):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            torch.set_num_threads(1)  # the parent's thread pool does not survive a fork
            checkpoint.remove_orphans(tmp_path)
            for step in range(first, first + 10_000):
                checkpoint.save(tmp_path, step, {**TENSORS, **big}, META)
                os.write(writer, step.to_bytes(4, "little"))
        os.close(writer)
        reported = os.read(reader, 4)  # one save at least
        time.sleep(rng.uniform(0.0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while chunk := os.read(reader, 4):
            reported = chunk
        os.close(reader)
        done = int.from_bytes(reported, "little")
        found = checkpoint.latest(tmp_path)
        assert found.step >= done and not found.warnings
        first = found.step + 1
    checkpoint.remove_orphans(tmp_path)
    assert not list(tmp_path.glob(".tmp*"))


def test_a_full_disk_leaves_the_previous_and_no_rubbish(tmp_path):
    """The limit on file size makes writing fail as a full disk does; in a child, for it cannot be lifted again."""
    _save(tmp_path, 1)
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            checkpoint.save(tmp_path, 2, {"policy": {"w": torch.zeros(100_000)}}, META)
        except CheckpointWriteError as error:
            os._exit(0 if "earlier checkpoints are intact" in str(error) and error.exit_code == 5 else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["000000001"]
    assert _equal(checkpoint.latest(tmp_path).tensors)


def test_preflight_refuses_a_disk_without_room(tmp_path):
    checkpoint.preflight(tmp_path / "new", 1000)
    with pytest.raises(CheckpointWriteError, match="free some space"):
        checkpoint.preflight(tmp_path, 10**18)


def test_manifest_is_readable_json(tmp_path):
    manifest = json.loads((_save(tmp_path, score=0.5) / "MANIFEST.json").read_text())
    assert manifest["notes"] == {"score": 0.5, "step": 1}
    assert manifest["files"]["meta.json"]["size"] > 0
