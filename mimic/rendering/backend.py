"""Chooses the renderer for this machine: OpenGL if it works and has a GPU, else ray casting, else pybullet's TinyRenderer."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mimic.core.errors import InputError, nearest

RENDERERS = ("auto", "egl", "ray", "tiny")
APT_LINE = "sudo apt-get install -y libegl1 libgl1 libgl1-mesa-dri"
_PROBE = Path(__file__).with_name("egl_probe.py")
_PROBE_TIMEOUT_S = 40.0
_OFF = ("disable", "disabled", "off", "false", "0")  # MuJoCo's words

_SOFTWARE_GL = ("llvmpipe", "softpipe", "SWR")


@dataclass(frozen=True)
class Probe:
    """Whether OpenGL drew the test picture; ``detail`` names its renderer or, in one line, the failure."""

    works: bool
    detail: str


@dataclass(frozen=True)
class Backend:
    """The renderer ``name`` ('egl', 'ray' or 'tiny'), the ``reason`` for it, and ``advice`` on getting a better one, or ''."""

    name: str
    reason: str
    advice: str = ""


@cache
def probe_egl() -> Probe:
    """Test OpenGL by drawing a picture in another process, which takes about half a second; the result is cached.

    A driver that crashes or hangs harms only that process. ``MUJOCO_GL=off`` (disable, false, 0) forbids OpenGL.
    """
    setting = os.environ.get("MUJOCO_GL", "")
    if setting.lower().strip() in _OFF:
        return Probe(False, f"MUJOCO_GL={setting} forbids it")
    try:
        result = subprocess.run(
            [sys.executable, str(_PROBE)], capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Probe(False, f"no picture after {_PROBE_TIMEOUT_S:g} s")
    except OSError as error:
        return Probe(False, str(error))
    if result.returncode == 0:
        return Probe(True, result.stdout.strip())
    lines = result.stderr.strip().splitlines()
    said = lines[-1].split(". ")[0].strip() if lines else ""
    return Probe(False, said or f"the test program ended with code {result.returncode}")


def choose_renderer(wanted: str = "auto") -> Backend:
    """Choose the renderer: ``wanted``, or for "auto" a GPU's OpenGL or else the best of those that work here.

    Raises:
        InputError: an unknown name, or neither the wanted renderer nor, for "auto", any renderer works here.
    """
    if wanted not in RENDERERS:
        raise InputError(f"unknown renderer '{wanted}': {nearest(wanted, RENDERERS)}")
    if wanted == "ray":
        if not _has_embree():
            raise InputError("renderer 'ray' needs embreex, which is not installed: pip install embreex")
        return Backend("ray", "asked for")
    if wanted == "tiny":
        if not _has_pybullet():
            raise InputError("renderer 'tiny' needs pybullet, which is not installed; try --renderer ray")
        return Backend("tiny", "asked for")
    egl = probe_egl()
    on_cpu = "ray" if _has_embree() else "tiny" if _has_pybullet() else ""
    if egl.works:
        if wanted == "auto" and on_cpu and any(word in egl.detail for word in _SOFTWARE_GL):
            return Backend(on_cpu, f"OpenGL here has no GPU ({egl.detail})")
        return Backend("egl", f"OpenGL works off screen ({egl.detail})")
    if wanted == "egl":
        raise InputError(f"renderer 'egl' does not work here ({egl.detail}): {APT_LINE}, or use --renderer ray")
    if on_cpu:
        return Backend(
            on_cpu, f"OpenGL does not work here ({egl.detail})", f"MuJoCo's own pictures would need: {APT_LINE}"
        )
    raise InputError(
        f"nothing to draw with: embreex and pybullet are not installed, and OpenGL fails ({egl.detail}): "
        f"pip install embreex, or {APT_LINE}"
    )


def _has_embree() -> bool:
    return importlib.util.find_spec("embreex") is not None


def _has_pybullet() -> bool:
    return importlib.util.find_spec("pybullet") is not None
