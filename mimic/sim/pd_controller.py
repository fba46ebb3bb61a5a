"""The servo: proportional-derivative (PD) control whose total torque never exceeds a joint's limit.

A joint's torque is kp * e - kd * v, scaled down to the joint's torque limit if its norm exceeds it. The error e is the
rotation vector from the joint to its target in the child's frame, as in DeepMimic's stable PD controller (Tan, Liu and
Turk 2011). The engine applies the damping -kd * v in the joint, so the motor applies

    motor = limited(kp * e - kd * v) + kd * v.

This damping is too stiff for a light foot: with h the physics step, h * kd is sixty times the foot's inertia. Stable PD
controllers and MuJoCo evaluate the damping at the end of the step (implicitly), which adds h * kd to the inertia M:

    (M + h * kd) dv / h = torque at the start of the step.

MuJoCo, however, solves contacts with M alone. Contact forces for an inertia M act on M + h * kd, and are far too weak to
stop the foot. Feet then sank in by 16 mm and slid at 0.5 m/s, however hard the contact was.

The character's joints therefore have an armature (a rotor's inertia) of kd * armature_s, where armature_s [s] is a
setting of the character. Contact forces include the
armature, so the damping can be explicit. The torque keeps its limit exactly, and finer physics steps simulate the same
character.
"""

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.rotations import quat_conj, quat_from_rotvec, quat_mul, quat_to_rotvec


class Servo:
    """Computes the torques of all joints from targets and joint state, for N copies of one character."""

    def __init__(self, character: Character, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32):
        joints = character.joints

        def per_dof(values: list[float]) -> Tensor:
            repeated = [v for v, j in zip(values, joints, strict=True) for _ in range(j.dof.start, j.dof.stop)]
            return torch.tensor(repeated, device=device, dtype=dtype)

        self._kp = per_dof([j.kp for j in joints])
        self._kd = per_dof([j.kd for j in joints])
        self._limit = torch.tensor([j.torque_limit for j in joints], device=device, dtype=dtype)
        self._joint_of_dof = per_dof([float(i) for i in range(len(joints))]).long()
        self._sum_per_joint = torch.nn.functional.one_hot(self._joint_of_dof, len(joints)).to(dtype)
        balls = [j for j in joints if j.kind == "ball"]
        self._ball_dofs = torch.tensor([d for j in balls for d in range(j.dof.start, j.dof.stop)], device=device)
        self._ball_joints = torch.tensor([joints.index(j) for j in balls], device=device)
        self._axes = torch.zeros(character.num_actuated, 3, device=device, dtype=dtype)
        for joint in (j for j in joints if j.kind == "hinge"):
            self._axes[joint.dof] = torch.tensor(joint.axis, device=device, dtype=dtype)

    def set_target(self, pd_target: Tensor) -> None:
        """Set the targets (N, A) [rad]: rotation vectors of ball joints, angles of hinges."""
        self._target = pd_target
        # inverted once here, because every physics step needs it
        self._from_target = quat_conj(
            quat_from_rotvec(pd_target.index_select(1, self._ball_dofs).view(len(pd_target), -1, 3))
        )

    def torques(self, ball_quat: Tensor, joint_pos: Tensor, joint_vel: Tensor) -> tuple[Tensor, Tensor]:
        """Return the limited servo torque and the motor torque, each (N, A) [N·m].

        The motor torque and the joint's damping -kd * v together give the servo torque.

        Args:
            ball_quat: (N, J_ball, 4) wxyz of the ball joints, in joint order.
            joint_pos: (N, A) [rad], angles of the hinges; the columns of ball joints are not read.
            joint_vel: (N, A) [rad/s].
        """
        _, limited = self.error_and_torque(ball_quat, joint_pos, joint_vel)
        return limited, limited + self._kd * joint_vel

    def torque_of(self, state: CharacterState) -> Tensor:
        """Return the limited servo torque (N, A) [N·m] for the pose and velocity of N copies."""
        quat = state.joint_quat[:, self._joint_of_dof]
        angle = 2.0 * torch.atan2((quat[..., 1:] * self._axes).sum(-1), quat[..., 0])
        angle = torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi
        return self.torques(state.joint_quat[:, self._ball_joints], angle, state.joint_vel)[0]

    def error_and_torque(self, ball_quat: Tensor, joint_pos: Tensor, joint_vel: Tensor) -> tuple[Tensor, Tensor]:
        """Return the error e (N, A) [rad] and the limited servo torque (N, A) [N·m]; arguments as of :meth:`torques`."""
        error = self._target - joint_pos
        beyond = quat_to_rotvec(quat_mul(self._from_target, ball_quat))  # the target: its inverse, the error
        error.index_copy_(1, self._ball_dofs, -beyond.flatten(1))
        wanted = self._kp * error - self._kd * joint_vel
        norm = (wanted.square() @ self._sum_per_joint).sqrt()
        share = self._limit / norm.clamp_min(self._limit)
        return error, wanted * share.index_select(1, self._joint_of_dof)
