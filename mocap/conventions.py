"""Converts a file's units, axes and frame rate to the project's; conventions that the file does not state are guessed.

A reader passes numbers in the file's own units and axes. :func:`skeleton_to_canonical` and
:func:`keypoints_to_canonical` choose unit, up, forward and frame rate. The user's option comes first, then the file's
statement, then a guess. Both functions convert the numbers and list every choice in the result. Guesses use the names of
feet and of left and right pairs, and anatomy: a person's legs are about 0.85 m long, and feet are below the body.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from mimic.core.errors import ClipError, InputError, nearest
from mimic.core.rotations import quat_conj, quat_from_matrix, quat_hemisphere, quat_mul, quat_rotate
from mocap.skeleton import Assumption, FileConventions, KeypointMotion, Skeleton, SkeletonMotion

# "cmu" is the unit of the CMU library, 1 / 0.45 inches
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
_AXES = {sign + axis: (index, value) for index, axis in enumerate("xyz") for sign, value in (("", 1), ("-", -1))}
_RATES = tuple(rate * factor for rate in (24, 25, 30, 50, 60, 90, 100, 120, 240) for factor in (1.0, 1000 / 1001))
_RATE_TOLERANCE = 0.002
_FPS = (0.1, 10_000.0)
_MAX_METRES = 1e4
_PERSON_LEG, _BEAST_LEG, _PERSON_SIZE = 0.85, 0.55, 1.7  # [m]
_FOOT = re.compile(r"foot|toe|ankle|paw|hoof|heel|(?:^|[^a-z])[lr](?:hee|ank)$")
_FORE = re.compile(r"fore|front|paw|(?:^|[^a-z])f[lr](?:[^a-z]|$)")
_SIDE = re.compile(
    r"(left|right)|(?:(?<=^)|(?<=[^a-z0-9]))([lr])(?=[^a-z0-9]|$)|^([lr])(?=[a-z]{3})|(?<=_)([lr])(?=[a-z]{3})"
)


@dataclass(frozen=True)
class ReadOptions:
    """The user's statements about a file; None leaves a convention to the file or to a guess.

    Attributes:
        unit: a word of ``UNITS``, or the length of one unit in metres.
        up, forward: an axis of the file, such as "y" or "-z".
        fps: frames a second.
        root: name of the figure to read, for a file with several.
        take: name of the animation to read, for a file with several.
        skeleton: path of a separate file with the bones: an ASF or a SMPL body model.
    """

    unit: str | None = None
    up: str | None = None
    forward: str | None = None
    fps: float | None = None
    root: str | None = None
    take: str | None = None
    skeleton: str | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
            metres(self.unit)
        for axis in (self.up, self.forward):
            if axis is not None:
                _vector(axis)
        if self.up and self.forward and self.up.lstrip("-+") == self.forward.lstrip("-+"):
            raise InputError(f"up '{self.up}' and forward '{self.forward}' are along the same axis; give two axes")
        if self.fps is not None and not _FPS[0] <= self.fps <= _FPS[1]:
            raise InputError(f"fps is {self.fps:g}; it must be between {_FPS[0]:g} and {_FPS[1]:g}")


class DeclaredConventions(NamedTuple):
    """The conventions that a file or its format states; None for each that it does not state.

    ``usual_up`` and ``usual_unit`` hold for most files of the format and serve as a last guess.
    """

    unit: str | None = None
    up: str | None = None
    forward: str | None = None
    usual_up: str = "y"
    usual_unit: str = "cm"


NO_OPTIONS, NOTHING_DECLARED = ReadOptions(), DeclaredConventions()


def metres(unit: str) -> float:
    """Return the metres per unit for a word of ``UNITS`` or a number above 0. Raises InputError for any other word."""
    if unit in UNITS:
        return UNITS[unit]
    if re.fullmatch(r"[0-9]*\.?[0-9]+(e-?[0-9]{1,2})?", unit) and 1e-6 <= float(unit) <= 1e6:
        return float(unit)
    raise InputError(f"no unit '{unit}'; {nearest(unit, UNITS)}, or a number of metres")


def frame_rate(frame_time: float, options: ReadOptions, name: str) -> Assumption:
    """Return the frame rate [1/s] for a frame time [s]. Files round the time, so a common rate within 0.2 % is taken.

    Raises ClipError for a frame time outside 0.0001 s to 10 s, unless the options state a rate.
    """
    if options.fps is not None:
        return Assumption(f"{options.fps!r}", "user", f"the file has a frame time of {frame_time:g} s")
    if not 1 / _FPS[1] <= frame_time <= 1 / _FPS[0]:
        raise ClipError(
            f"{name}: a frame time of {frame_time:g} s is not usable; state the frame rate, as in --source-fps 120"
        )
    rate = 1 / frame_time
    near = min(_RATES, key=lambda known: abs(known - rate))
    if abs(near - rate) > _RATE_TOLERANCE * near:
        return Assumption(f"{rate!r}", "file", f"frame time {frame_time:g} s")
    return Assumption(f"{near!r}", "file", f"frame time {frame_time:.10g} s is {rate:.3f} a second")


def skeleton_to_canonical(
    name: str,
    format_name: str,
    skeleton: Skeleton,
    quat: Tensor,
    pos: Tensor,
    fps: Assumption,
    options: ReadOptions = NO_OPTIONS,
    declared: DeclaredConventions = NOTHING_DECLARED,
    warnings: tuple[str, ...] = (),
) -> SkeletonMotion:
    """Convert a skeleton's movement from the file's unit and axes to the project's.

    ``skeleton``, ``quat`` and ``pos`` are as in SkeletonMotion, except that lengths are in the file's unit and the world
    has the file's axes. Raises ClipError for a broken motion, and for a position that is not finite or above 1e4 m.
    """
    quat = quat_hemisphere(quat)
    parents = skeleton.parents
    _check_lengths(pos, name)
    rate = float(fps.value)
    times = torch.arange(len(quat), dtype=torch.float64) / rate
    raw = SkeletonMotion(name, skeleton, times, quat, pos, FileConventions(format_name, fps))
    figure = _Figure(skeleton.names, parents, raw.positions_w())
    conventions = _settle(figure, format_name, fps, options, declared, warnings)
    scale, turn = metres(conventions.unit.value), _turn(conventions)
    _check_lengths(pos * scale, name, _MAX_METRES, "m")
    roots = [bone for bone, parent in enumerate(parents) if parent < 0]
    quat, pos = quat.clone(), pos * scale
    rest_quat, offsets = skeleton.rest_quat.clone(), skeleton.offsets * scale
    for root in roots:
        quat[:, root] = quat_mul(turn.expand(len(quat), 4), quat[:, root])
        pos[:, root] = quat_rotate(turn.expand(len(pos), 4), pos[:, root])
        rest_quat[root] = quat_mul(turn, rest_quat[root])
        offsets[root] = quat_rotate(turn, offsets[root])
    settled = replace(
        skeleton, offsets=offsets, rest_quat=rest_quat, end_site_offsets=skeleton.end_site_offsets * scale
    )
    return SkeletonMotion(name, settled, times, quat_hemisphere(quat), pos, conventions)


def keypoints_to_canonical(
    name: str,
    format_name: str,
    names: tuple[str, ...],
    pos: Tensor,
    seen: Tensor,
    fps: Assumption,
    options: ReadOptions = NO_OPTIONS,
    declared: DeclaredConventions = NOTHING_DECLARED,
    parents: tuple[int, ...] = (),
    warnings: tuple[str, ...] = (),
) -> KeypointMotion:
    """Convert key points (T, K, 3) from the file's unit and axes to the project's; ``seen`` is (T, K) bool.

    Raises ClipError for names that are not unique, and for a position that is not finite or above 1e4 m.
    """
    _check_lengths(pos, name)
    figure = _Figure(names, parents or (-1,) * len(names), pos, seen)
    conventions = _settle(figure, format_name, fps, options, declared, warnings)
    scale, turn = metres(conventions.unit.value), _turn(conventions)
    _check_lengths(pos * scale, name, _MAX_METRES, "m")
    pos = quat_rotate(turn.expand(*pos.shape[:2], 4), pos * scale) * seen[..., None]
    times = torch.arange(len(pos), dtype=torch.float64) / float(fps.value)
    return KeypointMotion(name, names, times, pos, seen, conventions, parents)


class _Pair(NamedTuple):
    """A point on the left, its partner on the right, and the number of bones up to their common ancestor."""

    left: int
    right: int
    depth: int


class _Figure:
    """The names of a file's points and their positions (T, J, 3) in the file's unit and axes."""

    def __init__(self, names: tuple[str, ...], parents: tuple[int, ...], pos: Tensor, seen: Tensor | None = None):
        self.plain = [_plain(name) for name in names]
        self.parents, self.pos, self.seen = parents, pos, seen
        self.feet = [i for i, plain in enumerate(self.plain) if _FOOT.search(plain)]
        self.pairs = self._pairs()

    def mean_of(self, points: list[int]) -> Tensor:
        """Return the mean (3,) of the points over time, without the frames in which a point is occluded."""
        pos = self.pos[:, points]
        if self.seen is None:
            return pos.mean((0, 1))
        weight = self.seen[:, points].double()
        return (pos * weight[..., None]).sum((0, 1)) / weight.sum().clamp_min(1)

    def ancestors(self, point: int) -> list[int]:
        """Return the point, its parent and so on up to the root."""
        chain = [point]
        while self.parents[chain[-1]] >= 0:
            chain.append(self.parents[chain[-1]])
        return chain

    def length(self, point: int) -> float:
        """Return the median distance of a point from its parent, in the file's unit."""
        return float((self.pos[:, point] - self.pos[:, self.parents[point]]).norm(dim=-1).median())

    def leg(self) -> tuple[float, str] | None:
        """Return a leg's length from hip to ankle in the file's unit, and its ends in words; None if no name tells of a leg."""
        legs = []
        hind = [pair for pair in self.pairs if not _FORE.search(self.plain[pair.left])] or self.pairs
        for left, _, depth in hind:
            chain = self.ancestors(left)[:depth]  # foot first, the pelvis left out
            ankle = next((i for i in reversed(chain) if i in self.feet), None)
            if ankle is not None and len(chain) > 1:
                bones = chain[chain.index(ankle) : -1]
                length = sum(self.length(bone) for bone in bones)
                if length > 0:
                    legs.append((length, f"{self.plain[chain[-1]]} to {self.plain[ankle]}"))
        return max(legs) if legs else None

    def four_legged(self) -> bool:
        """Whether a name tells of a tail, a paw or a hoof."""
        return any(re.search(r"tail|paw|hoof", plain) for plain in self.plain)

    def of_cmu(self) -> bool:
        """Whether the joint names are those of the CMU motion capture database."""
        return any(re.fullmatch(r"[lr]hip_?joint", plain) for plain in self.plain)

    def _pairs(self) -> list[_Pair]:
        partner: dict[tuple[str, str], int] = {}
        for i, plain in enumerate(self.plain):
            if found := _SIDE.search(plain):
                side = next(group for group in found.groups() if group)[0]
                partner.setdefault((side, plain[: found.start()] + "*" + plain[found.end() :]), i)
        pairs = []
        for (side, rest), left in partner.items():
            right = partner.get(("r", rest))
            if side == "l" and right is not None:
                others = set(self.ancestors(right))
                chain = self.ancestors(left)
                depth = next((d for d, point in enumerate(chain) if point in others), 0)
                pairs.append(_Pair(left, right, depth))
        return pairs


