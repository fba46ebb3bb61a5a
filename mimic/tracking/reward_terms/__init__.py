"""The room of the reward terms: every file registers one or more of them; see :mod:`mimic.tracking.reward`."""
