"""Puts a figure of foreign proportions on the ground: its lowest point is as high as the recording's.

A stylised figure (long feet, short legs, wide hips) has its ankles, toes and hips at heights that no single scale brings to the
character's. The character in the recording's pose is then lifted or lowered frame by frame, and it stands where its own
soles are low and slow.
"""

from dataclasses import replace

import torch
from torch import Tensor

from characters.roles import SIDES, part_of
from retarget.configuration import KinematicTree
from retarget.contacts import smoothed, speed, without_short
from retarget.ik_objective import first_configuration, soles
from retarget.mapping import Mapping
from retarget.retarget_rig import RetargetRig
from retarget.scaled_source import ScaledSource
from retarget.source import Source
from retarget.targets import Targets, make_targets

_SMOOTHING_S = 0.05
_STAND = 0.04  # [m] above ground
_SPEED, _PACE = 0.25, 0.12  # [m/s] of a standing sole, and by the speed of the body
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
        or bool((lowest < -_SUNK).double().mean() > 0.2)
    )


def grounded(scaled: ScaledSource, targets: Targets) -> Targets:
    """Return the targets lifted or lowered in each frame to the recording's height, with contacts of the character's soles."""
    rig, tree = scaled.rig, KinematicTree(scaled.rig.character)
    bodies = tree.forward(first_configuration(rig, targets))
    surface = rig.surface
    lowest = (tree.points(bodies, surface.body, surface.at)[..., 2] - surface.radius).amin(1)
    height = _height(scaled)
    lift = smoothed(height - lowest, targets.times, _SMOOTHING_S)
    pos = {role: value + lift[:, None] * value.new_tensor([0.0, 0.0, 1.0]) for role, value in targets.pos.items()}
    pace = speed(scaled.middle("hip") * torch.tensor([1.0, 1.0, 0.0]), targets.times)
    contact = dict(targets.contact)
    for sole in soles(rig, targets):
        if part_of(sole.role) not in ("ankle", "toe", "wrist"):
            continue
        points = tree.points(bodies, sole.surface.body, sole.surface.at)
        above = (points[..., 2] - sole.surface.radius).amin(1) - lowest
        slow = speed(points.mean(1), targets.times) < _SPEED + _PACE * pace
        contact[sole.role] = without_short((above + height < _STAND) & slow, targets.times)
    return replace(targets, pos=pos, contact=contact)


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
