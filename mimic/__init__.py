"""Motion imitation: from a mocap clip to a simulated character that performs it.

Eight functions cover the way from a file to a controller in a game engine::

    import mimic

    result = mimic.retarget("walk.bvh", "humanoid", out="walk.npz")
    run = mimic.train("walk.npz", out="runs/walk", minutes=10)
    controller = mimic.load_controller("runs/walk")
    print(mimic.evaluate(controller).report.normalized_return)
    mimic.render(controller, "walk.mp4")
    mimic.export(controller, "walk_bundle")

Everything is imported when it is first used, so that ``import mimic`` costs neither torch nor MuJoCo.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from characters import CHARACTERS, Character, register_character
    from mimic.analysis.curves import curve_table, read_groups
    from mimic.cli.main import main
    from mimic.core.errors import CheckpointError, ClipError, ConfigError, InputError
    from mimic.evaluation.evaluate import evaluate as evaluate_policy
    from mimic.evaluation.metric import METRICS
    from mimic.evaluation.report import EvaluationReport
    from mimic.public import evaluate, export, load_preset, make_env, register_envs, render, retarget, train
    from mimic.rendering import RenderReport
    from mimic.rl.algorithms import ALGORITHMS
    from mimic.rl.metrics_log import read_rows
    from mimic.rl.trainer import TrainResult
    from mimic.runs.controller import Controller, load_controller
    from mimic.runs.evaluate_controller import ControllerEvaluation
    from mimic.runs.preset import Preset
    from mimic.runs.tasks import TASKS
    from mimic.sim import ENGINES
    from mimic.tracking import EnvConfig, TrackingEnv
    from mimic.tracking.observation import FIELDS, field
    from mimic.tracking.reward import TERMS, TrackingTerm
    from mocap.catalogue import load_clip
    from mocap.motion import Motion
    from retarget.retarget_file import RetargetResult

_MODULES = {
    "characters": ("CHARACTERS", "Character", "register_character"),
    "mimic.analysis.curves": ("curve_table", "read_groups"),
    "mimic.cli.main": ("main",),
    "mimic.core.errors": ("CheckpointError", "ClipError", "ConfigError", "InputError"),
    "mimic.evaluation.metric": ("METRICS",),
    "mimic.evaluation.report": ("EvaluationReport",),
    "mimic.public": ("evaluate", "export", "load_preset", "make_env", "register_envs", "render", "retarget", "train"),
    "mimic.rendering": ("RenderReport",),
    "mimic.rl.algorithms": ("ALGORITHMS",),
    "mimic.rl.metrics_log": ("read_rows",),
    "mimic.rl.trainer": ("TrainResult",),
    "mimic.runs.controller": ("Controller", "load_controller"),
    "mimic.runs.evaluate_controller": ("ControllerEvaluation",),
    "mimic.runs.preset": ("Preset",),
    "mimic.runs.tasks": ("TASKS",),
    "mimic.sim": ("ENGINES",),
    "mimic.tracking": ("EnvConfig", "TrackingEnv"),
    "mimic.tracking.observation": ("FIELDS", "field"),
    "mimic.tracking.reward": ("TERMS", "TrackingTerm"),
    "mocap.catalogue": ("load_clip",),
    "mocap.motion": ("Motion",),
    "retarget.retarget_file": ("RetargetResult",),
}
_RENAMED = {"evaluate_policy": ("mimic.evaluation.evaluate", "evaluate")}
_WHERE = {name: (module, name) for module, names in _MODULES.items() for name in names} | _RENAMED

__all__ = [
    "ALGORITHMS",
    "CHARACTERS",
    "ENGINES",
    "FIELDS",
    "METRICS",
    "TASKS",
    "TERMS",
    "Character",
    "CheckpointError",
    "ClipError",
    "ConfigError",
    "Controller",
    "ControllerEvaluation",
    "EnvConfig",
    "EvaluationReport",
    "InputError",
    "Motion",
    "Preset",
    "RenderReport",
    "RetargetResult",
    "TrackingEnv",
    "TrackingTerm",
    "TrainResult",
    "curve_table",
    "evaluate",
    "evaluate_policy",
    "export",
    "field",
    "load_clip",
    "load_controller",
    "load_preset",
    "main",
    "make_env",
    "read_groups",
    "read_rows",
    "register_character",
    "register_envs",
    "render",
    "retarget",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _WHERE:
        raise AttributeError(f"module 'mimic' has no attribute '{name}'")
    module, attribute = _WHERE[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
