"""Runs: from a preset to a run, from a run to a controller."""
