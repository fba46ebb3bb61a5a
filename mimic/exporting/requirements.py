"""Conditions that an export checks before it computes anything."""

from mimic.core.errors import InputError
from mimic.runs.controller import Controller
from mocap.catalogue import names_in


def require_one_clip(controller: Controller) -> None:
    """Raise InputError if a controller was trained on several clips: exported files hold one."""
    if len(names_in(controller.clip)) > 1:
        raise InputError(
            f"{controller.path}: was trained on several clips; an export holds one. `mimic steer` films such a controller"
        )
