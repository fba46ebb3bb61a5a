"""The tracking task: observation, action, reward and termination around an engine and a reference motion."""

from mimic.env.config import EnvConfig
from mimic.env.tasks import TaskConfig, task_for, task_of
from mimic.env.tracking_env import TrackingEnv, make_env, prepared
from mimic.learn.vec_env import End, Step

__all__ = ["End", "EnvConfig", "Step", "TaskConfig", "TrackingEnv", "make_env", "prepared", "task_for", "task_of"]
