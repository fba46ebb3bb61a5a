"""Retargets a recording to a character.

First the joints are mapped to roles. Then the whole recording is scaled to the character and searched for contacts.
Finally the requested frames are solved together with some frames on each side. A frame in the middle thus gets the same
pose wherever the clip is cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from characters.character import Character, load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_angle, quat_from_axis_angle, quat_hemisphere
from mocap.editing import (
    close_loop,
    cut,
    extract_cycle,
    find_cycle,
    heading_change,
    keeps_turning,
    mirror,
    repeat_cycles,
    resample_at,
)
from mocap.motion import MAX_FRAMES, Motion, check_length
from mocap.skeleton import KeypointMotion, SkeletonMotion, character_motion_as_skeleton, character_skeleton
from retarget.configuration import Configuration, KinematicTree
from retarget.ground import lift_penetration
from retarget.grounding import grounded_targets, resettled
from retarget.ik_objective import first_configuration, make_ik_objective
from retarget.mapping import Mapping, map_skeleton
from retarget.reattach import one_tree
from retarget.retarget_rig import RetargetRig
from retarget.root_motion import RootMotion, with_root_motion
from retarget.solver import Solver, SolverConfig
from retarget.source import Source
from retarget.targets import Targets, make_targets
from retarget.tempo import SLOWER, is_feasible

_MARGIN = 20  # frames solved beyond each end of what is wanted: more than the solver's iterations reach
_FEW_FRAMES = 5
_DENSE_FPS = 60.0
_LONGEST_TAKE = 2000  # frames: longer motions are recordings, which have their own speed
_SAME_M = 1e-4  # bones this alike are the same bone
_SAME_RAD = 1e-3  # a hinge that turns about nothing else


@dataclass(frozen=True)
class Options:
    """The part of a recording to use, and the edits to make.

    Attributes:
        start, end: times of the wanted part [s]; by default the whole recording.
        loop: whether to close the part into a cycle; without ``start`` and ``end`` the best cycle is searched for.
        mirror: whether to swap left and right.
        speed: factor of the playing speed; None plays a hand-keyed motion as fast as the body can, and others as they are.
        repair: whether to solve a clip of the character's own skeleton too, which otherwise keeps its joint rotations.
        fps: frame rate of the result [1/s]; the recording's by default.
        root_motion: the travel of the result: "auto" recovers it from the feet if the motion was made in place, "keep"
            takes the file's, "from-feet" recovers it in any case, "none" takes it out.
    """

    start: float | None = None
    end: float | None = None
    loop: bool = False
    mirror: bool = False
    speed: float | None = None
    repair: bool = False
    fps: float | None = None
    root_motion: RootMotion = "auto"


@dataclass(frozen=True, eq=False)
class Retargeted:
    """A retargeted motion, its targets frame by frame (None if the clip was used unchanged), and notes in words.

    Attributes:
        mapping: the recording's joint of each role, by name; empty if the clip is on the character's own skeleton.
        root_motion: where the travel comes from: "keep", "from-feet" or "none".
    """

    motion: Motion
    targets: Targets | None
    notes: tuple[str, ...]
    mapping: MappingOf[str, str] = field(default_factory=dict)
    root_motion: str = "keep"


def retarget(
    clip: Motion | SkeletonMotion | KeypointMotion,
    character: Character,
    options: Options | None = None,
    names: MappingOf[str, str] | None = None,
    settings: SolverConfig | None = None,
) -> Retargeted:
    """Retarget a clip of any skeleton to ``character``; ``names`` gives joint names by role and overrides the mapping.

    A clip of the character's own skeleton keeps every joint rotation, unless ``options.repair`` is set.

    Raises:
        ClipError: a needed joint is not found, a point is missing in some frames, the legs have no length, or
            the wanted part has fewer than two frames, or more frames or seconds than a clip may have.
        InputError: the character lacks needed key bodies.
    """
    options = options or Options()
    same = None if options.repair else _taken_over(clip, character)
    if same is not None:
        return _edited(same, character, options)
    rig = RetargetRig(character)
    own = clip if isinstance(clip, Motion) and clip.character == character.name else None
    source = (
        _own_source(own, rig) if own else one_tree(Source.of(_as_skeleton(clip) if isinstance(clip, Motion) else clip))
    )
    _check_moves(source)
    if options.fps is not None:
        source = source.resampled(options.fps / (options.speed or 1.0))
    first, last = _span(source.times, options, source.name)
    whole = (first, last) == (0, len(source) - 1)
    mapping = _own_mapping(rig) if own else _mapping(source, names)
    cycle = not own and source.is_cycle
    if cycle:  # what precedes its first frame and follows its last is known
        first, last = first + len(source) - 1, last + len(source) - 1
        source = source.repeated(3)
    travel = with_root_motion(rig, source, mapping, "keep" if own else options.root_motion)
    source = travel.source
    if (
        cycle and source.hand_keyed and options.fps is None
    ):  # between sparse frames a fast leg would sink into the ground
        parts = max(1, round(_DENSE_FPS / source.fps))
        source, first, last = source.denser(parts), first * parts, last * parts
    motion, targets = _solved(rig, source, mapping, own is not None, settings, (first, last))
    result = Retargeted(motion, targets, (*mapping.notes, *travel.notes))
    if options.speed is None and targets.hand_keyed and len(motion.times) <= _LONGEST_TAKE:
        result = _at_feasible_speed(result, rig, source, mapping, settings, (first, last))
    if options.loop:
        result = _looped(result, rig, options, settings, own is not None, cycle and whole)
    finished = _finished(result.motion, character, options, lift=True)
    if options.mirror or result.targets is None:
        targets_left = None  # they are of the other side
    else:
        targets_left = replace(result.targets, times=result.targets.times / (options.speed or 1.0))
    notes = _turn_note(finished) if options.loop else ()
    joints = {} if own else {role: source.names[j] for role, j in mapping.joints.items()}
    return Retargeted(finished, targets_left, (*result.notes, *notes), joints, travel.root_motion)


def joints_by_role(clip: SkeletonMotion | KeypointMotion, names: MappingOf[str, str] | None = None) -> dict[str, str]:
    """Return the name of the joint that plays each role. Raises ClipError if a needed role is not found."""
    source = one_tree(Source.of(clip))
    mapping = _mapping(source, names)
    return {role: source.names[j] for role, j in mapping.joints.items()}


def _mapping(source: Source, names: MappingOf[str, str] | None) -> Mapping:
    """Map the recording by its motion or, if that fails (the figure lies), by its rest pose. Raises ClipError."""
    try:
        return map_skeleton(source.names, source.parents, source.pos_w, names)
    except ClipError:
        if source.rest_w is None:
            raise
        try:
            return map_skeleton(source.names, source.parents, source.rest_w[None], names)
        except ClipError:
            pass
        raise


def _check_moves(source: Source) -> None:
    """Raise ClipError for a pose without motion."""
    if len(source) < _FEW_FRAMES and float((source.pos_w - source.pos_w[:1]).norm(dim=-1).max()) < 1e-3:
        raise ClipError(f"{source.name}: a pose of {len(source)} frames without motion; choose a take that moves")


def _edited(motion: Motion, character: Character, options: Options) -> Retargeted:
    """Apply the options to a motion of the character's own skeleton, which keeps its joint rotations."""
    if options.fps is not None:
        motion = _at_rate(motion, options.fps / (options.speed or 1.0))
    first, last = _span(motion.times, options, motion.name)
    if (first, last) != (0, motion.num_frames - 1):
        motion = cut(motion, first, last)
    if options.loop:
        motion = close_loop(motion)
    note = "the skeleton is the character's own: joint rotations are taken over"
    return Retargeted(_finished(motion, character, options, lift=False), None, (note,))


