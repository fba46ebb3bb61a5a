"""The tracking task: observation, action, reward and termination around an engine and a reference motion."""

from mimic.rl.vec_env import End, Step
from mimic.tracking.clip_rules import TaskConfig, task_for, task_of
from mimic.tracking.config import EnvConfig
from mimic.tracking.tracking_env import TrackingEnv, make_env, prepared

__all__ = ["End", "EnvConfig", "Step", "TaskConfig", "TrackingEnv", "make_env", "prepared", "task_for", "task_of"]
