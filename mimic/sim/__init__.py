"""Simulators behind one narrow interface; see :class:`mimic.sim.engine.Engine`."""

from typing import Literal, get_args

import torch

from characters import Character
from mimic.core.errors import InputError, nearest
from mimic.sim.engine import Engine
from mimic.sim.mujoco_engine import MujocoEngine

EngineName = Literal["mujoco", "warp", "bullet"]
DeviceName = Literal["cpu", "cuda"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)

__all__ = ["DEVICES", "ENGINES", "DeviceName", "Engine", "EngineName", "check_engine", "make_engine"]


def make_engine(
    character: Character,
    num_envs: int,
    threads: int = 0,
    engine: EngineName = "mujoco",
    device: DeviceName = "cpu",
) -> Engine:
    """``num_envs`` copies of a character in one of the simulators.

    ``mujoco`` is the CPU engine (``threads`` 0 means all cores), ``warp`` the GPU engine, ``bullet`` the second opinion.

    Raises:
        InputError: the engine is not installed, or the device is not there or not one it runs on.
    """
    check_engine(engine, device)
    # the others are extras, and slow to import
    if engine == "warp":
        from mimic.sim.warp_engine import WarpEngine

        return WarpEngine(character, num_envs, device)
    if engine == "bullet":
        from mimic.sim.bullet_engine import BulletEngine

        return BulletEngine(character, num_envs)
    return MujocoEngine(character, num_envs, threads)


def check_engine(engine: str, device: str, learning: bool = False) -> None:
    """Raises InputError where an engine cannot run on a device, and says what can.

    ``learning``: the device is the learner's, and an engine that runs on the CPU only simulates there.
    """
    if engine not in ENGINES:
        raise InputError(f"no engine '{engine}'; {nearest(engine, ENGINES)}")
    if device == "cpu":
        return
    if engine != "warp" and not learning:
        raise InputError(
            f"--device {device}: the {engine} engine runs on the CPU only; add --engine warp, or use --device cpu"
        )
    if not torch.cuda.is_available():
        raise InputError(f"--device {device}: torch finds no CUDA device here; use --device cpu")