def _looped(
    result: Retargeted,
    rig: RetargetRig,
    options: Options,
    settings: SolverConfig | None,
    already_retargeted: bool,
    is_cycle: bool,
) -> Retargeted:
    """Make a cycle of a solved motion: find one if no part was asked for, close it, and solve it again."""
    motion, targets, notes = result.motion, result.targets, result.notes
    if options.start is None and options.end is None and not is_cycle:
        first, last = find_cycle(motion, rig.character)
        found = f"cycle found from {float(motion.times[first]):.2f} s to {float(motion.times[last]):.2f} s"
        motion, notes = cut(motion, first, last), (*notes, found)
        targets = None if targets is None else targets.cut(first, last)
    motion, contact = _resolved(close_loop(motion), rig, settings, already_retargeted)
    return Retargeted(motion, None if targets is None else replace(targets, contact=contact), notes)


def _solved(
    rig: RetargetRig,
    source: Source,
    mapping: Mapping,
    already_retargeted: bool,
    settings: SolverConfig | None,
    span: tuple[int, int],
) -> tuple[Motion, Targets]:
    """Return the frames ``span``, both included, of a recording on the character, and their targets."""
    first, last = span
    targets = grounded_targets(rig, source, mapping, already_retargeted)
    if targets.flight is not None:
        targets = resettled(rig, targets, targets.flight, solve(rig, targets, settings))
    configuration = solve(rig, targets, settings, slice(first, last + 1))
    times = targets.times[first : last + 1]
    return _as_motion(source, rig.character, configuration, times), targets.cut(first, last)


