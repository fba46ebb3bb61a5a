"""Evaluation of policies: episodes without training aids, metrics, footfalls, pushes."""
