"""How hard the motors work: the torque the servo asks of each joint, as a share of the joint's limit.

Worked out from poses and targets by the same servo law as every engine's (mimic/sim/pd_controller.py), at the start and at the
end of each control step: two samples of what the engine renews at every physics step. On the first cartwheel that
shipped they gave a mean of .48 and 24 % at the limit, all physics steps together .46 and 22 %.
"""

from typing import Any

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.evaluation.metrics import Mean
from mimic.sim.pd_controller import Servo
from mimic.tracking import TrackingEnv

_AT_LIMIT = 1.0 - 1e-4


class TorqueShare:
    """Torques of N copies of a character as shares of its joints' limits."""

    def __init__(self, character: Character, device: torch.device | str = "cpu"):
        joints = character.joints
        self._servo = Servo(character, device)
        self._balls = torch.tensor([i for i, j in enumerate(joints) if j.kind == "ball"], device=device)
        self._axis = torch.zeros(character.num_actuated, 3, device=device)
        self._joint = torch.tensor([i for i, j in enumerate(joints) for _ in range(j.dof.start, j.dof.stop)])
        for joint in (j for j in joints if j.kind == "hinge"):
            self._axis[joint.dof] = torch.tensor(joint.axis, device=device)
        self._joint = self._joint.to(device)
        self._of_joint = torch.nn.functional.one_hot(self._joint, len(joints)).float()
        self._limit = torch.tensor([j.torque_limit for j in joints], device=device)

    def set_target(self, pd_target: Tensor) -> None:
        """Servo targets (N, A) [rad]."""
        self._servo.set_target(pd_target)

    def __call__(self, state: CharacterState) -> Tensor:
        """|torque| / limit of each joint, (N, J) in [0, 1]; of a ball joint the norm counts."""
        quat = state.joint_quat[:, self._joint]
        angle = 2.0 * torch.atan2((quat[..., 1:] * self._axis).sum(-1), quat[..., 0])
        angle = torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
        torque, _ = self._servo.torques(state.joint_quat[:, self._balls], angle, state.joint_vel)
        return ((torque.square() @ self._of_joint).sqrt() / self._limit).clamp(max=1.0)


class TorqueMetric:
    """Mean and largest share of the limit, and how often a joint is at it."""

    def __init__(self, env: TrackingEnv):
        self._names = [joint.name for joint in env.character.joints]
        self._share = TorqueShare(env.character, env.device)
        self._mean, self._at_limit = Mean(), Mean()
        self._peak = torch.zeros(len(self._names), device=env.device)

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """The servo's torque under the new target; counted with the step that follows."""
        self._share.set_target(env.pd_target(action))
        self._start = self._share(env.engine.read())

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """The servo's torque when the step is over."""
        for share in (self._start, self._share(env.sim)):
            weight = up[:, None].expand_as(share)
            self._mean.add(share, weight)
            self._at_limit.add((share >= _AT_LIMIT).float(), weight)
            self._peak = torch.maximum(self._peak, torch.where(weight, share, 0.0).amax(0))

    def report(self) -> dict[str, Any]:
        """Shares of the limit over all joints, and by joint."""
        rows = {
            name: {"mean": mean, "peak": peak, "at_limit": at_limit}
            for name, mean, peak, at_limit in zip(
                self._names, self._mean.value, self._peak.tolist(), self._at_limit.value, strict=True
            )
        }
        count = len(rows)
        return {
            "torque_mean_share": sum(row["mean"] for row in rows.values()) / count,
            "torque_peak_share": max(row["peak"] for row in rows.values()),
            "torque_at_limit_share": sum(row["at_limit"] for row in rows.values()) / count,
            "torque_by_joint": rows,
        }