def _at_feasible_speed(
    result: Retargeted,
    rig: RetargetRig,
    source: Source,
    mapping: Mapping,
    settings: SolverConfig | None,
    span: tuple[int, int],
) -> Retargeted:
    """Return a hand-keyed motion at the greatest speed that the body has the force for, solved at that speed.

    If there is none, the motion stays as it is.
    """
    if is_feasible(result.motion, rig.character):
        return result
    for speed in SLOWER:
        motion, targets = _solved(
            rig, replace(source, times=source.times / speed), mapping, False, settings, span
        )  # flights last longer, so the jumps differ
        if is_feasible(motion, rig.character):
            why = "at the file's it needs more force than muscles and friction give (--speed 1 keeps it)"
            return replace(
                result,
                motion=motion,
                targets=targets,
                notes=(*result.notes, f"played at {speed:g} of the file's speed: {why}"),
            )
    return result


def _turn_note(cycle: Motion) -> tuple[str, ...]:
    """Return a note on how training treats a cycle that turns by more than a degree; nothing for others."""
    turn = math.degrees(heading_change(cycle))
    if abs(turn) <= 1.0:
        return ()
    goes_on = "goes on turning" if keeps_turning(cycle) else "keeps the first heading"
    return (f"each cycle turns by {turn:.0f} degrees; training {goes_on}",)


def solve(
    rig: RetargetRig, targets: Targets, settings: SolverConfig | None = None, span: slice = slice(None)
) -> Configuration:
    """Solve the frames ``span`` of the targets together, with some more frames on each side."""
    tree = KinematicTree(rig.character)
    first, last, _ = span.indices(len(targets))
    begin, stop = max(0, first - _MARGIN), min(len(targets), last + _MARGIN)
    objective = make_ik_objective(rig, tree, targets)[begin:stop]
    start = first_configuration(rig, targets)[begin:stop]
    return Solver(rig, tree, settings).solve(objective, start)[first - begin : last - begin]


def resolve_closed_loop(motion: Motion, character: Character, settings: SolverConfig | None = None) -> Motion:
    """Close a looped motion of this character, solve it once among copies of itself, and lift it out of the ground."""
    return lift_penetration(
        _resolved(close_loop(motion), RetargetRig(character), settings, already_retargeted=True)[0], character
    )


