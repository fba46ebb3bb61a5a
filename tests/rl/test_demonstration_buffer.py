"""A buffer of demonstrations keeps the newest, in memory and on disk."""

import pytest
import torch

from mimic.core.errors import CheckpointError
from mimic.rl.demonstration_buffer import Demonstrations
from mimic.rl.normalizer import RunningNormalizer


def buffer(capacity=10, count=0):
    data = Demonstrations(capacity, 2, RunningNormalizer(3))
    for value in range(count):
        add(data, value)
    return data


def add(data, value):
    data.add(torch.zeros(1, 3), torch.full((1, 2), float(value)), torch.ones(1))


def test_a_full_buffer_gives_up_its_oldest_and_the_newest_can_be_drawn_alone():
    data, random = buffer(count=25), torch.Generator().manual_seed(4)
    assert set(data.draw(500, data.size, random)[1][:, 0].tolist()) == set(map(float, range(15, 25)))
    assert set(data.draw(100, 3, random)[1][:, 0].tolist()) == {22.0, 23.0, 24.0}


def saved(folder):
    """A buffer of ten that was saved after 4, 9, 16 and 18."""
    data, last = buffer(), 0
    for end in (4, 9, 16, 18):
        for value in range(last, end):
            add(data, value)
        data.save(folder, last)
        last = end
    return data


def test_a_buffer_is_the_same_after_a_stop_and_forgets_what_came_later(tmp_path):
    whole = saved(tmp_path)
    again = buffer()
    again.load(tmp_path, 18)
    assert again.total == 18 and torch.equal(again._rows, whole._rows)
    again.load(tmp_path, 16)
    assert again.total == 16 and torch.equal(again._rows, buffer(count=16)._rows)
    assert [path.name[-2:] for path in sorted(tmp_path.iterdir())] == ["04", "09", "16"]


def test_folders_that_no_checkpoint_needs_go(tmp_path):
    data = saved(tmp_path)
    data.forget(tmp_path, 16)
    assert [path.name[-2:] for path in sorted(tmp_path.iterdir())] == ["09", "16", "18"]


def test_demonstrations_that_are_missing_damaged_or_others_are_refused(tmp_path):
    saved(tmp_path)
    with pytest.raises(CheckpointError, match="expected 5 columns of float16"):
        Demonstrations(10, 1, RunningNormalizer(3)).load(tmp_path, 18)
    file = tmp_path / f"{16:012d}" / "rows.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        buffer().load(tmp_path, 18)
    file.unlink()
    file.with_name("MANIFEST.json").unlink()
    file.parent.rmdir()
    with pytest.raises(CheckpointError, match="holds 7 of the 10 demonstrations"):
        buffer().load(tmp_path, 18)
