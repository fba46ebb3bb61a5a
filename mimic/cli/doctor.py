"""Checks of this machine. Each check reports a fact and a remedy; a check that raises an error counts as missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mimic.core.cache_folder import cache_folder
from mimic.core.printing import printable

State = Literal["ok", "note", "missing"]
_PACKAGES = ("torch", "mujoco", "numpy", "scipy", "gymnasium", "pybullet", "imageio-ffmpeg", "pillow", "tensorboard")
_OPTIONAL = {"pybullet": "the humanoid clips are downloaded, and there is no --engine bullet"}
_DISK_GB_WANTED = 2.0
_MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "missing": "[red]missing[/]"}


class Check(TypedDict):
    """The result of one check: its ``topic``, its ``state``, the fact ``found``, and in ``do`` the remedy, '' if none."""

    topic: str
    state: State
    found: str
    do: str


def doctor() -> dict[str, Any]:
    """Run all checks and return ``{"healthy", "findings", "versions"}``, ready for JSON.

    ``healthy`` is true if no check is "missing", so that ``run --clip NAME`` can work. ``findings`` is a list of `Check`, and
    ``versions`` maps each package to its version.
    """
    topics: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("threads", _threads),
        ("gpu", _gpu),
        ("simulation", _simulation),
        ("renderer", _renderer),
        ("video", _video),
        ("clips", _clips),
        ("cache", _cache),
        ("disk", _disk),
    )
    findings = [_checked(topic, check) for topic, check in topics]
    healthy = all(check["state"] != "missing" for check in findings)
    return {"healthy": healthy, "findings": findings, "versions": _versions()}


def print_report(report: dict[str, Any], console: Console | None = None) -> None:
    """Print the result of :func:`doctor` as a table, and every remedy on a line of its own that can be copied."""
    console = console or Console()
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in report["findings"]:
        table.add_row(check["topic"], _MARKS[check["state"]], escape(printable(check["found"])))
    console.print(table)
    console.print(
        "\nThis machine has everything that the main command needs." if report["healthy"] else "\nSomething is missing:"
    )
    for check in report["findings"]:
        if check["do"]:
            console.print(f"  {check['topic']}: {escape(printable(check['do']))}", soft_wrap=True)


def _checked(topic: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # a check that fails must not hide the others
        return _check(topic, "missing", f"{type(error).__name__}: {error}", "set up again with: make demo")


def _check(topic: str, state: State, found: str, do: str = "") -> Check:
    return {"topic": topic, "state": state, "found": found, "do": do}


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return _check("python", "ok", found)


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def _packages() -> Check:
    versions = _versions()
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version and name != "python")
    absent = [name for name, version in versions.items() if version is None]
    needed = [name for name in absent if name not in _OPTIONAL]
    if needed:
        return _check("packages", "missing", f"not installed: {', '.join(needed)}", "install them with: make demo")
    if absent:
        do = "; ".join(f"without {name}: {_OPTIONAL[name]}" for name in absent)
        return _check("packages", "note", f"{found}; not {', '.join(absent)}", f"{do} (no wheel for this Python)")
    return _check("packages", "ok", found)


def _threads() -> Check:
    import torch

    from mimic.rl.precision import bfloat16_is_fast
    from mimic.rl.threads import usable_cores

    usable = usable_cores()
    quick = "" if bfloat16_is_fast(torch.device("cpu")) else "not "
    found = f"{usable} processor cores for this program, {quick}built for bfloat16"
    if usable < 2:
        return _check("threads", "note", found, "training is about half as fast on one core as on two")
    return _check("threads", "ok", found)


def _gpu() -> Check:
    import torch

    from mimic.core.errors import InputError
    from mimic.sim import check_engine

    if torch.cuda.is_available():
        found = f"{torch.cuda.get_device_name(0)} (CUDA {torch.version.cuda})"
        if importlib.util.find_spec("mujoco_warp") is None:
            return _check("gpu", "note", f"{found}, without the engine that uses it", "pip install '.[gpu]'")
        try:
            check_engine("warp", "cuda")
        except InputError as error:
            return _check(
                "gpu", "note", f"{found}, which Warp does not find", str(error).removeprefix("--device cuda: ")
            )
        return _check("gpu", "ok", f"{found}: train with --engine warp --device cuda")
    return _check("gpu", "ok", "none: training runs on the processor, for which the presets are made")


def _simulation() -> Check:
    import mujoco

    from characters import character_names, load_character

    names = character_names()
    for name in names:
        mujoco.mj_step(model := load_character(name).mj_model(), mujoco.MjData(model))
    return _check("simulation", "ok", f"MuJoCo {mujoco.__version__} steps {', '.join(names)}")


def _renderer() -> Check:
    from mimic.core.errors import InputError
    from mimic.rendering import choose_renderer

    try:
        choice = choose_renderer()
    except InputError as error:
        return _check("renderer", "note", "no videos; everything else works", str(error))
    words = {
        "egl": "MuJoCo's own, with OpenGL (egl)",
        "ray": "ray casting on the CPU (ray)",
        "tiny": "pybullet's TinyRenderer (tiny)",
    }[choice.name]
    return _check("renderer", "ok", f"{words}: {choice.reason}", choice.advice)


def _video() -> Check:
    import imageio_ffmpeg

    return _check("video", "ok", f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()} writes MP4")


def _clips() -> Check:
    from mocap.catalogue import list_clips

    clips = list_clips()
    here = [clip for clip in clips if clip.available]
    absent = [clip.name for clip in clips if not clip.available]
    found = f"{len(here)} of {len(clips)} clips are on this machine"
    if not here:
        do = "they are downloaded when asked for; offline, set MIMIC_MOCAP to a folder that has them"
        return _check("clips", "note", found, do)
    if absent:
        do = f"{', '.join(absent)}: downloaded when asked for; offline, set MIMIC_MOCAP to a folder that has them"
        return _check("clips", "note", found, do)
    return _check("clips", "ok", found)


def _cache() -> Check:
    folder = cache_folder()
    files = [path for path in folder.rglob("*") if path.is_file()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    found = f"{len(files)} downloaded or repaired clips, {megabytes:.1f} MB, in {folder}"
    closest = next(path for path in (folder, *folder.parents) if path.exists())
    if not (closest.is_dir() and os.access(closest, os.W_OK)):
        do = "every command repairs its clips again: set MIMIC_CACHE to a folder that can be written to"
        return _check("cache", "note", f"{folder} cannot be written to", do)
    return _check("cache", "ok", found)


def _disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    found = f"{free:.1f} GB free in {Path.cwd()}"
    if free < _DISK_GB_WANTED:
        return _check("disk", "note", found, f"runs and videos need up to {_DISK_GB_WANTED:g} GB: pass --out elsewhere")
    return _check("disk", "ok", found)
