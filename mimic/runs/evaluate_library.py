"""Evaluate a controller with a library of clips, one clip at a time, and compare with controllers of one clip each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core.strict_config import to_dict
from mimic.runs.controller import SHIPPED_FOLDER, Controller, load_controller, shipped_controllers
from mimic.runs.evaluate_controller import EvaluationSetup, evaluate_controller


@dataclass(frozen=True)
class ClipResult:
    """How well a controller does one clip of its library.

    Attributes:
        normalized_return: mean over episodes, in [0, 1].
        expert_return: the same of the controller that ships for this clip, from its own evaluation; None without one.
        survival: share of episodes that did not fall.
        mpjpe_m: mean position error of bodies from the root [m].
    """

    normalized_return: float
    expert_return: float | None
    survival: float
    mpjpe_m: float


@dataclass(frozen=True)
class LibraryEvaluation:
    """Results by clip, and the conditions of the evaluation."""

    controller: Path
    clips: dict[str, ClipResult]
    setup: EvaluationSetup

    @property
    def mean_return(self) -> float:
        """Normalised return, mean over clips."""
        return sum(one.normalized_return for one in self.clips.values()) / len(self.clips)

    @property
    def survival(self) -> float:
        """Share of all episodes that did not fall."""
        return sum(one.survival for one in self.clips.values()) / len(self.clips)

    def to_json(self) -> dict[str, Any]:
        """Convert the results to the content of ``evaluation.json``."""
        return {
            "controller": str(self.controller),
            "mean_return": self.mean_return,
            "survival": self.survival,
            "episodes": self.setup.episodes,
            "episode_s": self.setup.seconds,
            "engine": self.setup.engine,
            "device": self.setup.device,
            "seed": self.setup.seed,
            "clips": {name: to_dict(one) for name, one in self.clips.items()},
        }


def evaluate_library(
    controller: Controller, setup: EvaluationSetup | None = None, say: Callable[[str], None] = lambda line: None
) -> LibraryEvaluation:
    """Evaluate every clip of a controller's library in ``setup.episodes`` episodes. Raises as ``evaluate_controller``."""
    setup = setup or EvaluationSetup()
    found = {}
    for clip in controller.clips:
        report = evaluate_controller(controller.of_clip(clip), setup).report
        returned = report.normalized_return.mean
        found[clip] = ClipResult(returned, _expert_return(clip), report.survival, float(report.metrics["mpjpe_m"]))
        say(f"{clip}: {returned:.3f}")
    return LibraryEvaluation(controller.path, found, setup)


def _expert_return(clip: str) -> float | None:
    """Return the normalised return of the clip's own shipped controller, as stored when it was packaged.

    None if no such controller ships, or it has no stored evaluation.
    """
    if clip not in shipped_controllers():
        return None
    evaluation = load_controller(SHIPPED_FOLDER / clip).spec.evaluation
    return float(evaluation["normalized_return"]["mean"]) if evaluation else None
