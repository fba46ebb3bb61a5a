"""Finds ground contacts of feet, paws and hands in a recording, and the positions that hold them during contact."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from characters.ground_contact import ContactRule

MAX_SPEED = 0.2  # [m/s] of a joint that stands, at the character's size
MAX_RISE = 0.04  # [m] above the height at which it usually stands
_STRETCH = 2.0  # [m] of floor needed to tell that it is tilted
_LEAST_SLOPE, _MOST_SLOPE = 0.005, 0.1
_ROLL = 0.12  # of the body's speed
# in published clips of a dog paws jitter, drift and rise by centimetres while they stand: their speed is taken over a
# thirtieth of a second, and they may roll faster and wander further
_DRIFT_ROLL, _DRIFT_LEASH, _DRIFT_S = 0.25, 0.07, 1 / 30
# an animator's standing feet slide: they are held all the same
_SLIDING_ROLL, _SLIDING_LEASH = 0.35, 0.12
_GAP_S = 0.05  # shorter interruptions are none
_SHORTEST_S = 0.09  # shorter contacts are none
_LEASH = 0.03  # [m] a foot may wander about the place where it stands


def speed(pos: Tensor, times: Tensor, over: int = 1) -> Tensor:
    """Return the speed (T,) [m/s] of a point (T, 3): the lower of its mean speeds over the ``over`` frames before and after."""
    step = (pos[over:] - pos[:-over]).norm(dim=-1) / (times[over:] - times[:-over])
    return torch.minimum(torch.cat((step[:1].expand(over), step)), torch.cat((step, step[-1:].expand(over))))


def standing_level(pos: Tensor, times: Tensor) -> float:
    """Return the usual height [m] of a standing point (T, 3): the 10 % quantile of its heights while it is
    slower than 0.2 m/s."""
    slow = speed(pos, times) < MAX_SPEED
    heights = pos[slow, 2] if slow.sum() >= 5 else pos[:, 2]
    return float(heights.quantile(0.1))


def tilted_floor(feet: Sequence[Tensor], times: Tensor, points: Tensor) -> Tensor:
    """Fit a plane to the standing frames of feet (T, 3); return its height (T, J) [m] under points (T, J, 3).

    The height is 0 unless feet stood over about two metres and a slope of 0.5 to 10 % explains 40 % of their variance in
    height. Some CMU recordings have such a floor.
    """
    rows, heights = [], []
    for foot in feet:
        still = foot[speed(foot, times) < MAX_SPEED]
        if len(still) >= 10:
            low = still[still[:, 2] < still[:, 2].median() + MAX_RISE]
            rows.append(low[:, :2])
            heights.append(low[:, 2] - low[:, 2].mean())
    if not rows:
        return torch.zeros_like(points[..., 0])
    # every foot has its own height: subtract its mean place too, then one slope serves all
    place = torch.cat([row - row.mean(0) for row in rows])
    height = torch.cat(heights)
    spread = torch.linalg.svdvals(place)[0] / len(place) ** 0.5
    if spread < _STRETCH / 4:
        return torch.zeros_like(points[..., 0])
    # across a straight path nothing is known of the slope: a little damping keeps it at 0
    damped = place.T @ place + 0.1 * len(place) * torch.eye(2, dtype=torch.float64)
    slope = torch.linalg.solve(damped, place.T @ height)
    left = (height - place @ slope).square().mean()
    if left > 0.6 * height.square().mean() or not _LEAST_SLOPE < slope.norm() < _MOST_SLOPE:
        return torch.zeros_like(points[..., 0])
    return points[..., :2] @ slope


def find_contact(
    pos: Tensor,
    times: Tensor,
    level: float,
    rise: float,
    pace: Tensor,
    noisy_contacts: bool = False,
    hand_keyed: bool = False,
) -> Tensor:
    """Return (T,) bool: whether a point stands, that is, is low and slow; short gaps are filled, short contacts removed.

    Args:
        pos: (T, 3) position of the point [m].
        times: (T,) [s].
        level: height at which the point usually stands [m].
        rise: greatest height above the level at which it stands [m].
        pace: (T,) speed of the body [m/s]; the standing foot of a fast body may move faster.
        noisy_contacts: whether standing feet jitter and drift; higher speeds are then allowed.
        hand_keyed: whether standing feet slide, as an animator's do; still higher speeds are allowed.
    """
    dt = float(times.diff().median())
    over = max(1, min(round(_DRIFT_S / dt), len(pos) - 1)) if noisy_contacts else 1
    roll = _SLIDING_ROLL if hand_keyed else _DRIFT_ROLL if noisy_contacts else _ROLL
    rule = ContactRule(low=level + rise, slow=MAX_SPEED + roll * pace)
    return without_short(rule.stands(pos[:, 2], speed(pos, times, over)), times)


def without_short(flags: Tensor, times: Tensor) -> Tensor:
    """Return contacts (T,) bool without gaps below 0.05 s, then without contacts below 0.09 s."""
    dt = float(times.diff().median())
    flags = _remove_short(flags, False, round(_GAP_S / dt))
    return _remove_short(flags, True, max(2, round(_SHORTEST_S / dt)))


def smoothed(values: Tensor, times: Tensor, over: float) -> Tensor:
    """Return ``values`` (T,) or (T, W) after a Gaussian filter of ``over`` [s]; the ends are mirrored."""
    dt = float(times.diff().median())
    radius = min(max(1, round(2 * over / dt)), len(values) - 1)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float64) * dt / over
    kernel = torch.exp(-0.5 * steps.square())
    rows = values if values.ndim == 2 else values[:, None]
    padded = torch.cat((rows[1 : radius + 1].flip(0), rows, rows[-radius - 1 : -1].flip(0)))
    result = torch.nn.functional.conv1d(padded.T[:, None], (kernel / kernel.sum())[None, None])[:, 0].T
    return result if values.ndim == 2 else result[:, 0]


def intervals(flags: Tensor) -> list[tuple[int, int]]:
    """Return each run of True in ``flags`` (T,) as (first, last + 1)."""
    edges = torch.cat((flags.new_zeros(1), flags, flags.new_zeros(1))).int().diff().nonzero()[:, 0].tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def anchors(flags: Tensor, pos: Tensor, noisy_contacts: bool = False, hand_keyed: bool = False) -> Tensor:
    """Return (T, 3) [m]: the point's mean position during each contact, and its own position in other frames.

    If a point moves farther than 3 cm from that mean (7 cm for ``noisy_contacts``, 12 cm if ``hand_keyed``), the position follows it at that
    distance. ``flags`` (T,) bool tells when the point stands; ``pos`` (T, 3) [m] is its position.
    """
    fixed, leash = pos.clone(), _SLIDING_LEASH if hand_keyed else _DRIFT_LEASH if noisy_contacts else _LEASH
    for first, last in intervals(flags):
        span = pos[first:last]
        mean = span.mean(0)
        if bool(((span[:, :2] - mean[:2]).norm(dim=-1) <= leash).all()):
            fixed[first:last] = mean
        else:
            fixed[first:last] = (_drag(span, leash) + _drag(span.flip(0), leash).flip(0)) / 2
    return fixed


def _drag(path: Tensor, leash: float) -> Tensor:
    """Return a path (T, 3) that follows ``path`` over the ground and stays within ``leash`` [m] of it."""
    points = path.tolist()
    x, y, _ = points[0]
    dragged = []
    for px, py, pz in points:
        dx, dy = px - x, py - y
        pull = max(0.0, 1 - leash / max(math.hypot(dx, dy), 1e-12))
        x, y = x + pull * dx, y + pull * dy
        dragged.append((x, y, pz))
    return path.new_tensor(dragged)


def blend_offset(offset: Tensor, flags: Tensor, frames: int) -> Tensor:
    """Return ``offset`` (T, 3) during contacts, faded out over ``frames`` frames before and after each contact."""
    result = torch.where(flags[:, None], offset, torch.zeros_like(offset))
    for first, last in intervals(~flags):
        away = torch.arange(first, last)
        if first > 0:
            result[first:last] += offset[first - 1] * _fade((away - first + 1).double() / frames)[:, None]
        if last < len(flags):
            result[first:last] += offset[last] * _fade((last - away).double() / frames)[:, None]
    return result


def _fade(x: Tensor) -> Tensor:
    x = x.clamp(max=1.0)
    return 1 - x * x * (3 - 2 * x)


def _remove_short(flags: Tensor, value: bool, shortest: int) -> Tensor:
    """Invert runs of ``value`` that are shorter than ``shortest`` frames, except at the ends of the clip."""
    result = flags.clone()
    for first, last in intervals(flags if value else ~flags):
        if last - first < shortest and first > 0 and last < len(flags):
            result[first:last] = not value
    return result
