"""Inverse kinematics of the dog's legs: joint rotations from the paw's position and the slope of the last segment.

A leg consists of a ball joint, a hinge and two ball joints. The paw's position leaves one degree of freedom, which the
caller fixes by the slope of the segment above the paw (metatarsus or hand). World axes are used, with z up. The columns
of a matrix are the axes of a body. Angles are in radians, and T frames are solved at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from characters.character import Character

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Leg:
    """A leg of the dog: its joints from the trunk down, the lengths [m] of the three segments, and the sole of the paw.

    ``forward_knee`` is +1 if the middle joint points forward (the stifle), -1 if it points back (the elbow). ``edge`` and
    ``heel`` are the front and the rear lower edge of the paw, (x, z) [m] from the paw's joint.
    """

    joints: tuple[str, str, str, str]
    base: str
    lengths: tuple[float, float, float]
    forward_knee: int
    edge: tuple[float, float]
    heel: tuple[float, float]


@dataclass(frozen=True)
class LegPose:
    """World orientations (T, 3, 3) of a leg's four bodies, and the distance (T,) [m] of the target beyond reach."""

    bodies: tuple[Array, Array, Array, Array]
    overreach: Array


def dog_leg(character: Character, side: str, fore: bool) -> Leg:
    """Read a leg's dimensions from the character. Raises InputError if the character lacks the leg's bodies."""
    parts = ("shoulder", "forearm", "hand", "finger") if fore else ("upper_leg", "leg", "foot", "toe")
    names = [f"{side}_{part}" for part in parts]
    bodies = [character.bodies[character.body_index(name)] for name in names]
    lengths = [float(np.linalg.norm(body.offset)) for body in bodies[1:]]
    paw = bodies[3].geom
    front, back, sole = paw.pos[0] + paw.size[0], paw.pos[0] - paw.size[0], paw.pos[2] - paw.size[2]
    return Leg(
        joints=(names[0], names[1], names[2], names[3]),
        base=character.bodies[bodies[0].parent].name,
        lengths=(lengths[0], lengths[1], lengths[2]),
        forward_knee=-1 if fore else 1,
        edge=(front, sole),
        heel=(back, sole),
    )


def paw_joint(leg: Leg, edge_w: Array, yaw: Array, pitch: Array) -> Array:
    """Return the position (T, 3) [m] of the paw's joint for a sole on the ground with its front edge at ``edge_w`` (T, 2).

    ``yaw`` (T,) is the paw's heading; a positive ``pitch`` (T,) points the toes down.
    """
    x, z = leg.edge
    ahead = -(x * np.cos(pitch) + z * np.sin(pitch))
    below = np.minimum(_height(leg.edge, pitch), _height(leg.heel, pitch))
    return np.stack((edge_w[:, 0] + ahead * np.cos(yaw), edge_w[:, 1] + ahead * np.sin(yaw), -below), -1)


def place(leg: Leg, base: Array, forward: Array, paw: Array, slope: Array, paw_yaw: Array, paw_pitch: Array) -> LegPose:
    """Compute the orientations of a leg's bodies.

    ``base`` (T, 3) is the position of the leg's first joint, ``paw`` (T, 3) that of the paw's joint. ``forward`` (T,) is the
    yaw of the leg's plane, and ``slope`` (T,) the angle by which the segment above the paw leans back from upright.
    ``paw_yaw`` and ``paw_pitch`` (T,) are those of ``paw_joint``.
    """
    zero = np.zeros_like(slope)
    ahead, left = _yawed(forward), np.stack((-np.sin(forward), np.cos(forward), zero), -1)
    up = np.stack((zero, zero, zero + 1), -1)
    upper, lower, last = leg.lengths
    rise = np.cos(slope)[:, None] * up - np.sin(slope)[:, None] * ahead
    ankle = paw + last * rise
    reach = ankle - base
    distance = np.linalg.norm(reach, axis=-1)
    along = reach / distance[:, None]
    overreach = np.maximum(distance - (upper + lower) * 0.9999, 0.0)
    distance = np.clip(distance, abs(upper - lower) * 1.001, (upper + lower) * 0.9999)
    side = np.cross(-along, ahead)
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    front = np.cross(side, -along)
    at_base = np.arccos(np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1))
    at_knee = np.arccos(np.clip((upper**2 + lower**2 - distance**2) / (2 * upper * lower), -1, 1))
    down = np.cos(at_base)[:, None] * along + leg.forward_knee * np.sin(at_base)[:, None] * front
    thigh = _axes(side, -down)
    shank = thigh @ _about_y(leg.forward_knee * (np.pi - at_knee))
    foot = _axes(left, rise)
    paw_turn = _about_z(paw_yaw) @ _about_y(paw_pitch)
    return LegPose((thigh, shank, foot, paw_turn), overreach)


def _height(corner: tuple[float, float], pitch: Array) -> Array:
    x, z = corner
    return z * np.cos(pitch) - x * np.sin(pitch)


def _yawed(yaw: Array) -> Array:
    return np.stack((np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)), -1)


def _axes(y: Array, z: Array) -> Array:
    return np.stack((np.cross(y, z), y, z), -1)


def _about_y(angle: Array) -> Array:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack((np.stack((c, o, s), -1), np.stack((o, i, o), -1), np.stack((-s, o, c), -1)), -2)


def _about_z(angle: Array) -> Array:
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack((np.stack((c, -s, o), -1), np.stack((s, c, o), -1), np.stack((o, o, i), -1)), -2)
