"""Finds self-collisions from the distances between the centre lines of a character's collision primitives."""

from itertools import combinations

import torch
from torch import Tensor

from characters.character import Character, Geom
from mimic.core.rotations import quat_rotate
from retarget.configuration import BodyPoses, KinematicTree

_DEEP = 0.02  # [m] limbs may overlap: primitives are coarse


def self_collision(tree: KinematicTree, bodies: BodyPoses) -> Tensor:
    """Return (T,) bool: whether two bodies more than two joints apart overlap by more than 2 cm.

    Pairs that already overlap at the zero pose are left out.
    """
    character = tree.character
    segments = [_segment(body.geom) for body in character.bodies]
    at = torch.stack([ends for ends, _ in segments])  # (B, 2, 3)
    radius = torch.tensor([r for _, r in segments], dtype=torch.float64)
    ends = bodies.pos[:, :, None] + quat_rotate(bodies.quat[:, :, None], at.expand(len(bodies.pos), -1, -1, -1))
    rest = _rest_ends(character, at)
    pairs = [
        (a, b)
        for a, b in combinations(range(len(character.bodies)), 2)
        if not _near(character, a, b) and float(_distance(rest[a], rest[b])) - float(radius[a] + radius[b]) > 0
    ]
    hit = torch.zeros(len(ends), dtype=torch.bool)
    for a, b in pairs:
        hit |= _distance(ends[:, a], ends[:, b]) < radius[a] + radius[b] - _DEEP
    return hit


def _near(character: Character, a: int, b: int) -> bool:
    """Whether two bodies are within two joints of each other."""
    bodies = character.bodies

    def family(i: int) -> set[int]:
        parent = bodies[i].parent
        grandparent = bodies[parent].parent if parent >= 0 else -1
        return {i, parent, grandparent} - {-1}

    return bool({a} & family(b) or {b} & family(a) or bodies[a].parent == bodies[b].parent)


def _rest_ends(character: Character, at: Tensor) -> Tensor:
    places: list[Tensor] = []
    for body in character.bodies:
        offset = torch.tensor(body.offset, dtype=torch.float64)
        places.append(offset if body.parent < 0 else places[body.parent] + offset)
    return torch.stack(places)[:, None] + at


def _segment(geom: Geom) -> tuple[Tensor, float]:
    """Return the ends (2, 3) [m] and the radius [m] of a capsule that stands for the geom, in the body's frame."""
    if geom.shape == "sphere":
        half, radius, axis = 0.0, geom.size[0], 2
    elif geom.shape == "capsule":
        half, radius, axis = geom.size[1], geom.size[0], 2
    else:
        axis = max(range(3), key=lambda i: geom.size[i])
        others = [s for i, s in enumerate(geom.size) if i != axis]
        radius = sum(others) / 2
        half = max(geom.size[axis] - radius, 0.0)
    end = torch.zeros(2, 3, dtype=torch.float64)
    end[0, axis], end[1, axis] = -half, half
    quat = torch.tensor(geom.quat, dtype=torch.float64).expand(2, 4)
    return torch.tensor(geom.pos, dtype=torch.float64) + quat_rotate(quat, end), radius


def _distance(p: Tensor, q: Tensor) -> Tensor:
    """Return the distances (...,) [m] between segments that are given by their ends (..., 2, 3) [m]."""
    d1, d2, r = p[..., 1, :] - p[..., 0, :], q[..., 1, :] - q[..., 0, :], p[..., 0, :] - q[..., 0, :]
    a, e, b = (d1 * d1).sum(-1), (d2 * d2).sum(-1), (d1 * d2).sum(-1)
    c, f = (d1 * r).sum(-1), (d2 * r).sum(-1)
    s = ((b * f - c * e) / (a * e - b * b).clamp_min(1e-12)).clamp(0, 1)
    t = ((b * s + f) / e.clamp_min(1e-12)).clamp(0, 1)
    s = ((b * t - c) / a.clamp_min(1e-12)).clamp(0, 1)
    return (r + s[..., None] * d1 - t[..., None] * d2).norm(dim=-1)
