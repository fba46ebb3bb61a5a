"""Import pybullet without printing its banner."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

from mimic.core.errors import InputError


def load_pybullet() -> ModuleType:
    """Return the pybullet module.

    Raises:
        InputError: pybullet is not installed, or cannot be loaded on this machine.
    """
    if "pybullet" in sys.modules:
        return sys.modules["pybullet"]
    sys.stdout.flush()
    sys.stderr.flush()
    # the banner comes from C, so that only the file descriptors can keep it back
    saved, sink = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        return importlib.import_module("pybullet")
    except ImportError as error:
        raise InputError(
            f"pybullet cannot be imported ({error}); use CPython 3.11, the only version with wheels, and run: pip install pybullet"
        ) from error
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        os.close(sink)
