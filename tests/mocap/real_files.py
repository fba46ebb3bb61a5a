"""The real motion files that tests read where MIMIC_MOCAP names a folder with them."""

import os
from pathlib import Path

import pytest


def real_file(name: str) -> Path:
    """A file under MIMIC_MOCAP, or a skip with the reason."""
    folder = os.environ.get("MIMIC_MOCAP")
    if not folder or not (Path(folder) / name).is_file():
        pytest.skip(f"needs {name} in the folder that MIMIC_MOCAP names")
    return Path(folder) / name
