"""The tracking task: observation, action, reward and termination around an engine and a reference motion."""

from mimic.env.config import EnvConfig
from mimic.env.tasks import TaskConfig, task_for
from mimic.env.tracking_env import End, Step, TrackingEnv, make_env

__all__ = ["End", "EnvConfig", "Step", "TaskConfig", "TrackingEnv", "make_env", "task_for"]
