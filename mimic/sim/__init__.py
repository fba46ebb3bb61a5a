"""Simulators behind one narrow interface; see :class:`mimic.sim.engine.Engine`."""

from characters import Character
from mimic.sim.engine import Engine
from mimic.sim.mujoco_engine import MujocoEngine

__all__ = ["Engine", "make_engine"]


def make_engine(character: Character, num_envs: int, threads: int = 0) -> Engine:
    """The CPU engine; ``threads`` 0 means all cores."""
    return MujocoEngine(character, num_envs, threads)