def _plain(name: str) -> str:
    """Return a name in lower case without its prefix, with its words apart: ``left_up_leg`` for ``mixamorig:LeftUpLeg``."""
    name = re.split(r"[:|]", name)[-1] or name
    name = re.sub(r"(?<=[A-Za-z0-9])_0\d+$", "", name)  # what some exporters number all bones with
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _settle(
    figure: _Figure,
    format_name: str,
    fps: Assumption,
    options: ReadOptions,
    declared: DeclaredConventions,
    warnings: tuple[str, ...],
) -> FileConventions:
    up = _choose(options.up, declared.up) or _guess_up(figure, declared.usual_up)
    forward = _choose(options.forward, declared.forward)
    if forward is None or forward.value.lstrip("-+") == up.value.lstrip("-+"):
        forward = _guess_forward(figure, _vector(up.value))
    unit = _choose(options.unit, declared.unit) or _guess_unit(figure, declared.usual_unit)
    return FileConventions(format_name, fps, unit, up, forward, warnings)


def _choose(user: str | None, file: str | None) -> Assumption | None:
    if user is not None:
        return Assumption(user.lstrip("+"), "user")
    return Assumption(file, "file") if file is not None else None


def _guess_up(figure: _Figure, usual: str) -> Assumption:
    if not figure.feet or len(figure.feet) == len(figure.plain):
        return Assumption(usual, "guess", "no feet found by name; most such files have it so")
    others = [i for i in range(len(figure.plain)) if i not in figure.feet]
    above = figure.mean_of(others) - figure.mean_of(figure.feet)
    # x up is rare, so it needs more evidence
    axis = int((above.abs() * above.new_tensor([0.5, 1.0, 1.0])).argmax())
    word = ("-" if above[axis] < 0 else "") + "xyz"[axis]
    return Assumption(word, "guess", "from the feet to the body, mean over the clip")


