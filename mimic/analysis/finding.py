"""What a rule answers."""

from collections.abc import Callable
from dataclasses import dataclass

from mimic.analysis.evidence import Evidence


@dataclass(frozen=True)
class Finding:
    """A fault: which part has it, what shows it, what to try."""

    fault: str  # critic, weights, exploration, step size, simulation, clip, motors, reward, patience
    what: str
    tries: tuple[str, ...]
    certainty: float


Rule = Callable[[Evidence], Finding | None]
