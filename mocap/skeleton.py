"""Motion of any skeleton and motion of key points: readers of foreign formats return them, and retargeting takes them.

A :class:`SkeletonMotion` and a :class:`KeypointMotion` use this project's conventions. Lengths are in metres, z is up,
and the figure faces along x (to the nearest quarter turn) in the first frame. :class:`FileConventions` lists the
reader's assumptions, so that a user can see and override a wrong one. Readers rotate the world, but not the frames of the
bones. A skeleton therefore has rest rotations, and the directions of a bone's axes have no meaning.

Like a Motion, both are checked when they are made and never changed. Tensors are float64 and shared, and must not be
written to. Shape letters: T frames, J bones, E end sites, K key points.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from characters.character import Character
from characters.kinematics import forward_kinematics
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_rotate
from mocap.motion import Motion, check_character

_UNIT_TOLERANCE = 1e-9


class Assumption(NamedTuple):
    """One convention of a file: its value, its origin (file, guess or user), and the reason."""

    value: str
    by: Literal["file", "guess", "user"]
    why: str = ""


_METRES, _Z, _X = Assumption("m", "file"), Assumption("z", "file"), Assumption("x", "file")


@dataclass(frozen=True)
class FileConventions:
    """The conventions that a reader assumed for the numbers of a file.

    Attributes:
        format: the file's format in a word or two ("BVH").
        fps: frames a second.
        unit: unit of length in the file ("cm").
        up: axis of the file that points up ("y", "-z").
        forward: axis of the file along which the figure faces in the first frame.
        warnings: oddities of the file, one line each.
    """

    format: str
    fps: Assumption
    unit: Assumption = _METRES
    up: Assumption = _Z
    forward: Assumption = _X
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Named bones in a tree; a bone's frame sits at its joint, and a bone comes after its parent.

    Attributes:
        names: names of the J bones, each once, as in the file with any prefix (``mixamorig:Hips``).
        parents: index of each bone's parent, -1 for a root. There may be several roots.
        offsets: (J, 3) [m] positions of the joints in their parents' frames at rest, of a root in the world. They may
            be zero. A motion's ``pos`` replaces them.
        rest_quat: (J, 4) wxyz rotations in the parents' frames at rest. The file defines the rest pose: a T-pose, an
            A-pose, or an arrangement of bones that is no real pose.
        end_site_parents: (E) indices of the bones that have an end site (BVH's End Site).
        end_site_offsets: (E, 3) [m] positions of the end sites in their bones' frames: the ends of toes, fingers or head.

    Raises:
        ClipError: no bones, a name twice, a parent after its child, a wrong shape, a NaN.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Tensor
    rest_quat: Tensor
    end_site_parents: tuple[int, ...] = ()
    end_site_offsets: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.float64))

    def __post_init__(self) -> None:
        bones = len(self.names)
        if not bones or len(set(self.names)) < bones:
            found = f"{bones} bones with {len(set(self.names))} names"
            raise ClipError(f"a skeleton needs bones with different names; it has {found}")
        if len(self.parents) != bones or any(not -1 <= p < b for b, p in enumerate(self.parents)):
            raise ClipError("every bone of a skeleton needs a parent that comes before it, or -1")
        if any(not 0 <= p < bones for p in self.end_site_parents):
            raise ClipError("every end site of a skeleton needs the index of a bone")
        _check(self.offsets, (bones, 3), "offsets")
        _check(self.rest_quat, (bones, 4), "rest_quat")
        _check(self.end_site_offsets, (len(self.end_site_parents), 3), "end_site_offsets")

    def index(self, name: str) -> int:
        """Return the index of the bone ``name``. Raises ClipError if there is none."""
        if name not in self.names:
            raise ClipError(f"the skeleton has no bone '{name}'; it has {', '.join(self.names)}")
        return self.names.index(name)

    def rest_positions(self) -> Tensor:
        """Return the positions (J, 3) [m] of the joints in the world at rest."""
        return self._rest()[0][0]

    def rest_orientations(self) -> Tensor:
        """Return the orientations (J, 4) wxyz of the bones in the world at rest."""
        return self._rest()[1][0]

    def _rest(self) -> tuple[Tensor, Tensor]:
        return forward_kinematics(self.parents, self.rest_quat[None].unbind(1), self.offsets[None].unbind(1))


@dataclass(frozen=True, eq=False)
class SkeletonMotion:
    """A movement of T frames of any skeleton.

    Attributes:
        name: short name of the clip.
        skeleton: the bones that move.
        times: (T,) [s], growing from 0. Readers space them evenly; ``resample_skeleton`` makes other motions even.
        quat: (T, J, 4) wxyz, a bone in its parent's frame, a root in the world. Signs do not flip between frames.
        pos: (T, J, 3) [m] positions of the joints in their parents' frames, of a root in the world. They *replace* the
            skeleton's offsets and may stretch bones. A bone without positions in the file has its offset here.
        conventions: the assumptions about the file.
        source: the file that the motion comes from.
        license: the conditions of its owner.

    Raises:
        ClipError: no frames, a wrong shape, a NaN, times that do not grow, a quaternion that is not unit.
    """

    name: str
    skeleton: Skeleton
    times: Tensor
    quat: Tensor
    pos: Tensor
    conventions: FileConventions
    source: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        frames, bones = self.times.numel(), len(self.skeleton.names)
        _check_times(self.times, self.name)
        _check(self.quat, (frames, bones, 4), f"{self.name}: quat")
        _check(self.pos, (frames, bones, 3), f"{self.name}: pos")
        if ((self.quat.norm(dim=-1) - 1).abs() > _UNIT_TOLERANCE).any():
            raise ClipError(f"{self.name}: quat has quaternions that are not of unit length")

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self.times)

    @property
    def duration(self) -> float:
        """Time from the first frame to the last [s]."""
        return float(self.times[-1])

    @property
    def fps(self) -> float:
        """Frame rate [1/s]; 0 for a single frame."""
        return (self.num_frames - 1) / self.duration if self.num_frames > 1 else 0.0

    def bones_w(self) -> tuple[Tensor, Tensor]:
        """Return the positions (T, J, 3) [m] of the joints and orientations (T, J, 4) wxyz of the bones in the world."""
        return forward_kinematics(self.skeleton.parents, self.quat.unbind(1), self.pos.unbind(1))

    def positions_w(self) -> Tensor:
        """Return the positions (T, J, 3) [m] of the joints in the world."""
        return self.bones_w()[0]

    def end_sites_w(self) -> Tensor:
        """Return the positions (T, E, 3) [m] of the end sites in the world."""
        pos, quat = self.bones_w()
        parents = list(self.skeleton.end_site_parents)
        return pos[:, parents] + quat_rotate(quat[:, parents], self.skeleton.end_site_offsets.expand(len(pos), -1, 3))


@dataclass(frozen=True, eq=False)
class KeypointMotion:
    """A movement of T frames of K named points without rotations: markers, or the joints of a recording.

    Attributes:
        name: short name of the clip.
        names: names of the points, each once.
        times: (T,) [s], growing from 0; evenly spaced.
        pos_w: (T, K, 3) [m]; zero where ``seen`` is False.
        seen: (T, K) bool: False where the point was occluded.
        conventions: the assumptions about the file.
        parents: index of each point's parent (-1: none), for a stick figure; empty if the format has no parents.
        source: the file that the motion comes from.
        license: the conditions of its owner.

    Raises:
        ClipError: no frames or points, a name twice, a wrong shape, a NaN, times that do not grow.
    """

    name: str
    names: tuple[str, ...]
    times: Tensor
    pos_w: Tensor
    seen: Tensor
    conventions: FileConventions
    parents: tuple[int, ...] = ()
    source: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        frames, points = self.times.numel(), len(self.names)
        if not points or len(set(self.names)) < points:
            found = f"{points} points with {len(set(self.names))} names"
            raise ClipError(f"{self.name}: a motion needs key points with different names; it has {found}")
        if self.parents and (len(self.parents) != points or any(not -1 <= p < points for p in self.parents)):
            raise ClipError(f"{self.name}: the parent of a key point must be the index of another, or -1")
        _check_times(self.times, self.name)
        _check(self.pos_w, (frames, points, 3), f"{self.name}: pos_w")
        if self.seen.shape != (frames, points) or self.seen.dtype != torch.bool:
            found = f"{tuple(self.seen.shape)} {self.seen.dtype}"
            raise ClipError(f"{self.name}: seen is {found}, expected {(frames, points)} torch.bool")

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return len(self.times)

    @property
    def duration(self) -> float:
        """Time from the first frame to the last [s]."""
        return float(self.times[-1])

    @property
    def fps(self) -> float:
        """Frame rate [1/s]; 0 for a single frame."""
        return (self.num_frames - 1) / self.duration if self.num_frames > 1 else 0.0


Clip = Motion | SkeletonMotion | KeypointMotion
"""Any motion that a file can hold."""


def character_skeleton(character: Character) -> Skeleton:
    """Return a character's bodies as a skeleton: one bone for every body, at rest in the zero pose."""
    return Skeleton(
        names=tuple(body.name for body in character.bodies),
        parents=tuple(body.parent for body in character.bodies),
        offsets=torch.tensor([body.offset for body in character.bodies], dtype=torch.float64),
        rest_quat=_identity(len(character.bodies)),
    )


