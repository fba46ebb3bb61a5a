"""Inverse dynamics: the joint torques that a motion needs, if the ground carries as much of the load as it can.

Accelerations come from a cubic fitted to each tenth of a second, because differences of recorded frames are noise. The
ground pushes within its friction cone at every point that touches it. The pushes minimise the force and torque that
are missing at the root and, with a smaller weight, the joint torques. Inertias are those of solid collision primitives.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.signal import savgol_filter
from torch import Tensor

from characters.character import Character, Geom
from characters.ground_contact import ContactRule
from mimic.core.rotations import cross, quat_conj, quat_mul, quat_rotate, quat_rotate_inverse, quat_to_rotvec
from mocap.motion import Motion
from retarget.configuration import BodyPoses, Configuration, KinematicTree
from retarget.retarget_rig import RetargetRig

_GRAVITY = 9.81
_FRICTION = 0.81
_WINDOW_S = 0.1
_TOUCHING = ContactRule(touch=0.02)  # of a point of the surface [m]
_RATE_HZ = 30.0
_FEWEST = 5  # frames
_JOINTS_SHARE = 0.1  # of a joint at its limit against the root carrying the whole weight


@dataclass(frozen=True, eq=False)
class Effort:
    """The torques that a motion needs in F of its frames.

    Attributes:
        frames: (F,) indices of the frames.
        load: (F, J) torque of each joint divided by its limit.
        unsupported: (F,) force on the root that neither motors nor ground supply, in body weights.
    """

    frames: Tensor
    load: Tensor
    unsupported: Tensor


def effort(motion: Motion, character: Character, span: slice = slice(None)) -> Effort:
    """Compute the torques that a motion needs in the frames ``span`` (all by default), for about 30 frames per second.

    Frames outside the span serve for accelerations only. ``Effort.frames`` counts from the first frame of the span.
    """
    tree, rig = KinematicTree(character), RetargetRig(character)
    bodies = tree.forward(Configuration.of(motion))
    needed = _generalised_forces(tree, bodies, motion)
    first, last, _ = span.indices(motion.num_frames)
    # at the motion's ends accelerations are not known
    edge = round(_WINDOW_S / 2 * motion.fps)
    first_known, last_known = max(first, edge), min(last, motion.num_frames - edge)
    if last_known - first_known < _FEWEST:
        first_known, last_known = first, last
    frames = torch.arange(first_known, last_known, max(1, round(motion.fps / _RATE_HZ)))
    surface = rig.surface
    points = tree.points(bodies, surface.body, surface.at)[frames]
    points[..., 2] -= surface.radius
    rows = torch.stack(tree.point_rows(bodies_at(bodies, frames), points, surface.body), -1)  # (F, D - 3, S, 3)
    touching = _TOUCHING.stands(points[..., 2])
    limits = np.concatenate([np.full(j.dof.stop - j.dof.start, j.torque_limit) for j in character.joints])
    weight = character.mass * _GRAVITY
    scale = np.concatenate((np.full(6, 1 / weight), _JOINTS_SHARE / limits))
    left = np.stack(
        [_carried(needed[t].numpy(), rows[i].numpy(), touching[i].numpy(), scale) for i, t in enumerate(frames)]
    )
    torque = torch.from_numpy(left[:, 6:])
    load = torch.stack([torque[:, j.dof].norm(dim=-1) / j.torque_limit for j in character.joints], 1)
    return Effort(frames - first, load, torch.from_numpy(np.linalg.norm(left[:, :3], axis=1)) / weight)


def bodies_at(bodies: BodyPoses, frames: Tensor) -> BodyPoses:
    """Select frames of the bodies' poses."""
    return BodyPoses(bodies.pos[frames], bodies.quat[frames], bodies.axes[frames])


