"""Gymnasium interfaces of the tracking environments."""
