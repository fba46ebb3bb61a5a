"""The observation fields: every file registers one or more; see :mod:`mimic.tracking.observation`."""
