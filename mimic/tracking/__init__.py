"""The tracking task: observation, action, reward and termination around an engine and a reference motion."""

from mimic.rl.vec_env import Step, Termination
from mimic.tracking.clip_rules import ClipRules, rules_for, rules_of
from mimic.tracking.config import EnvConfig
from mimic.tracking.tracking_env import TrackingEnv, make_env, preprocess_motion

__all__ = [
    "ClipRules",
    "EnvConfig",
    "Step",
    "Termination",
    "TrackingEnv",
    "make_env",
    "preprocess_motion",
    "rules_for",
    "rules_of",
]
