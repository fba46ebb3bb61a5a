"""Metrics of an evaluation: each file registers one with ``mimic.evaluation.metric.METRICS``."""