def _guess_forward(figure: _Figure, up: Tensor) -> Assumption:
    default = {"z": "x", "y": "z", "x": "y"}["xyz"[int(up.abs().argmax())]]
    left = torch.zeros(3, dtype=torch.float64)
    first = figure.pos[0]
    apart = [pair for pair in figure.pairs if (first[pair.left] - first[pair.right]).norm() > 0]
    if figure.seen is not None:
        apart = [pair for pair in apart if figure.seen[0, pair.left] and figure.seen[0, pair.right]]
    if apart:
        # hips and shoulders are rigid; hands and feet point anywhere
        close = min(pair.depth for pair in apart) + 1
        left = sum((first[p.left] - first[p.right] for p in apart if p.depth <= close), left)
    ahead = torch.linalg.cross(left, up)
    if float(ahead.norm()) == 0.0:
        return Assumption(default, "guess", "no left and right found by name")
    axis = int(ahead.abs().argmax())
    word = ("-" if ahead[axis] < 0 else "") + "xyz"[axis]
    return Assumption(word, "guess", "from left and right at the first frame")


def _guess_unit(figure: _Figure, usual: str) -> Assumption:
    leg = figure.leg()
    if leg:
        length, where = leg
        expected = _BEAST_LEG if figure.four_legged() else _PERSON_LEG
        why = f"{where} is {length:.4g} units"
    else:
        box = (figure.pos.amax(1) - figure.pos.amin(1)).norm(dim=-1)
        length, expected = float(box.median()), _PERSON_SIZE
        why = f"no legs found by name; the figure is {length:.4g} units large"
    if not 0 < length < math.inf:
        return Assumption(usual, "guess", "all points are in one place")
    known = [word for word in UNITS if word != "cmu" or figure.of_cmu()]
    unit = min(known, key=lambda word: abs(math.log(length * UNITS[word] / expected)))
    return Assumption(unit, "guess", f"{why}, that is {length * UNITS[unit]:.2f} m")


