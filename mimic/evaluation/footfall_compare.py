"""How far the footfalls of a simulation are from those of its reference: order, moments, duty factors, strides."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimic.evaluation.contact_intervals import Array, Footfalls, Track

_TIE = 0.05  # of a cycle: feet that land closer together land at once


def compare(found: Footfalls) -> dict[str, Any]:
    """Figures of the simulation beside the reference's, all over all episodes.

    ``feet``: by body, ``duty`` and ``stride_s`` of both sides, and ``landings``: each landing of the reference's cycle
    with its ``phase``, the mean ``shift`` of the simulation's (share of the cycle, later is positive; None if it never
    came), and the share ``missed``; ``extra``: landings that the reference has not, per cycle. ``order`` of landing on
    both sides, whether it is the same, and ``largest_difference`` of any landing or duty factor as a share of the cycle.
    """
    feet = {body: _compare_foot(found, f) for f, body in enumerate(found.feet)}
    differences = [abs(foot["duty"]["simulation"] - foot["duty"]["reference"]) for foot in feet.values()]
    differences += [abs(x["shift"]) for foot in feet.values() for x in foot["landings"] if x["shift"] is not None]
    landings = [(x["phase"], x["shift"], body) for body, foot in feet.items() for x in foot["landings"]]
    landings.sort(key=lambda landing: landing[0])
    shifted = [((phase + shift) % 1.0, body) for phase, shift, body in landings if shift is not None]
    return {
        "cycle_s": found.cycle_s,
        "feet": feet,
        "order": {
            "reference": [body for _, _, body in landings],
            "simulation": _from_same_foot([body for _, body in sorted(shifted)], [body for _, _, body in landings]),
            "same": _same_order([(phase, shift) for phase, shift, _ in landings]),
        },
        "largest_difference": max(differences, default=0.0),
        "missed": max((x["missed"] for foot in feet.values() for x in foot["landings"]), default=0.0),
        "extra": max((foot["extra"] for foot in feet.values()), default=0.0),
    }


def _compare_foot(found: Footfalls, f: int) -> dict[str, Any]:
    pairs = [(sim[f], ref[f]) for sim, ref in zip(found.simulation, found.reference, strict=True)]
    phases, shifts, missed, extra = _matched(pairs, found.cycle_s)
    groups = _groups(phases) if len(phases) else []
    watched = sum(sim.end - sim.start for sim, _ in pairs)
    return {
        "duty": {side: _duty([pair[s] for pair in pairs]) for s, side in enumerate(("simulation", "reference"))},
        "stride_s": {side: _stride([pair[s] for pair in pairs]) for s, side in enumerate(("simulation", "reference"))},
        "landings": [
            {
                "phase": _circular_mean(phases[group]),
                "shift": float(np.mean(shifts[group][~missed[group]]) / found.cycle_s)
                if (~missed[group]).any()
                else None,
                "missed": float(missed[group].mean()),
            }
            for group in groups
        ],
        "extra": extra * found.cycle_s / max(watched, 1e-9),
    }


def _matched(pairs: list[tuple[Track, Track]], cycle_s: float) -> tuple[Array, Array, NDArray[np.bool_], int]:
    """Each landing of the reference: phase, how much later [s] the simulation's nearest is, and whether there is none.

    Two landings belong together if each is the other's nearest and they are less than a quarter of a cycle apart. Those
    so near the record's edge that the partner may lie beyond are left out. The last figure counts the simulation's
    landings without a partner.
    """
    rows: list[tuple[float, float, bool]] = []
    extra = 0
    for sim, ref in pairs:
        ours, theirs, reach = sim.landings(), ref.landings(), 0.25 * cycle_s
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
    """Indices of the phases (M,) in [0, 1), one group a landing of the cycle: parted by gaps of a twentieth of it."""
    order = np.argsort(phases)
    gaps = np.diff(phases[order], append=phases[order[0]] + 1.0)
    cuts = np.flatnonzero(gaps > _TIE)
    if not len(cuts):
        return [order]
    rolled = np.roll(order, -int(cuts[-1]) - 1)
    groups = np.split(rolled, np.sort((cuts[:-1] - cuts[-1] - 1) % len(order)) + 1)
    # a landing that only one episode in fifty cycles shows is the record's noise
    return [group for group in groups if len(group) > 0.02 * len(phases)]


def _circular_mean(phases: Array) -> float:
    return float(np.angle(np.exp(2j * np.pi * phases).mean()) / (2 * np.pi) % 1.0)


def _duty(tracks: list[Track]) -> float:
    total = sum(t.end - t.start for t in tracks)
    return float(sum(t.duty * (t.end - t.start) for t in tracks) / max(total, 1e-9))


def _stride(tracks: list[Track]) -> float | None:
    """Mean time between landings [s]; None where no foot lands twice."""
    times = np.concatenate([np.diff(t.landings()) for t in tracks]) if tracks else np.array([])
    return float(times.mean()) if len(times) else None


def _same_order(landings: list[tuple[float, float | None]]) -> bool:
    """Whether all came, and no two that the reference keeps more than a tie apart have changed places."""
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
    """The order turned to begin with the foot that the reference's begins with."""
    if not reference or reference[0] not in order:
        return order
    first = order.index(reference[0])
    return order[first:] + order[:first]
