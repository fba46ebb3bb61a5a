"""The room of the observation fields: every file registers some of them; see :mod:`mimic.tracking.observation`."""
