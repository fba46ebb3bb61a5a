"""Simulators behind one narrow interface; see :class:`mimic.sim.engine.Engine`.

This module imports neither torch nor a simulator. The registry imports an engine's file when that engine is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from mimic.core.errors import InputError
from mimic.core.registry import Registry

if TYPE_CHECKING:
    from characters import Character
    from mimic.sim.engine import Engine

DeviceName = Literal["cpu", "cuda"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
ENGINES: Registry[type[Engine]] = Registry("engine", room="mimic.sim.engines", one_per_file=True)

__all__ = ["DEVICES", "ENGINES", "DeviceName", "check_engine", "make_engine", "simulation_device"]


def make_engine(
    character: Character, num_envs: int, threads: int = 0, engine: str = "mujoco", device: DeviceName = "cpu"
) -> Engine:
    """Make the engine called ``engine``, with ``num_envs`` copies of a character; ``threads`` 0 means all cores.

    Raises:
        InputError: no engine has the name, the engine is not installed or does not run on the device, or this machine
            has no such device.
    """
    check_engine(engine, device)
    return ENGINES.get(engine).create(character, num_envs, threads, device)


def simulation_device(engine: str, device: DeviceName) -> DeviceName:
    """Return the device on which an engine simulates for a learner on ``device``.

    This is the learner's device if the engine runs there, else the CPU.

    Raises:
        InputError: no engine has the name, or the engine is not installed.
    """
    return device if device == "cpu" or device in ENGINES.get(engine).devices else "cpu"


def check_engine(engine: str, device: str, learning: bool = False) -> None:
    """Raise InputError if an engine cannot run on a device; the message names a device or engine that works.

    With ``learning`` the device is the learner's. An engine that runs on the CPU only is then no error, because it
    simulates on the CPU.
    """
    devices = ENGINES.get(engine).devices
    if device == "cpu":
        return
    if device not in devices and not learning:
        others = "".join(f"add --engine {name}, or " for name in _engines_on(device))
        raise InputError(f"--device {device}: the {engine} engine runs on the CPU only; {others}use --device cpu")
    import torch

    if not torch.cuda.is_available():
        raise InputError(f"--device {device}: torch finds no CUDA device here; use --device cpu")
    if device in devices:
        ENGINES.get(engine).check_device(device)


def _engines_on(device: str) -> list[str]:
    """Return the names of the installed engines that run on ``device``."""
    names = []
    for name in ENGINES:
        try:
            engine = ENGINES.get(name)
        except InputError:  # an extra that is not installed
            continue
        names += [name] if device in engine.devices else []
    return names
