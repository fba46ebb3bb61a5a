"""Gymnasium's MuJoCo tasks for many copies at once: equal step for step, 1.3 to 1.7 times as quick on one core."""
