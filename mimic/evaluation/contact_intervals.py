"""Contact intervals: the times of touchdown and lift-off of a foot, found in a signal over time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHORTEST_S = 0.05  # shorter contacts and gaps are noise
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ContactInterval:
    """One contact, from touchdown ``down`` to lift-off ``up`` [s].

    ``down`` is None for a contact that began before the episode, ``up`` for one that was not over at its end.
    """

    down: float | None
    up: float | None


@dataclass(frozen=True)
class FootContacts:
    """One foot in one episode: its contacts between ``start`` and ``end`` [s]."""

    start: float
    end: float
    intervals: tuple[ContactInterval, ...]

    @property
    def duty(self) -> float:
        """Duty factor: the share of the time for which the foot is on the ground."""
        return sum(b - a for a, b in self.spans()) / max(self.end - self.start, 1e-9)

    def spans(self) -> list[tuple[float, float]]:
        """Return start and end [s] of each contact, cut to the episode."""
        first, last = self.start, self.end
        return [(first if s.down is None else s.down, last if s.up is None else s.up) for s in self.intervals]

    def touchdowns(self) -> Array:
        """Return the times (K,) [s] at which the foot lands."""
        return np.array([s.down for s in self.intervals if s.down is not None])


@dataclass(frozen=True)
class Footfalls:
    """Contacts of all feet in all episodes. Times are clip times, which do not start anew at each cycle.

    Attributes:
        clip: name of the clip.
        feet: names of the bodies.
        labels: readable names of the feet, in the same order.
        cycle_s: duration of the clip [s].
        loop: whether the clip loops.
        simulation: contacts of the simulated feet, ``simulation[episode][foot]``.
        reference: contacts of the feet in the clip, ``reference[episode][foot]``.
    """

    clip: str
    feet: tuple[str, ...]
    labels: tuple[str, ...]
    cycle_s: float
    loop: bool
    simulation: list[list[FootContacts]]
    reference: list[list[FootContacts]]


def foot_contacts(times: Array, signal: Array) -> FootContacts:
    """Find the contacts of a foot, which is on the ground where ``signal`` (T,) is below 0 at ``times`` (T,) [s].

    Touchdown and lift-off are interpolated between two times.
    """
    if len(times) < 2:
        at = float(times[0]) if len(times) else 0.0
        return FootContacts(at, at, ())
    down = signal < 0
    intervals: list[ContactInterval] = []
    begin: float | None = None
    for k in np.flatnonzero(np.diff(down.astype(int))):
        share = signal[k] / (signal[k] - signal[k + 1])
        moment = float(times[k] + share * (times[k + 1] - times[k]))
        if down[k]:
            intervals.append(ContactInterval(begin, moment))
        else:
            begin = moment
    if down[-1]:
        intervals.append(ContactInterval(begin, None))
    return FootContacts(float(times[0]), float(times[-1]), _without_noise(intervals))


def _without_noise(intervals: list[ContactInterval]) -> tuple[ContactInterval, ...]:
    """Join contacts separated by a gap shorter than 0.05 s, then remove contacts shorter than that."""
    joined: list[ContactInterval] = []
    for interval in intervals:
        before = joined[-1] if joined else None
        if before and before.up is not None and interval.down is not None and interval.down - before.up < _SHORTEST_S:
            joined[-1] = ContactInterval(before.down, interval.up)
        else:
            joined.append(interval)
    return tuple(s for s in joined if s.down is None or s.up is None or s.up - s.down >= _SHORTEST_S)
