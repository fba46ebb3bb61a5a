"""Which foot is down when, in the simulation and in its reference, and how far the two differ.

A foot is down where its lowest point touches the ground, or hardly slides and is no higher than it hovers in the clip
where it stands. Height alone would not do: a recording's feet hover and sink by centimetres, and a trotting dog lifts its
hind paws by no more. One rule serves both sides, and the moment between two control steps (1/30 s is 6 % of a trot's
cycle) is interpolated. The last moments before a paw lands, slow and low already, count as down, on both sides: of an
authored gait the rule finds duty factors up to a sixth of the cycle too large and the time between the paws to 3 %.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mimic.env import TrackingEnv
from mimic.quality.feet import Feet

TOUCH_M = 0.005  # a foot whose lowest point is below this is down, however fast it slides
SLIDE_SHARE = 0.2  # a foot that stands slides at less than this share of its top speed in the clip,
SLIDE_FLOOR_M_S = 0.5  # or than this
HOVER_M = 0.05  # how far above the ground it may stand at most
HOVER_SHARE = 0.9  # of the time that a foot is slow and low in the clip it stands
_SHORTEST_S = 0.07  # contacts and gaps that are shorter are noise
_TIE = 0.05  # of a cycle: feet that land closer together land at once

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


class FootfallMeter:
    """Records the feet while an evaluation runs; clip time counts on over the cycles."""

    def __init__(self, env: TrackingEnv):
        self._env, self._feet = env, Feet(env.character, env.task, env.device)
        self._slide, self._near = self._limits()
        self._start: Tensor | None = None
        self._signals: list[Tensor] = []  # (2, N, F) a step: simulation and reference; down is below 0
        self._up: list[Tensor] = []

    def _limits(self) -> tuple[Tensor, Tensor]:
        """Speed (F,) [m/s] and height (F,) [m] below both of which a foot counts as standing."""
        reference, n = self._env.clock.reference, 256
        times = torch.linspace(0, reference.duration, n, dtype=torch.float64, device=self._env.device)
        still = torch.zeros(n, 3, device=self._env.device)
        state = reference.sample(times, still, still[:, 0]).state
        seen = self._feet.contact(self._env.kinematics.forward(state))
        limit = (SLIDE_SHARE * seen.slide.amax(0)).clamp_min(SLIDE_FLOOR_M_S)
        low = (seen.slide < limit) & (seen.height < 2 * HOVER_M)
        hover = torch.where(low, seen.height, torch.nan).nanquantile(HOVER_SHARE, dim=0).nan_to_num(0.0)
        return limit, hover.clamp(0.0, HOVER_M) + TOUCH_M

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Note where in the clip the episodes begin."""
        if self._start is None:
            self._start = env.clock.now.clip_time.clone()

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Heights and speeds of the feet now."""
        sides = (env.bodies, env.kinematics.forward(env.reference.state))
        contacts = [self._feet.contact(bodies) for bodies in sides]
        still = [torch.maximum(c.height / self._near, c.slide / self._slide) for c in contacts]
        signal = [torch.minimum(c.height / TOUCH_M, s) - 1.0 for c, s in zip(contacts, still, strict=True)]
        self._signals.append(torch.stack(signal))
        self._up.append(up)

    def footfalls(self) -> Footfalls:
        """What was recorded."""
        env, start = self._env, self._start
        if start is None:
            raise ValueError("nothing has been recorded")
        signals = torch.stack(self._signals).double().cpu().numpy()  # (T, 2, N, F)
        lasted = torch.stack(self._up).sum(0).cpu().tolist()
        sides: list[list[list[Track]]] = [[], []]
        for n, steps in enumerate(lasted):
            times = float(start[n]) + env.control_dt * np.arange(1, steps + 1)
            for s, side in enumerate(sides):
                side.append([track(times, signals[:steps, s, n, f]) for f in range(len(self._feet.names))])
        feet = self._feet
        return Footfalls(env.motion.name, feet.names, feet.labels, env.motion.duration, env.motion.loop, *sides)

    def report(self) -> dict[str, Any]:
        """{"footfall": see :func:`compare`}."""
        return {"footfall": compare(self.footfalls())}


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
