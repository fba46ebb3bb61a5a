"""Inverse kinematics of a whole clip at once: every sweep is one damped Gauss-Newton step of all frames together.

Neighbouring frames are coupled by what each frame gains from lying between the two beside it. The coupling passes one
frame further with every sweep, so what happens at a frame depends on nothing further away than the number of sweeps:
a clip cut elsewhere keeps its middle. The normal equations are formed in float32, several hundred frames a batch, from
residuals in float64; the poses stay float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from characters.rotations import quat_conj, quat_from_axis_angle, quat_mul, quat_normalize, quat_rotate, quat_to_rotvec
from retarget.figure import Figure
from retarget.goals import Goals
from retarget.posture import BodyPoses, Chain, Posture


@dataclass(frozen=True)
class SolverConfig:
    """How the solver weighs and how long it goes on.

    Attributes:
        sweeps: Gauss-Newton steps.
        smooth_turn, smooth_move: weight of lying between one's neighbours [m/rad], [1].
        ground: weight of a point below the ground.
        damping: weight of a step, against overshooting [m/rad].
        largest_step: of any angle in one sweep [rad].
    """

    sweeps: int = 6
    smooth_turn: float = 0.05
    smooth_move: float = 0.3
    ground: float = 8.0
    damping: float = 0.01
    largest_step: float = 0.7
    batch: int = 256


class Solver:
    """Brings the figure's points to their goals."""

    def __init__(self, figure: Figure, chain: Chain, config: SolverConfig | None = None):
        self.figure, self.chain = figure, chain
        self.config = config or SolverConfig()
        self._limits = _Limits(chain)

    def solve(self, goals: Goals, start: Posture, loop: bool = False) -> Posture:
        """Poses from a start to the goals; ``loop``: the last frame's neighbour is the second one."""
        posture = self._limits.clamp(start)
        for _ in range(self.config.sweeps):
            between = _between_neighbours(posture)
            parts = [
                self._step(goals, posture, between, slice(first, first + self.config.batch))
                for first in range(0, len(posture), self.config.batch)
            ]
            posture = self._limits.clamp(self.chain.retract(posture, torch.cat(parts)))
        return posture

    def _step(self, goals: Goals, posture: Posture, between: Posture, frames: slice) -> Tensor:
        """One step (T, D) of a batch of frames."""
        chain, config = self.chain, self.config
        here = posture[frames]
        bodies = chain.forward(here)
        rows, residuals = self._point_rows(goals, bodies, frames)
        for more, residual in (self._ground_rows(bodies), self._turn_rows(goals, bodies, frames)):
            if more is not None and residual is not None:
                rows.append(more)
                residuals.append(residual)
        jacobian = torch.cat(rows, 2)  # (T, D, R), transposed
        residual = torch.cat(residuals, 1).float()
        hessian = jacobian @ jacobian.transpose(1, 2)
        gradient = (jacobian @ residual[..., None])[..., 0]
        wish = chain.difference(here, between[frames]).float()
        smooth = torch.full((chain.num_dof,), config.smooth_turn**2)
        smooth[:3] = config.smooth_move**2
        held = torch.ones(len(here), 1)
        if frames.start == 0:
            held[0] = 0.0
        if frames.stop >= len(posture):
            held[-1] = 0.0
        gradient = gradient + held * smooth * wish
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        diagonal += held * smooth + config.damping**2
        self._limits.hold(here, gradient, diagonal)
        factor = torch.linalg.cholesky(hessian)
        step = torch.cholesky_solve(gradient[..., None], factor)[..., 0].double()
        return step * (config.largest_step / step[:, 3:].abs().amax(1, keepdim=True)).clamp(max=1.0)

    def _point_rows(self, goals: Goals, bodies: BodyPoses, frames: slice) -> tuple[list[Tensor], list[Tensor]]:
        points = self.chain.points(bodies, goals.body, goals.at)
        weight = goals.weight[frames]
        residual = weight[..., None] * (goals.place[frames] - points)
        rows = []
        single = _single(bodies)
        shares = weight.float()[:, None]
        for axis, turning in enumerate(self.chain.point_rows(single, points.float(), goals.body)):
            moving = torch.zeros(len(weight), 3, weight.shape[1])
            moving[:, axis] = 1.0
            rows.append(torch.cat((moving, turning), 1) * shares)
        return rows, list(residual.unbind(-1))

    def _ground_rows(self, bodies: BodyPoses) -> tuple[Tensor | None, Tensor | None]:
        """Rows for the lowest point of each body that is below the ground in some frame of the batch."""
        surface = self.figure.surface
        up = bodies.pos.new_tensor([0.0, 0.0, 1.0]).expand_as(bodies.pos)
        down_b = quat_rotate(quat_conj(bodies.quat), up)  # the world's z axis in each body's frame
        height = bodies.pos[:, surface.body, 2] + (down_b[:, surface.body] * surface.at).sum(-1) - surface.radius
        sunk = (height < 0).any(0)
        if not sunk.any():
            return None, None
        body, at = surface.body[sunk], surface.at[sunk]
        depth = (-height[:, sunk]).clamp_min(0.0)
        weight = self.config.ground * (depth > 0)
        points = self.chain.points(bodies, body, at).float()
        _, _, turning = self.chain.point_rows(_single(bodies), points, body)
        moving = torch.zeros(len(points), 3, len(body))
        moving[:, 2] = 1.0
        return torch.cat((moving, turning), 1) * weight.float()[:, None], weight * depth

    def _turn_rows(self, goals: Goals, bodies: BodyPoses, frames: slice) -> tuple[Tensor, Tensor]:
        error = quat_to_rotvec(quat_mul(goals.quat[frames], quat_conj(bodies.quat[:, goals.turned])))
        residual = (goals.turn_weight[:, None] * error).flatten(1)
        axes = self.chain.turning_axes(_single(bodies))
        mask = self.chain.moves[goals.turned].T.float() * goals.turn_weight.float()
        turning = axes[:, :, None, :] * mask[..., None]
        still = torch.zeros(len(axes), 3, residual.shape[1])
        return torch.cat((still, turning.flatten(2)), 1), residual


