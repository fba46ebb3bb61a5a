"""Conditions that an export checks before it computes anything."""

import importlib.util

from mimic.core.errors import InputError
from mimic.runs.controller import Controller
from mocap.catalogue import names_in


def require_package(package: str, extra: str) -> None:
    """Raise InputError unless an optional package is installed; the message names the command that installs it."""
    if importlib.util.find_spec(package) is None:
        raise InputError(f"the package '{package}' is missing; install it: pip install 'mimic-animation[{extra}]'")


def require_one_clip(controller: Controller) -> None:
    """Raise InputError if a controller was trained on several clips: exported files hold one."""
    if len(names_in(controller.clip)) > 1:
        raise InputError(
            f"{controller.path}: was trained on several clips; an export holds one. `steer` films such a controller"
        )
