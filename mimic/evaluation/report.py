"""The results of an evaluation; ``to_json`` gives the fields of ``evaluation.json``."""

from dataclasses import dataclass, fields
from typing import Any

from mimic.core.strict_config import build, to_dict


@dataclass(frozen=True)
class NormalizedReturn:
    """Mean and standard deviation over episodes of the normalised return.

    An episode's normalised return is its sum of rewards divided by the largest possible sum. That is the largest possible
    number of steps times ``Reward.maximum``. With tracking terms alone the result is in [0, 1].
    """

    mean: float
    std: float


@dataclass(frozen=True)
class TimeWindow:
    """One part of the episodes, from ``from_s`` to ``to_s`` [s].

    ``normalized_return`` is the mean over episodes of the rewards in this part divided by their largest possible sum.
    ``survival`` is the share of episodes that have not failed by the end of this part.
    """

    from_s: float
    to_s: float
    normalized_return: float
    survival: float


@dataclass(frozen=True)
class EvaluationReport:
    """How well a policy tracks its clip.

    Attributes:
        clip: name of the clip; the first of several.
        character: name of the character.
        episodes: number of episodes.
        episode_s: length of the longest episode that was possible [s].
        normalized_return: sum of an episode's rewards divided by the largest possible sum.
        survival: share of episodes that did not fall or diverge.
        mean_steps: mean length of an episode in control steps.
        mean_time_s: mean length of an episode [s].
        metrics: results of all metrics by JSON key, such as ``mpjpe_m``: numbers, or dataclasses of numbers.
        reward_terms: mean of each reward term over the steps before a fall; in [0, 1] for tracking terms.
        by_time: return and survival in windows of 10 s.
    """

    clip: str
    character: str
    episodes: int
    episode_s: float
    normalized_return: NormalizedReturn
    survival: float
    mean_steps: float
    mean_time_s: float
    metrics: dict[str, Any]
    reward_terms: dict[str, float]
    by_time: tuple[TimeWindow, ...]

    def to_json(self) -> dict[str, Any]:
        """Convert the report to numbers, lists and dictionaries; each metric is a key beside the other fields."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = to_dict(getattr(self, field.name))
            found |= value if field.name == "metrics" else {field.name: value}
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any], where: str) -> "EvaluationReport":
        """Read the result of ``to_json``; keys that are not fields are metrics. Raises ConfigError, which names ``where``."""
        names = {field.name for field in fields(cls)} - {"metrics"}
        known = {key: value for key, value in data.items() if key in names}
        return build(cls, {**known, "metrics": {k: v for k, v in data.items() if k not in names}}, where)
