"""Measurements of a character's motion, and of its distance from the recording."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from characters.character import Character
from mimic.core.rotations import quat_angle
from mocap.editing import Seam, repeat_cycles, seam_of
from mocap.motion import Motion
from retarget.collision import self_collision
from retarget.configuration import BodyPoses, Configuration, KinematicTree
from retarget.contacts import find_contact, speed
from retarget.dynamics import Effort, bodies_at, effort
from retarget.ik_objective import Sole, soles
from retarget.retarget_rig import RetargetRig
from retarget.targets import Targets

_LIMIT_RAD = 0.01  # beyond a hinge's range, that is a hit
_JUMP_DEG, _LEEWAY_DEG = 30.0, 10.0  # a frame; more than the recorded bones turn
_JUMP_S = 1 / 30
_STEP_S = 1 / 60
_CHECK_HZ = 30.0
_STAND = 0.03  # [m] above ground
_CLOSED_RAD_S, _CLOSED_MM = 1.0, 10.0
_CLOSED_DEG = 5.0  # a loop that comes back so near is measured as the endless motion that it is


@dataclass(frozen=True, eq=False)
class SoleTrace:
    """One contact's soles over T frames.

    ``height`` (T,) [m] is that of the lowest point, ``speed`` (T,) [m/s] the horizontal speed since the frame before, and
    ``flags`` (T,) bool tells whether the sole stands.
    """

    role: str
    height: Tensor
    speed: Tensor
    flags: Tensor

    @property
    def held(self) -> Tensor:
        """(T,) bool: the sole stands in this frame and in the previous one."""
        return self.flags & torch.cat((self.flags[:1], self.flags[:-1]))

    def cut(self, span: slice) -> SoleTrace:
        """Return the frames of ``span`` only."""
        return SoleTrace(self.role, self.height[span], self.speed[span], self.flags[span])


@dataclass(frozen=True, eq=False)
class Measures:
    """All measures in the quality report, with curves over the T frames.

    Attributes:
        error: distance (T,) [m] of each role from its target; empty without a recording.
        stances: traces of the soles, one for each contact.
        lowest: (T,) [m] height of the lowest point of the body.
        limit_hits: (T,) bool: whether a hinge is beyond its range.
        collisions: (F,) bool: whether the body collides with itself, at about 30 frames a second.
        acceleration: (T,) [m/s²] greatest acceleration of any body.
        jumps: (T - 1,) [deg] greatest turn of any joint from one frame to the next, or in 1/30 s if frames are longer.
            The turn of a joint is capped at 30 if the recorded bones turn as much, within 10, in that frame or beside it.
        seam: the differences between the last frame and the first; None if the motion does not loop.
        effort: the torques that the motion needs.
    """

    motion: Motion
    error: dict[str, Tensor]
    stances: list[SoleTrace]
    lowest: Tensor
    limit_hits: Tensor
    collisions: Tensor
    acceleration: Tensor
    jumps: Tensor
    seam: Seam | None
    effort: Effort


def measure(motion: Motion, character: Character, targets: Targets | None = None) -> Measures:
    """Measure a motion; with ``targets`` also measure its distance from them in every frame."""
    rig, tree = RetargetRig(character), KinematicTree(character)
    configuration = Configuration.of(motion)
    bodies = tree.forward(configuration)
    surface = rig.surface
    heights = tree.points(bodies, surface.body, surface.at)[..., 2] - surface.radius
    some = torch.arange(0, motion.num_frames, max(1, round(motion.fps / _CHECK_HZ)))
    seam = seam_of(motion) if motion.loop else None
    # what depends on the frames around: of a loop, on those of the cycles before and after
    endless = ends_meet(motion) if seam is None else seam.to_json()["pose_deg"] <= _CLOSED_DEG
    whole = repeat_cycles(motion, 3) if endless else motion
    span = slice(motion.num_frames - 1, 2 * motion.num_frames - 1) if endless else slice(0, motion.num_frames)
    around = tree.forward(Configuration.of(whole)) if endless else bodies
    if targets is not None and len(targets) == motion.num_frames:
        stances = [_stance(sole, tree, bodies, motion.times) for sole in soles(rig, targets)]
    else:
        stances = [_stance(sole, tree, around, whole.times).cut(span) for sole in _soles(rig, tree, around, whole)]
    return Measures(
        motion=motion,
        error=_errors(rig, tree, bodies, targets),
        stances=stances,
        lowest=heights.amin(1),
        limit_hits=_limit_hits(tree, configuration),
        collisions=self_collision(tree, bodies_at(bodies, some)),
        acceleration=_acceleration(around.pos, whole.times)[span],
        jumps=_jumps(tree, configuration, motion.times, targets),
        seam=seam,
        effort=effort(whole, character, span),
    )


def ends_meet(motion: Motion) -> bool:
    """Whether the last frame has the pose, height and velocity of the first, so that what precedes and follows is known."""
    seam = seam_of(motion).to_json()
    return (
        seam["pose_deg"] <= _CLOSED_DEG
        and seam["velocity_rad_s"] <= _CLOSED_RAD_S
        and abs(seam["height_mm"]) <= _CLOSED_MM
    )


def _errors(rig: RetargetRig, tree: KinematicTree, bodies: BodyPoses, targets: Targets | None) -> dict[str, Tensor]:
    if targets is None or len(targets) != len(bodies.pos):
        return {}
    points = tree.points(bodies, rig.body, rig.at)
    # the motion starts above the origin, the recording anywhere
    shift = (targets.pos["pelvis"] - points[:, rig.roles.index("pelvis")]).median(0).values
    shift[2] = 0.0
    return {
        role: (points[:, k] + shift - targets.pos[role]).norm(dim=-1)
        for k, role in enumerate(rig.roles)
        if role in targets.pos
    }


def _soles(rig: RetargetRig, tree: KinematicTree, bodies: BodyPoses, motion: Motion) -> list[Sole]:
    """Find the contacts of a motion without a recording: a sole stands while it is low and slow."""
    pace = speed(motion.root_pos_w * torch.tensor([1.0, 1.0, 0.0]), motion.times)
    found = []
    for name in rig.character.config.allowed_contacts:
        role = next((r for r in rig.roles if rig.body_of(r) == rig.character.body_index(name)), None)
        if role is None:
            continue
        surface = rig.sole(role)
        points = tree.points(bodies, surface.body, surface.at)
        points[..., 2] -= surface.radius
        for p in range(len(surface.at)):
            flags = find_contact(points[:, p], motion.times, 0.0, _STAND, pace)
            found.append(Sole(role, surface.pick(p), flags))
    return found


def _stance(sole: Sole, tree: KinematicTree, bodies: BodyPoses, times: Tensor) -> SoleTrace:
    points = tree.points(bodies, sole.surface.body, sole.surface.at)
    along = (points[1:, :, :2] - points[:-1, :, :2]).norm(dim=-1).mean(1) / times.diff()
    height = (points[..., 2] - sole.surface.radius).amin(1)
    return SoleTrace(sole.role, height, torch.cat((along[:1], along)), sole.flags)


def _limit_hits(tree: KinematicTree, configuration: Configuration) -> Tensor:
    hinges = [joint for joint in tree.character.joints if joint.kind == "hinge"]
    angles = tree.hinge_angles(configuration)
    hits = torch.zeros(len(configuration), dtype=torch.bool)
    for joint, angle in zip(hinges, angles.unbind(1), strict=True):
        if joint.range is not None:
            low, high = joint.range
            middle = (low + high) / 2
            near = torch.remainder(angle - middle + torch.pi, 2 * torch.pi) - torch.pi + middle
            hits |= (near < low - _LIMIT_RAD) | (near > high + _LIMIT_RAD)
    return hits


def worst_acceleration(motion: Motion, character: Character) -> Tensor:
    """Return the greatest acceleration (T,) [m/s²] of any body in each frame."""
    return _acceleration(KinematicTree(character).forward(Configuration.of(motion)).pos, motion.times)


def _acceleration(pos: Tensor, times: Tensor) -> Tensor:
    """Return the greatest acceleration (T,) [m/s²] of any body, from second differences over steps of 1/60 s.

    A step is one frame if frames are longer. ``pos`` (T, B, 3) [m] are the bodies' positions.
    """
    step = max(1, round(_STEP_S / float(times.diff().median())))
    if len(pos) < 2 * step + 1:
        return torch.zeros(len(pos), dtype=torch.float64)
    dt = (times[2 * step :] - times[: -2 * step]) / 2
    second = pos[2 * step :] - 2 * pos[step:-step] + pos[: -2 * step]
    inner = second.norm(dim=-1).amax(1) / dt.square()
    return torch.cat((inner[:1].expand(step), inner, inner[-1:].expand(step)))


def _jumps(tree: KinematicTree, configuration: Configuration, times: Tensor, targets: Targets | None) -> Tensor:
    # where frames are further apart than a thirtieth of a second: the turn in that time
    turned = torch.rad2deg(quat_angle(configuration.joint_quat[1:], configuration.joint_quat[:-1]))
    turned = turned * (_JUMP_S / times.diff().clamp(min=_JUMP_S))[:, None]
    if targets is not None and len(targets) == len(configuration):
        for b, body in enumerate(tree.character.bodies):
            if body.joint is None or b not in targets.turned:
                continue
            own = torch.rad2deg(targets.turned[b][1:])
            # in the frame or in one beside it: smoothing may share a fast turn out between them
            own = torch.stack((own, torch.cat((own[1:], own[-1:])), torch.cat((own[:1], own[:-1])))).amax(0)
            explained = turned[:, body.joint] < own + _LEEWAY_DEG
            turned[:, body.joint] = torch.where(
                explained, turned[:, body.joint].clamp(max=_JUMP_DEG), turned[:, body.joint]
            )
    return turned.amax(1)
