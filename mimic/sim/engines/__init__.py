"""The engines: each file registers one class under the file's name; see :class:`mimic.sim.engine.Engine`."""
