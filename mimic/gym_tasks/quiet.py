"""Silence MuJoCo's warnings about Gymnasium's old models, on stdout and in MUJOCO_LOG.TXT."""

from collections.abc import Iterator
from contextlib import contextmanager

import mujoco


@contextmanager
def quiet_mujoco() -> Iterator[None]:
    """Silence MuJoCo's warnings while the context lasts."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(_ignore)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def _ignore(text: str) -> None:
    pass
