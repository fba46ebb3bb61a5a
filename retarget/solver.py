"""Inverse kinematics of a whole clip at once: every iteration is one damped Gauss-Newton step of all frames together.

A smoothness cost pulls every frame towards the mean of its two neighbours. Each iteration couples a frame to its
neighbours only. A frame therefore depends on no frame further away than the number of iterations, so its pose is the
same wherever the clip is cut beyond that distance. Residuals and poses are float64; the normal equations are float32,
in batches of frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from characters.character import Joint
from mimic.core.rotations import (
    quat_angle,
    quat_conj,
    quat_from_axis_angle,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_slerp,
    quat_to_rotvec,
)
from retarget.configuration import BodyPoses, Configuration, KinematicTree
from retarget.contacts import intervals
from retarget.ik_objective import IkObjective
from retarget.retarget_rig import RetargetRig

_STIFF = 1e4  # weight, squared, of leading a hinge to the end of its range
_LIFTS = 8  # more iterations at most, of frames that are still in the ground
_JUMP, _AROUND = 0.5, 4  # [rad] of a joint between two frames, and the frames on each side that are then solved again
_STIFFER = 0.3  # smooth_turn meanwhile
_SETTLED_AFTER, _SETTLED = 2, 0.01  # iterations of all frames; [rad] or [m] a frame that moved less in one is done
_SUNK = 0.001  # [m] so deep is in the ground
_TOUCHING = 0.003  # [m] in the last iterations, points this near to the ground are held there rather than let through


@dataclass(frozen=True)
class SolverConfig:
    """Weights and limits of the solver.

    Attributes:
        iterations: number of Gauss-Newton steps.
        smooth_turn, smooth_move: weights of the distance from the mean of the two neighbours [m/rad], [1].
        ground: weight of a point below the ground.
        damping: weight of the step itself, against overshooting [m/rad].
        largest_step: largest change of any angle in one iteration [rad].
        batch: number of frames whose equations are formed together.
    """

    iterations: int = 6
    smooth_turn: float = 0.05
    smooth_move: float = 0.3
    ground: float = 25.0
    damping: float = 0.01
    largest_step: float = 0.7
    batch: int = 256


class Solver:
    """Solves for the configurations that bring the rig's points nearest to the objective."""

    def __init__(self, rig: RetargetRig, tree: KinematicTree, config: SolverConfig | None = None):
        self.rig, self.tree = rig, tree
        self.config = config or SolverConfig()
        self._limits = _Limits(tree)

    def solve(self, objective: IkObjective, start: Configuration) -> Configuration:
        """Return the configuration that the iterations reach from ``start``."""
        configuration = self._iterate_all(objective, self._limits.clamp(start))
        configuration = self._lift_sunk_frames(objective, configuration)
        return self._without_jumps(objective, configuration)

    def _iterate_all(self, objective: IkObjective, configuration: Configuration) -> Configuration:
        """Iterate all frames; after the first few iterations, only the frames that still move."""
        moving = torch.arange(len(configuration))
        for iteration in range(self.config.iterations):
            near = _TOUCHING if iteration >= _SETTLED_AFTER else 0.0
            before = configuration
            configuration = self._iterate(objective, configuration, moving, near)
            if iteration >= _SETTLED_AFTER:
                step = self.tree.difference(before[moving], configuration[moving])
                moving = moving[step.abs().amax(1) > _SETTLED]
        return configuration

    def _lift_sunk_frames(self, objective: IkObjective, configuration: Configuration) -> Configuration:
        """Iterate the frames that are still in the ground, with the points below it pinned to the ground."""
        pinned = objective
        for _ in range(_LIFTS):
            heights = self._heights(self.tree.forward(configuration))
            sunk = (heights < -_SUNK).any(1)
            if not bool(sunk.any()):
                break
            # a point that was below once stays pinned: otherwise it would go up and down without end
            pinned = replace(pinned, floor=pinned.floor | ((heights < 0) & sunk[:, None]))
            configuration = self._iterate(pinned, configuration, sunk.nonzero()[:, 0], 0.0)
        return configuration

    def _without_jumps(self, objective: IkObjective, configuration: Configuration) -> Configuration:
        """Solve the frames around each jump of a joint again, starting from an interpolation across the jump.

        Neighbouring frames may have settled in different poses that are equally good. Jumps of the targets are kept.
        """
        steps = quat_angle(configuration.joint_quat[1:], configuration.joint_quat[:-1]).amax(1)
        jumps = (steps > _JUMP) & (quat_angle(objective.quat[1:], objective.quat[:-1]).amax(1) < _JUMP)
        if not bool(jumps.any()):
            return configuration
        across = Configuration(
            configuration.root_pos, configuration.root_quat.clone(), configuration.joint_quat.clone()
        )
        chosen = torch.zeros(len(configuration), dtype=torch.bool)
        for frame in jumps.nonzero()[:, 0].tolist():
            first, last = max(0, frame - _AROUND), min(len(configuration) - 1, frame + 1 + _AROUND)
            share = torch.linspace(0, 1, last - first + 1, dtype=torch.float64)
            ends = configuration.joint_quat[first], configuration.joint_quat[last]
            across.joint_quat[first : last + 1] = quat_slerp(ends[0][None], ends[1][None], share[:, None])
            chosen[first + 1 : last] = True
        frames = chosen.nonzero()[:, 0]
        stiffer = Solver(self.rig, self.tree, replace(self.config, smooth_turn=_STIFFER))
        for _ in range(self.config.iterations):
            across = stiffer._iterate(objective, across, frames, _TOUCHING)
        calmer = quat_angle(across.joint_quat[1:], across.joint_quat[:-1]).amax(1)
        for first, last in intervals(chosen):
            span = slice(max(0, first - 1), last)
            if bool(calmer[span].amax() >= steps[span].amax()):
                chosen[first:last] = False
        kept = chosen[:, None]
        return Configuration(
            torch.where(kept, across.root_pos, configuration.root_pos),
            torch.where(kept, across.root_quat, configuration.root_quat),
            torch.where(kept[..., None], across.joint_quat, configuration.joint_quat),
        )

    def _iterate(
        self, objective: IkObjective, configuration: Configuration, frames: Tensor, near: float
    ) -> Configuration:
        """Take one Gauss-Newton step of the chosen frames and return the configuration of all frames.

        ``frames`` (F,) are indices. Surface points lower than ``near`` [m] are drawn to the ground.
        """
        between = _between_neighbours(configuration)
        parts = []
        for batch in torch.split(frames, self.config.batch):
            step = self._step(objective, configuration, between, batch, near)
            parts.append(self._limits.clamp(self.tree.retract(configuration[batch], step)))
        if not parts:
            return configuration
        fields = [
            torch.cat([getattr(part, name) for part in parts]) for name in ("root_pos", "root_quat", "joint_quat")
        ]
        if len(frames) == len(configuration):
            return Configuration(*fields)
        whole = Configuration(
            configuration.root_pos.clone(), configuration.root_quat.clone(), configuration.joint_quat.clone()
        )
        whole.root_pos[frames], whole.root_quat[frames], whole.joint_quat[frames] = fields
        return whole

    def _step(
        self, objective: IkObjective, configuration: Configuration, between: Configuration, frames: Tensor, near: float
    ) -> Tensor:
        """Return the Gauss-Newton step (F, D) of a batch of frames (F,).

        ``between`` holds the mean of each frame's two neighbours; ``near`` is as in ``_iterate``.
        """
        tree, config = self.tree, self.config
        here = configuration[frames]
        bodies = tree.forward(here)
        rows, residuals = self._point_rows(objective, bodies, frames)
        for more, residual in (
            self._ground_rows(objective, bodies, frames, near),
            self._turn_rows(objective, bodies, frames),
        ):
            if more is not None and residual is not None:
                rows.append(more)
                residuals.append(residual)
        jacobian = torch.cat(rows, 2)  # (T, D, R), transposed
        residual = torch.cat(residuals, 1).float()
        hessian = jacobian @ jacobian.transpose(1, 2)
        gradient = (jacobian @ residual[..., None])[..., 0]
        wish = tree.difference(here, between[frames]).float()
        smooth = torch.full((tree.num_dof,), config.smooth_turn**2)
        smooth[:3] = config.smooth_move**2
        held = ((frames > 0) & (frames < len(configuration) - 1)).float()[:, None]
        gradient = gradient + held * smooth * wish
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        diagonal += held * smooth + config.damping**2
        step = _solve(hessian, gradient)
        beyond = self._limits.excess(here, step)
        frames_beyond = beyond.any(1).nonzero()[:, 0]
        if len(frames_beyond):  # once more, with the hinges that would leave their range led to its end
            step[frames_beyond] = self._limits.clamp_to_limit(
                here[frames_beyond], step[frames_beyond], hessian[frames_beyond], gradient[frames_beyond]
            )
        step = step.double()
        return step * (config.largest_step / step[:, 3:].abs().amax(1, keepdim=True)).clamp(max=1.0)

    def _point_rows(
        self, objective: IkObjective, bodies: BodyPoses, frames: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        points = self.tree.points(bodies, objective.body, objective.at)
        weight = objective.weight[frames]
        residual = weight[..., None] * (objective.place[frames] - points)
        rows = []
        single = _single(bodies)
        shares = weight.float()[:, None]
        for axis, turning in enumerate(self.tree.point_rows(single, points.float(), objective.body)):
            moving = torch.zeros(len(weight), 3, weight.shape[1])
            moving[:, axis] = 1.0
            rows.append(torch.cat((moving, turning), 1) * shares)
        return rows, list(residual.unbind(-1))

    def _ground_rows(
        self, objective: IkObjective, bodies: BodyPoses, frames: Tensor, near: float
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return Jacobian rows and residuals of the points that must stand on the ground or are lower than ``near`` [m].

        Both are None if there is no such point.
        """
        surface = self.rig.surface
        height = self._heights(bodies)
        wrong = (height < near) | objective.floor[frames]
        used = wrong.any(0)
        if not used.any():
            return None, None
        body, at = surface.body[used], surface.at[used]
        weight = self.config.ground * wrong[:, used]
        points = self.tree.points(bodies, body, at).float()
        _, _, turning = self.tree.point_rows(_single(bodies), points, body)
        moving = torch.zeros(len(points), 3, len(body))
        moving[:, 2] = 1.0
        return torch.cat((moving, turning), 1) * weight.float()[:, None], -weight * height[:, used]

    def _heights(self, bodies: BodyPoses) -> Tensor:
        """Return the heights (F, S) [m] above ground of the lowest points of all spheres of the rig's surface."""
        surface = self.rig.surface
        up = bodies.pos.new_tensor([0.0, 0.0, 1.0]).expand_as(bodies.pos)
        up_b = quat_rotate(quat_conj(bodies.quat), up)  # the world's z axis in each body's frame
        return bodies.pos[:, surface.body, 2] + (up_b[:, surface.body] * surface.at).sum(-1) - surface.radius

    def _turn_rows(self, objective: IkObjective, bodies: BodyPoses, frames: Tensor) -> tuple[Tensor, Tensor]:
        error = quat_to_rotvec(quat_mul(objective.quat[frames], quat_conj(bodies.quat[:, objective.turned])))
        residual = (objective.turn_weight[:, None] * error).flatten(1)
        axes = self.tree.turning_axes(_single(bodies))
        mask = self.tree.moves[objective.turned].T.float() * objective.turn_weight.float()
        turning = axes[:, :, None, :] * mask[..., None]
        still = torch.zeros(len(axes), 3, residual.shape[1])
        return torch.cat((still, turning.flatten(2)), 1), residual


class _Limits:
    """The ranges of the hinges: a step stops at the end of a range, and an excess by rounding is clamped."""

    def __init__(self, tree: KinematicTree):
        joints = tree.character.joints
        self.rows = [(j, joint) for j, joint in enumerate(joints) if joint.kind == "hinge" and joint.range]
        self.tree = tree

    def clamp(self, configuration: Configuration) -> Configuration:
        """Return the configuration with every hinge clamped to its range, just inside the ends."""
        joint_quat = configuration.joint_quat.clone()
        for j, joint in self.rows:
            axis = joint_quat.new_tensor(joint.axis)
            angle = _angle(joint_quat[:, j], axis, joint.range)
            joint_quat[:, j] = quat_from_axis_angle(axis.expand(len(angle), 3), angle.clamp(*_inside(joint.range)))
        return Configuration(configuration.root_pos, configuration.root_quat, joint_quat)

    def excess(self, configuration: Configuration, step: Tensor) -> Tensor:
        """Return (T, H) bool: which hinges a step (T, D) would take out of their range."""
        columns = []
        for j, joint in self.rows:
            low, high = _inside(joint.range)
            angle = self._angle_of(configuration, j, joint) + step[:, 6 + joint.dof.start]
            columns.append((angle < low) | (angle > high))
        return torch.stack(columns, 1) if columns else torch.zeros(len(step), 0, dtype=torch.bool)

    def clamp_to_limit(self, configuration: Configuration, step: Tensor, hessian: Tensor, gradient: Tensor) -> Tensor:
        """Return the step solved again, with the hinges that would leave their range moved exactly to its end."""
        hessian, gradient = hessian.clone(), gradient.clone()
        for j, joint in self.rows:
            column = 6 + joint.dof.start
            low, high = _inside(joint.range)
            angle = self._angle_of(configuration, j, joint)
            wish = angle + step[:, column]
            out = (wish < low) | (wish > high)
            to_end = wish.clamp(low, high) - angle
            hessian[:, column, column] += _STIFF * out
            gradient[:, column] += _STIFF * out * to_end.float()
        return _solve(hessian, gradient)

    def _angle_of(self, configuration: Configuration, j: int, joint: Joint) -> Tensor:
        return _angle(configuration.joint_quat[:, j], configuration.joint_quat.new_tensor(joint.axis), joint.range)


def _solve(hessian: Tensor, gradient: Tensor) -> Tensor:
    return torch.cholesky_solve(gradient[..., None], torch.linalg.cholesky(hessian))[..., 0]


def _inside(limits: tuple[float, float] | None) -> tuple[float, float]:
    low, high = limits or (-torch.pi, torch.pi)
    margin = min(1e-3, 0.01 * (high - low))
    return low + margin, high - margin


def _angle(quat: Tensor, axis: Tensor, limits: tuple[float, float] | None) -> Tensor:
    """Return a hinge's angle (T,) [rad], shifted by whole turns to be nearest to the middle of its range."""
    middle = sum(limits) / 2 if limits else 0.0
    angle = 2 * torch.atan2(quat[:, 1:] @ axis, quat[:, 0])
    return torch.remainder(angle - middle + torch.pi, 2 * torch.pi) - torch.pi + middle


def _between_neighbours(configuration: Configuration) -> Configuration:
    """Replace each frame by the mean of its two neighbours; the first and the last frame stay."""

    def middle(q: Tensor) -> Tensor:
        before, after = q[:-2], q[2:]
        after = torch.where((before * after).sum(-1, keepdim=True) < 0, -after, after)
        return torch.cat((q[:1], quat_normalize(before + after), q[-1:]))

    if len(configuration) < 3:
        return configuration
    pos = configuration.root_pos
    mean = torch.cat((pos[:1], (pos[:-2] + pos[2:]) / 2, pos[-1:]))
    return Configuration(mean, middle(configuration.root_quat), middle(configuration.joint_quat))


def _single(bodies: BodyPoses) -> BodyPoses:
    return BodyPoses(bodies.pos.float(), bodies.quat, bodies.axes.float())
