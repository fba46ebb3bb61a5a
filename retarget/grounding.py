"""Puts a figure of foreign proportions on the ground: its lowest point is as high as the recording's.

A stylised figure (long feet, short legs, wide hips) has its ankles, toes and hips at heights that no single scale brings to the
character's. The character in the recording's pose is then lifted or lowered frame by frame, and it stands where its own
soles are low and slow.
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import diags_array, vstack
from scipy.sparse.linalg import spsolve
from torch import Tensor

from characters.roles import SIDES, part_of
from mimic.core.rotations import quat_rotate
from retarget.configuration import BodyPoses, Configuration, KinematicTree
from retarget.contacts import intervals, speed, without_short
from retarget.frames import UP
from retarget.ik_objective import first_configuration, soles
from retarget.mapping import Mapping
from retarget.retarget_rig import RetargetRig
from retarget.scaled_source import ScaledSource
from retarget.source import Source
from retarget.targets import Targets, make_targets

_OFF_GROUND = 0.06  # [m] of the recording, from which it is in the air
_LONGEST_FLIGHT_S = 0.8
_FIXED = 0.005  # [m] a pelvis without keys of its own moves less
_ON_GROUND, _FREE_FALL, _PUSH = 0.005, 2.0, 40.0  # [m], [m/s²], [m/s²]: deviations that count alike
_STAND = 0.04  # [m] above ground
_SPEED, _PACE = 0.25, 0.35  # [m/s] of a standing sole, and by the speed of the body
_WIDER_HIPS, _LONGER_TRUNK = 1.5, 1.4  # by our own: from which a figure is stylised
_FLESH = {"wrist": 0.03, "elbow": 0.04, "knee": 0.06, "pelvis": 0.1, "head": 0.1, "shoulder": 0.1}  # [m] above ground
_TIPTOE = 0.08  # [m]
_SUNK = 0.12  # [m] below ground, from which a recording does not stand on its feet


def grounded_targets(rig: RetargetRig, source: Source, mapping: Mapping, already_retargeted: bool = False) -> Targets:
    """Return ``make_targets`` of a recording, put on the ground if the recording needs it. Raises ClipError likewise."""
    targets = make_targets(rig, source, mapping, already_retargeted)
    scaled = ScaledSource(rig, source, mapping, noisy_contacts=False)
    return grounded(scaled, targets) if not already_retargeted and needs_grounding(scaled) else targets


def needs_grounding(scaled: ScaledSource) -> bool:
    """Whether the recording has proportions unlike the character's, or does not stand on its feet for much of the time."""
    rig = scaled.rig
    if rig.digitigrade:
        return False
    hips = float(scaled.lateral("hip").norm(dim=-1).median()) / rig.length("left_hip", "right_hip")
    trunk = float((scaled.middle("shoulder") - scaled.middle("hip")).norm(dim=-1).median())
    own_trunk = float((rig.middle("shoulder") - rig.middle("hip")).norm())
    lowest = scaled.points[:, list(scaled.mapping.joints.values()), 2].amin(1)
    return (
        scaled.longer_foot() > 0.0
        or hips > _WIDER_HIPS
        or trunk > _LONGER_TRUNK * own_trunk
        or has_fixed_pelvis(scaled)
        or bool((lowest < -_SUNK).double().mean() > 0.2)
    )


def grounded(scaled: ScaledSource, targets: Targets) -> Targets:
    """Return the targets at the height of ``vertical_path``, with contacts of the character's own soles."""
    rig, tree = scaled.rig, KinematicTree(scaled.rig.character)
    bodies = tree.forward(first_configuration(rig, targets))
    flight = in_flight(scaled, targets.times) & (not has_fixed_pelvis(scaled))
    lift = vertical_path(_centre_of_mass(rig, bodies), -_lowest(rig, bodies), flight, targets.times)
    pos = {role: value + lift[:, None] * UP for role, value in targets.pos.items()}
    pace = speed(scaled.middle("hip") * torch.tensor([1.0, 1.0, 0.0]), targets.times)
    contact = dict(targets.contact)
    for sole in soles(rig, targets):
        if part_of(sole.role) not in ("ankle", "toe", "wrist"):
            continue
        points = tree.points(bodies, sole.surface.body, sole.surface.at)
        height = (points[..., 2] - sole.surface.radius).amin(1) + lift
        slow = speed(points.mean(1), targets.times) < _SPEED + _PACE * pace
        contact[sole.role] = without_short((height < _STAND) & slow & ~flight, targets.times)
    return replace(targets, pos=pos, contact=contact, flight=flight, hand_keyed=True)