def _vector(axis: str) -> Tensor:
    """Return the unit vector (3,) of an axis such as "-z". Raises InputError for any other word."""
    word = axis.lower().removeprefix("+")
    if word not in _AXES:
        raise InputError(f"no axis '{axis}'; {nearest(axis, _AXES)}")
    index, value = _AXES[word]
    vector = torch.zeros(3, dtype=torch.float64)
    vector[index] = value
    return vector


def _turn(conventions: FileConventions) -> Tensor:
    """Return the rotation (4,) wxyz that takes the file's forward to x and the file's up to z."""
    return quat_conj(axes_quat(conventions.up.value, conventions.forward.value))


def axes_quat(up: str, forward: str) -> Tensor:
    """Return the rotation (4,) wxyz that takes x to the axis ``forward`` and z to the axis ``up``. Raises InputError."""
    z, x = _vector(up), _vector(forward)
    if float(z @ x) != 0.0:
        raise InputError(f"up '{up}' and forward '{forward}' are along the same axis; give two axes")
    y = torch.linalg.cross(z, x)
    return quat_from_matrix(torch.stack((x, y, z), 1))


def _check_lengths(pos: Tensor, name: str, most: float = 1e9, unit: str = "units") -> None:
    odd = (~(pos.abs() <= most)).flatten(1).any(1)
    if odd.any():
        raise ClipError(
            f"{name}: frame {int(odd.nonzero()[0]) + 1}: a point is not within {most:g} {unit} of the origin; "
            "the file is damaged, or its unit needs --unit"
        )
