"""Joint torques: the PD controller's torque on each joint, as a share of the joint's limit.

Torques are computed from poses and targets by the control law of mimic/sim/pd_controller.py, which all engines share. They
are sampled at the start and at the end of each control step, while an engine computes them at every physics step. For
one cartwheel controller the samples gave a mean of 0.48 with 24 % at the limit; all physics steps gave 0.46 and 22 %.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.evaluation.metric import METRICS, Mean, Metric
from mimic.sim.pd_controller import Servo
from mimic.tracking import TrackingEnv

_AT_LIMIT = 1.0 - 1e-4


class TorqueShare:
    """Computes the torques of N copies of a character, each divided by the joint's limit."""

    def __init__(self, character: Character, device: torch.device | str = "cpu"):
        joints = character.joints
        joint_of_dof = torch.tensor([i for i, j in enumerate(joints) for _ in range(j.dof.start, j.dof.stop)])
        self._servo = Servo(character, device)
        self._of_joint = torch.nn.functional.one_hot(joint_of_dof, len(joints)).float().to(device)
        self._limit = torch.tensor([j.torque_limit for j in joints], device=device)

    def set_target(self, pd_target: Tensor) -> None:
        """Set the PD controller's targets (N, A) [rad]."""
        self._servo.set_target(pd_target)

    def __call__(self, state: CharacterState) -> Tensor:
        """Return |torque| / limit of each joint, (N, J) in [0, 1], for ``state`` and the targets that were set.

        For a ball joint |torque| is the norm of the three components.
        """
        torque = self._servo.torque_of(state)
        return ((torque.square() @ self._of_joint).sqrt() / self._limit).clamp(max=1.0)


@dataclass(frozen=True)
class JointTorque:
    """Torque of one joint: mean and peak share of its limit, and the share of samples at the limit."""

    mean: float
    peak: float
    at_limit: float


@METRICS.register("torque")
class Torque(Metric):
    """Mean and peak torque of each joint as a share of its limit, and the share of samples at the limit."""

    def __init__(self, env: TrackingEnv) -> None:
        self._names = [joint.name for joint in env.character.joints]
        self._share = TorqueShare(env.character, env.device)
        self._mean, self._at_limit = Mean(), Mean()
        self._peak = torch.zeros(len(self._names), device=env.device)

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Compute the torque at the start of the step, under the new targets; ``after`` adds it if the step counts."""
        self._share.set_target(env.pd_target(action))
        self._start = self._share(env.engine.read())

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Add the torques at the start and at the end of the step."""
        for share in (self._start, self._share(env.sim)):
            weight = up[:, None].expand_as(share)
            self._mean.add(share, weight)
            self._at_limit.add((share >= _AT_LIMIT).float(), weight)
            self._peak = torch.maximum(self._peak, torch.where(weight, share, 0.0).amax(0))

    def report(self) -> dict[str, Any]:
        """Return "torque_mean_share", "torque_peak_share", "torque_at_limit_share" and "torque_by_joint".

        The first and the third are means over joints, the second is the largest value of any joint. The last maps the
        name of each joint to a JointTorque.
        """
        columns = (self._mean.value, self._peak.tolist(), self._at_limit.value)
        rows = [JointTorque(mean, peak, at_limit) for mean, peak, at_limit in zip(*columns, strict=True)]
        return {
            "torque_mean_share": sum(row.mean for row in rows) / len(rows),
            "torque_peak_share": max(row.peak for row in rows),
            "torque_at_limit_share": sum(row.at_limit for row in rows) / len(rows),
            "torque_by_joint": dict(zip(self._names, rows, strict=True)),
        }
