"""Gymnasium's MuJoCo tasks for many copies at once: equal step for step, about twice as quick on one core."""
