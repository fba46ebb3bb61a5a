"""The reward terms: every file registers one or more; see :mod:`mimic.tracking.reward`."""
