"""Gymnasium's MuJoCo tasks for many copies at once.

Every step has the results of Gymnasium's own task, at 1.3 to 1.7 times the speed on one core.
"""
