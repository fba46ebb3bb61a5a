"""A process killed while it saves, packs or exports leaves whole things only; ``make kill`` does it a thousand times."""

import pytest
import torch

from mimic.core import checkpoint
from mimic.core.errors import CheckpointError
from tests.reliability.kill_writes import kill, writers

KILLS = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    torch.set_num_threads(1)
    return writers(tmp_path_factory.mktemp("writers"))


@pytest.mark.parametrize("name", ["saves", "packs", "bundles", "zips"])
def test_what_was_finished_is_whole_and_nothing_else_passes_for_it(made, name):
    outcome = kill(made[name], KILLS, seed=5)
    assert outcome.kills == KILLS and outcome.written > 0


def test_the_check_finds_a_lost_and_a_damaged_checkpoint(made):
    saves = made["saves"]
    last = checkpoint.steps(saves.folder)[-1]
    with pytest.raises(AssertionError, match=f"finished {last + 2}"):
        saves.check(last + 2)
    file = next((saves.folder / f"{last:09d}").glob("policy*"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged"):
        saves.check(last)
