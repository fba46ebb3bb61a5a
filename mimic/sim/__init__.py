"""Simulators behind one narrow interface; see :class:`mimic.sim.engine.Engine`."""

from mimic.sim.engine import Engine, make_engine

__all__ = ["Engine", "make_engine"]
