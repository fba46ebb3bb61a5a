"""Settings of the whole suite: one torch thread (the tests are small, and run side by side), the program's name, and torch's seed."""

import pytest
import torch

from mimic.core import program

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def program_name(monkeypatch):
    """Name the program as the script does, whatever an earlier test's ``main`` has named it."""
    monkeypatch.setattr(program, "name", "run_mimic.py")


@pytest.fixture(autouse=True)
def torch_seed():
    """Seed torch's own generator, so that a test which draws from it sees the same numbers every time."""
    torch.manual_seed(0)