class _Limits:
    """The hinges' ranges, kept after every step; a hinge that would leave its range is held for that step."""

    def __init__(self, chain: Chain):
        joints = chain.character.joints
        self.rows = [(j, joint) for j, joint in enumerate(joints) if joint.kind == "hinge" and joint.range]
        self.chain = chain

    def clamp(self, posture: Posture) -> Posture:
        """The posture with every hinge inside its range, a hair away from its ends."""
        joint_quat = posture.joint_quat.clone()
        for j, joint in self.rows:
            axis = joint_quat.new_tensor(joint.axis)
            angle = _angle(joint_quat[:, j], axis, joint.range)
            joint_quat[:, j] = quat_from_axis_angle(axis.expand(len(angle), 3), angle.clamp(*_inside(joint.range)))
        return Posture(posture.root_pos, posture.root_quat, joint_quat)

    def hold(self, posture: Posture, gradient: Tensor, diagonal: Tensor) -> None:
        """Stiffen, in place, the hinges that are at an end of their range and drawn outwards."""
        for j, joint in self.rows:
            column = 6 + joint.dof.start
            low, high = _inside(joint.range)
            angle = _angle(posture.joint_quat[:, j], posture.joint_quat.new_tensor(joint.axis), joint.range)
            pull = gradient[:, column]
            stuck = ((angle <= low + 1e-6) & (pull < 0)) | ((angle >= high - 1e-6) & (pull > 0))
            diagonal[:, column] += 1e3 * stuck


def _inside(limits: tuple[float, float] | None) -> tuple[float, float]:
    low, high = limits or (-torch.pi, torch.pi)
    margin = min(1e-3, 0.01 * (high - low))
    return low + margin, high - margin


def _angle(quat: Tensor, axis: Tensor, limits: tuple[float, float] | None) -> Tensor:
    """A hinge's angle (T,), of all that are the same turn the one nearest to the middle of its range."""
    middle = sum(limits) / 2 if limits else 0.0
    angle = 2 * torch.atan2(quat[:, 1:] @ axis, quat[:, 0])
    return torch.remainder(angle - middle + torch.pi, 2 * torch.pi) - torch.pi + middle


def _between_neighbours(posture: Posture) -> Posture:
    """Each frame as the mean of the two beside it; the first and the last as they are."""

    def middle(q: Tensor) -> Tensor:
        before, after = q[:-2], q[2:]
        after = torch.where((before * after).sum(-1, keepdim=True) < 0, -after, after)
        return torch.cat((q[:1], quat_normalize(before + after), q[-1:]))

    if len(posture) < 3:
        return posture
    pos = posture.root_pos
    mean = torch.cat((pos[:1], (pos[:-2] + pos[2:]) / 2, pos[-1:]))
    return Posture(mean, middle(posture.root_quat), middle(posture.joint_quat))


def _single(bodies: BodyPoses) -> BodyPoses:
    return BodyPoses(bodies.pos.float(), bodies.quat, bodies.axes.float())
