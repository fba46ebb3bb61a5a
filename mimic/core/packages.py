"""Packages that only some commands need."""

import importlib.util

from mimic.core.errors import InputError


def require_package(package: str, extra: str) -> None:
    """Raise InputError unless an optional package is installed; the message names the command that installs it."""
    if importlib.util.find_spec(package) is None:
        raise InputError(f"the package '{package}' is missing; install it: pip install 'mimic-animation[{extra}]'")
