"""When a foot is on the ground, in one episode: stances found in a signal over time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHORTEST_S = 0.05  # contacts and gaps that are shorter are noise
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stance:
    """One time on the ground: landing and lift-off [s]; None where the record begins or ends in between."""

    down: float | None
    up: float | None


@dataclass(frozen=True)
class Track:
    """One foot in one episode: its stances within the record from ``start`` to ``end`` [s]."""

    start: float
    end: float
    stances: tuple[Stance, ...]

    @property
    def duty(self) -> float:
        """Share of the time that the foot is down."""
        return sum(b - a for a, b in self.spans()) / max(self.end - self.start, 1e-9)

    def spans(self) -> list[tuple[float, float]]:
        """From when to when the foot is down, cut to the record."""
        first, last = self.start, self.end
        return [(first if s.down is None else s.down, last if s.up is None else s.up) for s in self.stances]

    def landings(self) -> Array:
        """Times at which the foot comes down [s]."""
        return np.array([s.down for s in self.stances if s.down is not None])


@dataclass(frozen=True)
class Footfalls:
    """The feet of all episodes: ``simulation[episode][foot]`` and ``reference[episode][foot]``, in clip time."""

    clip: str
    feet: tuple[str, ...]  # bodies
    labels: tuple[str, ...]
    cycle_s: float
    loop: bool
    simulation: list[list[Track]]
    reference: list[list[Track]]


def track(times: Array, signal: Array) -> Track:
    """The stances of a foot that is down where ``signal`` (T,) is below 0 at ``times`` (T,) [s]."""
    if len(times) < 2:
        at = float(times[0]) if len(times) else 0.0
        return Track(at, at, ())
    down = signal < 0
    stances: list[Stance] = []
    begin: float | None = None
    for k in np.flatnonzero(np.diff(down.astype(int))):
        share = signal[k] / (signal[k] - signal[k + 1])
        moment = float(times[k] + share * (times[k + 1] - times[k]))
        if down[k]:
            stances.append(Stance(begin, moment))
        else:
            begin = moment
    if down[-1]:
        stances.append(Stance(begin, None))
    return Track(float(times[0]), float(times[-1]), _without_noise(stances))


def _without_noise(stances: list[Stance]) -> tuple[Stance, ...]:
    """Short gaps closed, then short contacts left out."""
    joined: list[Stance] = []
    for stance in stances:
        before = joined[-1] if joined else None
        if before and before.up is not None and stance.down is not None and stance.down - before.up < _SHORTEST_S:
            joined[-1] = Stance(before.down, stance.up)
        else:
            joined.append(stance)
    return tuple(s for s in joined if s.down is None or s.up is None or s.up - s.down >= _SHORTEST_S)