def _generalised_forces(tree: KinematicTree, bodies: BodyPoses, motion: Motion) -> Tensor:
    """Return (T, D): the force and torque on the root [N, N·m] and the joint torques [N·m] that cause the motion."""
    character = tree.character
    com_b = torch.tensor([b.com for b in character.bodies], dtype=torch.float64)
    mass = torch.tensor([b.mass for b in character.bodies], dtype=torch.float64)
    com = bodies.pos + quat_rotate(bodies.quat, com_b.expand_as(bodies.pos))
    dt = 1 / motion.fps
    force = _smooth(com, dt, 2) * mass[:, None]
    force[..., 2] += _GRAVITY * mass
    step = quat_to_rotvec(quat_mul(bodies.quat[1:], quat_conj(bodies.quat[:-1]))) / dt
    spin = _smooth(torch.cat((step, step[-1:])), dt, 0)
    inertia = torch.stack([_inertia(b.geom, b.mass) for b in character.bodies])
    local = quat_rotate_inverse(bodies.quat, spin)
    momentum = quat_rotate(bodies.quat, torch.einsum("bij,tbj->tbi", inertia, local))
    torque = _smooth(momentum, dt, 1)
    pivots = torch.cat((bodies.pos[:, :1].expand(-1, 3, -1), bodies.pos[:, tree.dof_body]), 1)
    # sums over the bodies that a joint carries: of forces, and of their moments about the origin
    carried = tree.moves.to(force)
    total = torch.einsum("bd,tbi->tdi", carried, force)
    moment = torch.einsum("bd,tbi->tdi", carried, cross(com, force) + torque)
    about = moment - cross(pivots, total)
    return torch.cat((force.sum(1), (tree.turning_axes(bodies) * about).sum(-1)), 1)


def _carried(
    needed: NDArray[np.float64], rows: NDArray[np.float64], touching: NDArray[np.bool_], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the needed forces (D,) minus the ground's best pushes, found by non-negative least squares.

    ``rows`` (D - 3, S, 3) are derivatives of S surface points; ``touching`` (S,) bool tells which touch the ground.
    ``scale`` (D,) weights the forces that remain.
    """
    if not touching.any():
        return needed
    turning = rows[:, touching]  # (D - 3, P, 3)
    moving = np.broadcast_to(np.eye(3)[:, None], (3, turning.shape[1], 3))
    jacobian = np.concatenate((moving, turning))
    edges = np.array([[_FRICTION, 0, 1], [-_FRICTION, 0, 1], [0, _FRICTION, 1], [0, -_FRICTION, 1]]).T
    pushes = (jacobian @ edges).reshape(len(needed), -1)
    try:
        strength, _ = nnls(pushes * scale[:, None], needed * scale, maxiter=20 * pushes.shape[1])
    except RuntimeError:  # did not converge: the ground is then taken not to help
        return needed
    return needed - pushes @ strength


def _smooth(values: Tensor, dt: float, derivative: int) -> Tensor:
    """Return the derivative of this order (0 to 2) of cubics fitted to windows of 0.1 s, or of five frames if longer."""
    window = max(5, 2 * round(_WINDOW_S / dt / 2) + 1)
    window = min(window, len(values) - 1 + len(values) % 2)
    order = min(3, window - 1)
    if derivative > order:
        return torch.zeros_like(values)
    return torch.from_numpy(savgol_filter(values.numpy(), window, order, deriv=derivative, delta=dt, axis=0))


def _inertia(geom: Geom, mass: float) -> Tensor:
    """Return the inertia (3, 3) [kg·m²] of a solid primitive about its centre, in the body's axes."""
    if geom.shape == "sphere":
        return torch.eye(3, dtype=torch.float64) * 0.4 * mass * geom.size[0] ** 2
    if geom.shape == "capsule":
        x = y = geom.size[0] * 0.87
        z = geom.size[1] + 0.6 * geom.size[0]
        diagonal = [(y * y + 4 / 3 * z * z) / 4, (x * x + 4 / 3 * z * z) / 4, x * y / 1.5]
    else:
        x, y, z = geom.size
        diagonal = [(y * y + z * z) / 3, (x * x + z * z) / 3, (x * x + y * y) / 3]
    quat = torch.tensor(geom.quat, dtype=torch.float64).expand(3, 4)
    axes = quat_rotate(quat, torch.eye(3, dtype=torch.float64))  # rows: the primitive's axes
    return mass * axes.T @ torch.diag(torch.tensor(diagonal, dtype=torch.float64)) @ axes
