"""The result of a rule of `diagnose`."""

from collections.abc import Callable
from dataclasses import dataclass

from mimic.analysis.evidence import Evidence


@dataclass(frozen=True)
class Finding:
    """A fault of a run.

    Attributes:
        fault: the part at fault: critic, weights, exploration, step size, simulation, clip, motors, reward or patience.
        what: a sentence that describes the fault, with the numbers that show it.
        tries: remedies, one a line.
        certainty: how certain the fault is, in [0, 1].
    """

    fault: str
    what: str
    tries: tuple[str, ...]
    certainty: float

    def lines(self, number: int) -> list[str]:
        """Return the finding as lines of text: its ``number``, fault and certainty first, then a line per remedy."""
        sure = next(word for least, word in _SURE if self.certainty >= least)
        return [
            f"{number}. {self.fault.capitalize()} ({sure}). {self.what}",
            *(f"   try: {line}" for line in self.tries),
        ]


_SURE = ((0.85, "surely"), (0.55, "probably"), (0.0, "perhaps"))

Rule = Callable[[Evidence], Finding | None]