def _resolved(
    motion: Motion, rig: RetargetRig, settings: SolverConfig | None, already_retargeted: bool
) -> tuple[Motion, dict[str, Tensor]]:
    """Solve a closed motion again among copies of its cycle, because closing it has moved standing feet.

    Returns the motion and, for each role with contacts, (T,) bool: whether it stands.
    """
    last = motion.num_frames - 1
    before = -(-_MARGIN // last)  # cycles
    source = _own_source(repeat_cycles(motion, 2 * before + 1), rig)
    targets = make_targets(rig, source, _own_mapping(rig), already_retargeted)
    span = slice(before * last, (before + 1) * last + 1)
    configuration = solve(rig, targets, settings, span)
    closed = extract_cycle(_as_motion(source, rig.character, configuration, motion.times), motion, before)
    return closed, {role: flags[span] for role, flags in targets.contact.items()}


def own_keypoints(motion: Motion, rig: RetargetRig) -> Tensor:
    """Return the positions (T, K, 3) [m] of the rig's key bodies in a motion of the rig's character."""
    tree = KinematicTree(rig.character)
    return tree.points(tree.forward(Configuration.of(motion)), rig.body, rig.at)


def _own_source(motion: Motion, rig: RetargetRig) -> Source:
    """Convert a motion of the rig's character to a recording of the rig's key bodies."""
    quat = KinematicTree(rig.character).forward(Configuration.of(motion)).quat[:, rig.body]
    pos, parents = own_keypoints(motion, rig), (-1,) * len(rig.roles)
    return Source(motion.name, rig.roles, parents, motion.times, pos, quat, motion.source, motion.license)


def _own_mapping(rig: RetargetRig) -> Mapping:
    """Return the mapping of a recording of the rig's key bodies: joint k has the role of key body k."""
    joints = {role: index for index, role in enumerate(rig.roles)}
    spine = [joints[role] for role in ("pelvis", "spine", "chest") if role in joints]
    return Mapping(joints, tuple(spine), ())


def _span(times: Tensor, options: Options, name: str) -> tuple[int, int]:
    """Return the first and last frame of the wanted part. Raises ClipError if it has fewer than two frames."""
    start, end = options.start or 0.0, float(times[-1]) if options.end is None else options.end
    inside = ((times >= start - 1e-6) & (times <= end + 1e-6)).nonzero()[:, 0]
    if len(inside) < 2:
        raise ClipError(
            f"{name}: no two frames between {start:g} s and {end:g} s; choose a longer part of the clip, which lasts "
            f"{float(times[-1]):.2f} s"
        )
    if len(inside) > MAX_FRAMES:
        raise ClipError(
            f"{name}: {len(inside)} frames, more than the {MAX_FRAMES} that can be retargeted at once; choose a part by "
            "--start and --end"
        )
    return int(inside[0]), int(inside[-1])


def _as_motion(source: Source, character: Character, configuration: Configuration, times: Tensor) -> Motion:
    return Motion(
        name=source.name,
        character=character.name,
        joint_names=tuple(joint.name for joint in character.joints),
        times=times - times[0],
        root_pos_w=configuration.root_pos,
        root_quat_w=quat_hemisphere(configuration.root_quat),
        joint_quat=quat_hemisphere(configuration.joint_quat),
        loop=False,
        source=source.source,
        license=source.license,
    )


def _finished(motion: Motion, character: Character, options: Options, lift: bool) -> Motion:
    """Apply the last steps: mirror, change the speed, lift out of the ground, and move the start above the origin.

    Raises ClipError if the result is longer or shorter than a clip may be.
    """
    if options.mirror:
        motion = mirror(motion, character)
    if options.speed is not None and options.speed != 1.0:
        motion = replace(motion, times=motion.times / options.speed)
    if lift:
        motion = lift_penetration(motion, character)
    origin = motion.root_pos_w[0] * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    finished = replace(motion, root_pos_w=motion.root_pos_w - origin)
    check_length(finished)
    return finished


def _taken_over(clip: Motion | SkeletonMotion | KeypointMotion, character: Character) -> Motion | None:
    """Return the clip as a motion of the character if its skeleton is the character's own, else None."""
    if isinstance(clip, Motion):
        return clip if clip.character == character.name else None
    if isinstance(clip, KeypointMotion):
        return None
    own, other = character_skeleton(character), clip.skeleton
    if own.names != other.names or own.parents != other.parents:
        return None
    offset = other.offsets.clone()
    offset[0] = own.offsets[0]
    moved = clip.pos - offset
    moved[:, 0] = 0.0
    if (offset - own.offsets).abs().max() > _SAME_M or moved.abs().max() > _SAME_M or clip.num_frames < 2:
        return None
    quats = []
    for b, body in enumerate(character.bodies):
        if body.joint is None:
            continue
        joint, quat = character.joints[body.joint], clip.quat[:, b]
        if joint.kind == "hinge":
            axis = quat.new_tensor(joint.axis)
            angle = 2 * torch.atan2(quat[:, 1:] @ axis, quat[:, 0])
            turned = quat_from_axis_angle(axis.expand(len(angle), 3), angle)
            if quat_angle(turned, quat).max() > _SAME_RAD:
                return None
            quat = turned
        quats.append(quat)
    order = [body.joint for body in character.bodies if body.joint is not None]
    joint_quat = torch.stack([quats[order.index(j)] for j in range(len(character.joints))], 1)
    configuration = Configuration(clip.pos[:, 0], clip.quat[:, 0], joint_quat)
    source = Source(clip.name, other.names, other.parents, clip.times, clip.pos, None, clip.source, clip.license)
    return _as_motion(source, character, configuration, clip.times)


def _as_skeleton(motion: Motion) -> SkeletonMotion:
    return character_motion_as_skeleton(motion, load_character(motion.character))


def _at_rate(motion: Motion, fps: float) -> Motion:
    """Resample a motion at the rate nearest to ``fps`` [1/s] that keeps the last frame."""
    count = max(2, round(motion.duration * fps) + 1)
    return resample_at(motion, torch.linspace(0, motion.duration, count, dtype=torch.float64))
