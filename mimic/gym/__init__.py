"""Gymnasium: tracking environments registered as Gymnasium's."""
