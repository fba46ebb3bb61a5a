"""Keeps ``import mujoco`` from failing because of ``MUJOCO_GL``; import this module first.

MuJoCo loads the OpenGL library that ``MUJOCO_GL`` names. ``import mujoco`` therefore fails if that library is missing
or the name is unknown. Simulation needs no OpenGL, so this module removes such a setting and reports it in
:data:`IGNORED`. Settings that work are kept.
"""

import ctypes
import ctypes.util
import os
import platform
import sys

_LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}
_ALWAYS_FINE = {"", "glfw", "enable", "enabled", "on", "true", "1", "disable", "disabled", "off", "false", "0"}
_FINE_ON = {"Linux": {"glx"}, "Windows": {"wgl"}, "Darwin": {"cgl"}}


def problem_with(setting: str) -> str:
    """Return the reason why MuJoCo cannot be imported with this value of ``MUJOCO_GL``; '' if it can be imported."""
    name, system = setting.lower().strip(), platform.system()
    if name in _ALWAYS_FINE | _FINE_ON.get(system, set()):
        return ""
    if system != "Linux" or name not in _LIBRARIES:
        return f"MuJoCo has no such setting on {system}"
    return "" if _loads(_LIBRARIES[name]) else f"lib{_LIBRARIES[name]} is not installed"


def drop_bad_setting() -> str:
    """Remove ``MUJOCO_GL`` from the environment if it would break ``import mujoco``.

    Returns a message that gives the reason; '' if nothing was removed.
    """
    setting = os.environ.get("MUJOCO_GL", "")
    problem = "" if "mujoco" in sys.modules else problem_with(setting)
    if problem:
        del os.environ["MUJOCO_GL"]
        return f"MUJOCO_GL={setting} was ignored: {problem}"
    return ""


def _loads(library: str) -> bool:
    found = ctypes.util.find_library(library)
    try:
        return found is not None and ctypes.CDLL(found) is not None
    except OSError:
        return False


IGNORED = drop_bad_setting()