def resettled(rig: RetargetRig, targets: Targets, flight: Tensor, configuration: Configuration) -> Targets:
    """Return grounded targets lifted or lowered by what a first solution of them still is above or below the ground."""
    bodies = KinematicTree(rig.character).forward(configuration)
    lift = vertical_path(_centre_of_mass(rig, bodies), -_lowest(rig, bodies), flight, targets.times)
    return replace(targets, pos={role: value + lift[:, None] * UP for role, value in targets.pos.items()})


def _lowest(rig: RetargetRig, bodies: BodyPoses) -> Tensor:
    surface = rig.surface
    points = KinematicTree(rig.character).points(bodies, surface.body, surface.at)
    return (points[..., 2] - surface.radius).amin(1)


def has_fixed_pelvis(scaled: ScaledSource) -> bool:
    """Whether the file moves the pelvis not at all, though the body moves: its height is then unknown."""
    pelvis = scaled.pos("pelvis")
    moves = float((scaled.points - scaled.points.mean(0)).norm(dim=-1).amax())
    return float((pelvis - pelvis[:1]).norm(dim=-1).max()) < _FIXED < moves


def in_flight(scaled: ScaledSource, times: Tensor) -> Tensor:
    """Return (T,) bool: whether the recording is in the air, for at most the time that a jump can last.

    A longer stay above the floor is an error of the estimated height, or of the file.
    """
    high = _height(scaled) > _OFF_GROUND
    flight = torch.zeros_like(high)
    for first, last in intervals(high):
        if float(times[last - 1] - times[first]) <= _LONGEST_FLIGHT_S:
            flight[first:last] = True
    return flight


def vertical_path(centre: Tensor, ground: Tensor, flight: Tensor, times: Tensor) -> Tensor:
    """Return the lift (T,) [m] that a body needs: on the ground where it is not in flight, else in free fall.

    A hand-keyed jump rises and falls as its animator liked. The least-squares path leaves the ground with the speed of the
    legs' push, and falls freely.

    Args:
        centre: (T,) height of the centre of mass before the lift [m].
        ground: (T,) lift that puts the lowest point at height 0 [m].
        flight: (T,) bool.
        times: (T,) [s].
    """
    count, dt = len(centre), float(times.diff().median())
    if count < 3:
        return ground
    second = diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(count - 2, count)) / dt**2
    airborne = flight.numpy()
    inside = airborne[1:-1]
    weight = np.where(inside, 1 / _FREE_FALL, 1 / _PUSH)
    wanted = np.where(inside, -9.81, 0.0) - second @ centre.numpy()
    stand = np.where(airborne, 1e-3, 1 / _ON_GROUND)
    rows = vstack([diags_array(stand), diags_array(weight) @ second]).tocsc()
    values = np.concatenate((stand * ground.numpy(), weight * wanted))
    lift = torch.from_numpy(spsolve((rows.T @ rows).tocsc(), rows.T @ values))
    return torch.where(flight, torch.maximum(lift, ground), lift)


def _centre_of_mass(rig: RetargetRig, bodies: BodyPoses) -> Tensor:
    """Return the height (T,) [m] of the centre of mass."""
    parts = rig.character.bodies
    at = torch.tensor([body.com for body in parts], dtype=torch.float64)
    mass = torch.tensor([body.mass for body in parts], dtype=torch.float64)
    place = bodies.pos + quat_rotate(bodies.quat, at.expand_as(bodies.pos))
    return (place[..., 2] * mass).sum(1) / mass.sum()


def _height(scaled: ScaledSource) -> Tensor:
    """Return the height (T,) [m] of the recording's lowest point above its floor, which it reaches in 2 % of the frames.

    Heights up to 8 cm count as none: a stylised figure on tiptoe raises all joints of its foot so far.
    """
    heights = []
    for role, joint in scaled.mapping.joints.items():
        if part_of(role) in _FLESH:
            heights.append(scaled.points[:, joint, 2] - _FLESH[part_of(role)])
    for side in SIDES:
        heights += [scaled.points[:, joint, 2] - scaled.rest_height(joint) for joint in scaled.foot_joints(side)]
    lowest = torch.stack(heights).amin(0)
    return (lowest - lowest.quantile(0.02) - _TIPTOE).clamp_min(0.0)
