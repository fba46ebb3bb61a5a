"""Settings of the whole suite: one torch thread (the tests are small, and run side by side), and the program's name."""

import pytest
import torch

from mimic.core import program

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def program_name(monkeypatch):
    """Restore the program's name, which ``main`` of the installed program changes."""
    monkeypatch.setattr(program, "name", program.name)
