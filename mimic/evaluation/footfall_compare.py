"""Differences between the footfalls of a simulation and those of its reference: order, times, duty factors, strides."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mimic.evaluation.contact_intervals import Array, FootContacts, Footfalls

_TIE = 0.05  # share of a cycle: feet that land closer together land at the same time
T = TypeVar("T")


@dataclass(frozen=True)
class Pair(Generic[T]):
    """The same quantity in the simulation and in the reference."""

    simulation: T
    reference: T


@dataclass(frozen=True)
class Touchdown:
    """One landing of a foot in the reference's cycle; values are means over all episodes and cycles.

    Attributes:
        phase: phase of the clip in [0, 1) at which the foot lands in the reference.
        shift: delay of the landing in the simulation, as a share of the cycle; None if the simulated foot never lands.
        missed: share of the cycles in which the simulated foot does not land.
    """

    phase: float
    shift: float | None
    missed: float


@dataclass(frozen=True)
class FootComparison:
    """The footfalls of one foot.

    Attributes:
        duty: duty factor, the share of the time for which the foot is on the ground.
        stride_s: mean time between two landings [s]; None if the foot never lands twice.
        landings: the landings in the reference's cycle.
        extra: landings per cycle of the simulated foot that the reference does not have.
    """

    duty: Pair[float]
    stride_s: Pair[float | None]
    landings: tuple[Touchdown, ...]
    extra: float


@dataclass(frozen=True)
class LandingOrder:
    """Names of the feet in the order in which they land in a cycle, and whether both orders are the same."""

    reference: tuple[str, ...]
    simulation: tuple[str, ...]
    same: bool


@dataclass(frozen=True)
class FootfallComparison:
    """The footfalls of all feet, simulation against reference.

    Attributes:
        cycle_s: duration of the cycle [s].
        feet: body -> FootComparison.
        order: order in which the feet land.
        largest_difference: largest difference of a landing time or a duty factor, as a share of the cycle.
        missed: the largest ``Touchdown.missed`` of all landings.
        extra: the largest ``FootComparison.extra`` of all feet.
    """

    cycle_s: float
    feet: dict[str, FootComparison]
    order: LandingOrder
    largest_difference: float
    missed: float
    extra: float


def compare_footfalls(found: Footfalls) -> FootfallComparison:
    """Compare simulation and reference over all episodes."""
    feet = {body: _compare_foot(found, f) for f, body in enumerate(found.feet)}
    touchdowns = [touchdown for foot in feet.values() for touchdown in foot.landings]
    differences = [abs(foot.duty.simulation - foot.duty.reference) for foot in feet.values()]
    differences += [abs(x.shift) for x in touchdowns if x.shift is not None]
    return FootfallComparison(
        cycle_s=found.cycle_s,
        feet=feet,
        order=_order(feet),
        largest_difference=max(differences, default=0.0),
        missed=max((x.missed for x in touchdowns), default=0.0),
        extra=max((foot.extra for foot in feet.values()), default=0.0),
    )


def _compare_foot(found: Footfalls, f: int) -> FootComparison:
    pairs = [(sim[f], ref[f]) for sim, ref in zip(found.simulation, found.reference, strict=True)]
    simulated, recorded = [sim for sim, _ in pairs], [ref for _, ref in pairs]
    phases, shifts, missed, extra = _matched(pairs, found.cycle_s)
    groups = _groups(phases) if len(phases) else []
    watched = sum(sim.end - sim.start for sim in simulated)
    return FootComparison(
        duty=Pair(_duty(simulated), _duty(recorded)),
        stride_s=Pair(_stride(simulated), _stride(recorded)),
        landings=tuple(
            Touchdown(
                _circular_mean(phases[group]),
                _mean_shift(shifts[group][~missed[group]], found.cycle_s),
                float(missed[group].mean()),
            )
            for group in groups
        ),
        extra=extra * found.cycle_s / max(watched, 1e-9),
    )


def _order(feet: dict[str, FootComparison]) -> LandingOrder:
    landings = [(x.phase, x.shift, body) for body, foot in feet.items() for x in foot.landings]
    landings.sort(key=lambda landing: landing[0])
    reference = [body for _, _, body in landings]
    shifted = sorted(((phase + shift) % 1.0, body) for phase, shift, body in landings if shift is not None)
    return LandingOrder(
        reference=tuple(reference),
        simulation=tuple(_from_same_foot([body for _, body in shifted], reference)),
        same=_same_order([(phase, shift) for phase, shift, _ in landings]),
    )


def _mean_shift(shifts: Array, cycle_s: float) -> float | None:
    """Return the mean of the delays ``shifts`` [s] as a share of the cycle; None if there are none."""
    return float(np.mean(shifts) / cycle_s) if len(shifts) else None


def _matched(
    pairs: list[tuple[FootContacts, FootContacts]], cycle_s: float
) -> tuple[Array, Array, NDArray[np.bool_], int]:
    """Match the landings of simulation and reference.

    Two landings match if each is the other's nearest and they are less than a quarter of a cycle apart. A landing is left
    out if it is so near the start or the end of its episode that its match may lie outside.

    Returns:
        For each landing of the reference: the phase, the delay of the simulation's landing [s], and whether there is no
        match. The last value is the number of the simulation's landings without a match.
    """
    rows: list[tuple[float, float, bool]] = []
    extra = 0
    for sim, ref in pairs:
        ours, theirs, reach = sim.touchdowns(), ref.touchdowns(), 0.25 * cycle_s
        distance = np.abs(theirs[:, None] - ours[None, :])
        inside = [sim.start + reach, sim.end - reach]
        partners = set()
        for i, time in enumerate(theirs):
            j = int(distance[i].argmin()) if len(ours) else -1
            mutual = j >= 0 and distance[i, j] < reach and int(distance[:, j].argmin()) == i
            partners |= {j} if mutual else set()
            if mutual or inside[0] < time < inside[1]:
                rows.append(((time / cycle_s) % 1.0, ours[j] - time if mutual else 0.0, not mutual))
        extra += sum(inside[0] < t < inside[1] and j not in partners for j, t in enumerate(ours))
    phases, shifts, missed = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(phases), np.array(shifts), np.array(missed, dtype=bool), extra


def _groups(phases: Array) -> list[NDArray[np.int64]]:
    """Group landings with phases (M,) in [0, 1) that recur in every cycle; return the indices of each group.

    Two groups are more than 5 % of a cycle apart. Groups with at most 2 % of the landings are left out as noise.
    """
    order = np.argsort(phases)
    gaps = np.diff(phases[order], append=phases[order[0]] + 1.0)
    cuts = np.flatnonzero(gaps > _TIE)
    if not len(cuts):
        return [order]
    rolled = np.roll(order, -int(cuts[-1]) - 1)
    groups = np.split(rolled, np.sort((cuts[:-1] - cuts[-1] - 1) % len(order)) + 1)
    # a landing that happens in one cycle of fifty is noise
    return [group for group in groups if len(group) > 0.02 * len(phases)]


def _circular_mean(phases: Array) -> float:
    return float(np.angle(np.exp(2j * np.pi * phases).mean()) / (2 * np.pi) % 1.0)


def _duty(contacts: list[FootContacts]) -> float:
    total = sum(c.end - c.start for c in contacts)
    return float(sum(c.duty * (c.end - c.start) for c in contacts) / max(total, 1e-9))


def _stride(contacts: list[FootContacts]) -> float | None:
    """Return the mean time between two landings [s]; None if the foot never lands twice."""
    times = np.concatenate([np.diff(c.touchdowns()) for c in contacts]) if contacts else np.array([])
    return float(times.mean()) if len(times) else None


def _same_order(landings: list[tuple[float, float | None]]) -> bool:
    """Whether the feet land in the same order in both, given (phase, shift) of each landing.

    A missing landing (shift None) is another order. Two feet that land less than 5 % of a cycle apart may change places.
    """
    for i, (phase, shift) in enumerate(landings):
        if shift is None:
            return False
        for other, other_shift in landings[:i]:
            if other_shift is not None:
                apart = (phase - other + 0.5) % 1.0 - 0.5
                if abs(apart) > _TIE and apart * (apart + shift - other_shift) < 0:
                    return False
    return True


def _from_same_foot(order: list[str], reference: list[str]) -> list[str]:
    """Rotate ``order`` so that it begins with the first foot of ``reference``."""
    if not reference or reference[0] not in order:
        return order
    first = order.index(reference[0])
    return order[first:] + order[:first]