def character_motion_as_skeleton(motion: Motion, character: Character) -> SkeletonMotion:
    """Convert a motion of one of our characters to a skeleton's motion, which the writers of foreign formats take.

    Raises ClipError if the motion belongs to another character.
    """
    check_character(motion, character)
    skeleton = character_skeleton(character)
    quat = _identity(motion.num_frames, len(skeleton.names))
    for b, body in enumerate(character.bodies):
        if body.joint is not None:
            quat[:, b] = motion.joint_quat[:, body.joint]
    quat[:, 0] = motion.root_quat_w
    pos = skeleton.offsets.repeat(motion.num_frames, 1, 1)
    pos[:, 0] = motion.root_pos_w
    reading = FileConventions(format=f"motion of the {character.name}", fps=Assumption(f"{motion.fps:g}", "file"))
    return SkeletonMotion(motion.name, skeleton, motion.times, quat, pos, reading, motion.source, motion.license)


def _identity(*shape: int) -> Tensor:
    return torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(*shape, 1)


def _check(values: Tensor, shape: tuple[int, ...], what: str) -> None:
    if values.shape != shape or values.dtype != torch.float64:
        raise ClipError(f"{what} is {tuple(values.shape)} {values.dtype}, expected {shape} torch.float64")
    if not torch.isfinite(values).all():
        raise ClipError(f"{what} is not finite at {tuple((~torch.isfinite(values)).nonzero()[0].tolist())}")


def _check_times(times: Tensor, name: str) -> None:
    _check(times, (times.numel(),), f"{name}: times")
    if not times.numel():
        raise ClipError(f"{name}: the motion has no frames")
    if times[0] != 0 or (times.diff() <= 0).any():
        raise ClipError(f"{name}: times must start at 0 s and grow")
