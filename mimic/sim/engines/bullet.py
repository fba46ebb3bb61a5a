"""The pybullet engine: a second simulator, for checking controllers that were trained in another one.

Every copy has a world of its own, so that copies cannot influence each other. The bodies are exactly MuJoCo's
(``bullet_body.py``); contact, friction and stepping are Bullet's.

The servo is that of ``pd_controller.py``, in the same two parts: motor and joint damping. Bullet's motor torque is
recomputed every 1/960 s. In MuJoCo 1/120 s is enough, because MuJoCo moves positions with the new velocity. A torque that
is held for h = 1/120 s through finer steps acts like a spring that lags by h / 2. Such a lag reduces the damping kd by
h kp / 2.

Bullet has no armature (rotor inertia) A, so each joint has a rotor here, coupled by a viscous clutch with coefficient c.
With joint velocity v and rotor velocity w, the clutch gives the joint the torque -c (v - w), and A dw/dt = c (v - w). For
motion slower than A / c = 1/240 s this equals an armature A.

Bullet's damping is explicit and the feet are light, so stability needs many small steps for each torque: 1/75,000 s for
the humanoid, 1/240,000 s for the dog. That is too slow for training.

The same calls give the same bits. A restored snapshot continues to rounding only: it holds poses and velocities, not
Bullet's memory of contacts.
"""

import math
from typing import Self

import mujoco
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.rotations import cross, quat_rotate, quat_rotate_inverse
from mimic.sim import ENGINES
from mimic.sim.bullet_body import add_character, connect, moving_links
from mimic.sim.engine import MAX_POSITION, MAX_VELOCITY, Engine
from mimic.sim.import_pybullet import load_pybullet
from mimic.sim.masking import assign_rows
from mimic.sim.pd_controller import Servo
from mimic.sim.qpos_qvel import Coordinates

_CLUTCH_S = 1 / 240  # [s] in which a rotor follows its joint
_RENEWALS = 8  # of the servo's torque, and of the rotors, in a physics step of MuJoCo's
_SAFETY = 0.8  # of the step beyond which explicit damping oscillates
_POSES = 16  # in which that step is looked for


@ENGINES.register("bullet")
class BulletEngine(Engine):
    """The pybullet engine; its methods are those of :class:`mimic.sim.engine.Engine`.

    Attributes:
        substeps: how often the servo's torque is computed in a control step.
        fine_steps: Bullet's steps for each of these torques.
    """

    def __init__(self, character: Character, num_envs: int):
        self.character, self.num_envs = character, num_envs
        self.device = torch.device("cpu")
        self.substeps = _RENEWALS * character.simulation.substeps
        damping = np.concatenate([[joint.kd] * (joint.dof.stop - joint.dof.start) for joint in character.joints])
        clutch = damping * character.simulation.armature_s / _CLUTCH_S
        renewal_s = character.simulation.control_dt / self.substeps
        self.fine_steps = math.ceil(renewal_s / stable_step(character, damping + clutch))
        self._follow = 1.0 - math.exp(-renewal_s / _CLUTCH_S)
        self._clutch = torch.from_numpy(clutch)
        dt = renewal_s / self.fine_steps
        self._bullet = load_pybullet()
        self._clients: list[int] = []
        self._clients += [connect(self._bullet, dt) for _ in range(num_envs)]
        joint_damping = (damping + clutch)[[joint.dof.start for joint in character.joints]].tolist()
        self._bodies = [add_character(self._bullet, character, client, joint_damping) for client in self._clients]
        self._fresh = [self._bullet.saveState(physicsClientId=client) for client in self._clients]
        self._links = moving_links(character)
        self._index_joints(character)
        self._com = torch.tensor(character.bodies[0].com, dtype=torch.float64)
        self._servo = Servo(character, dtype=torch.float64)
        self._failed = torch.zeros(num_envs, dtype=torch.bool)
        self._pull()

    def _index_joints(self, character: Character) -> None:
        model, joints = character.mj_model(visual=False), character.joints
        addresses = model.jnt_qposadr[1:].tolist()
        self._coordinates = Coordinates(character, addresses)
        self._qpos = torch.zeros(self.num_envs, model.nq, dtype=torch.float64)
        self._qvel = torch.zeros(self.num_envs, model.nv, dtype=torch.float64)
        self._rotor = torch.zeros(self.num_envs, character.num_actuated, dtype=torch.float64)
        balls = [joint.kind == "ball" for joint in joints]
        self._columns = [slice(a, a + (4 if ball else 1)) for a, ball in zip(addresses, balls, strict=True)]

    def __del__(self) -> None:
        for client in getattr(self, "_clients", []):
            self._bullet.disconnect(physicsClientId=client)

    @classmethod
    def create(cls, character: Character, num_envs: int, threads: int, device: str) -> Self:
        """Make an engine of ``num_envs`` worlds on the CPU. One thread steps all of them; ``threads`` is ignored."""
        return cls(character, num_envs)

    def reset(self, ids: Tensor, state: CharacterState) -> None:
        """Set the copies ``ids`` to ``state``; no earlier state influences them."""
        self._coordinates.write(self._qpos, self._qvel, ids, state)
        assign_rows(self._failed, ids, False)
        for i in torch.arange(self.num_envs)[ids].tolist():
            self._push(i)

    def set_targets(self, pd_target: Tensor) -> None:
        """Set the servo targets (N, A) [rad]: rotation vectors of ball joints, angles of hinges."""
        self._servo.set_target(pd_target.double())

    def step(self) -> None:
        """Advance every copy that has not failed by one control step."""
        for _ in range(self.substeps):
            torque = self._motor_torques()
            self._failed |= ~self._within_bounds() | ~(torque.abs().amax(1) < math.inf)
            # a failed copy is not stepped
            running = (~self._failed).nonzero().squeeze(1)
            for i in running.tolist():
                self._simulate(i, torque[i])
            self._pull(running.tolist())
            self._rotor[running] += self._follow * (self._qvel[running, 6:] - self._rotor[running])
        self._failed |= ~self._within_bounds()

    def read(self) -> CharacterState:
        """Return the pose and velocity of every copy, float32."""
        return self._coordinates.read(self._qpos, self._qvel)

    def failed(self) -> Tensor:
        """Return (N,) bool: copies that became non-finite, too fast or too far away since their last reset.

        The limits are ``MAX_VELOCITY`` and ``MAX_POSITION`` of ``mimic/sim/engine.py``.
        """
        return self._failed.clone()

    def snapshot(self) -> dict[str, Tensor]:
        """Return copies of poses, velocities, rotor velocities and failure flags, by name."""
        tensors = {"qpos": self._qpos, "qvel": self._qvel, "rotor": self._rotor, "failed": self._failed}
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def restore(self, snapshot: dict[str, Tensor]) -> None:
        """Continue from a snapshot. Bullet searches contacts anew, so later steps are the same to rounding only."""
        self._qpos.copy_(snapshot["qpos"])
        self._qvel.copy_(snapshot["qvel"])
        self._failed.copy_(snapshot["failed"])
        for i in range(self.num_envs):
            self._push(i)
        self._rotor.copy_(snapshot["rotor"])

    def physics_step(self) -> None:
        """Advance Bullet by the physics steps of one control step, without servo or checks (for benchmarks)."""
        for _ in range(self.substeps):
            for client in self._clients * self.fine_steps:
                self._bullet.stepSimulation(physicsClientId=client)

    def _within_bounds(self) -> Tensor:
        # a NaN compares false, so compare for good values
        return (self._qvel.abs().amax(1) <= MAX_VELOCITY) & (self._qpos.abs().amax(1) <= MAX_POSITION)

    def _motor_torques(self) -> Tensor:
        """Return the torques (N, A) [N·m] of servo and rotor, without the joints' dampers."""
        place = self._coordinates
        ball_quat, joint_pos = place.ball_quat(self._qpos).double(), place.joint_pos(self._qpos).double()
        return self._servo.torques(ball_quat, joint_pos, self._qvel[:, 6:])[1] + self._clutch * self._rotor

    def _simulate(self, i: int, torque: Tensor) -> None:
        """Advance copy i by ``fine_steps`` of Bullet's steps under a constant torque (A,) [N·m]."""
        bullet, body, client = self._bullet, self._bodies[i], self._clients[i]
        numbers = torque.tolist()
        forces = [numbers[joint.dof] for joint in self.character.joints]
        for _ in range(self.fine_steps):
            # Bullet applies a torque for one step only
            bullet.setJointMotorControlMultiDofArray(
                body, self._links, bullet.TORQUE_CONTROL, forces=forces, physicsClientId=client
            )
            bullet.stepSimulation(physicsClientId=client)

    def _pull(self, ids: list[int] | None = None) -> None:
        """Copy Bullet's state of the copies ``ids`` (None: of all copies) into qpos and qvel."""
        bullet, rows = self._bullet, range(self.num_envs) if ids is None else ids
        base, joints = [], []
        for i in rows:
            body, client = self._bodies[i], self._clients[i]
            base.append(sum(bullet.getBasePositionAndOrientation(body, physicsClientId=client), ()))
            base[-1] += sum(bullet.getBaseVelocity(body, physicsClientId=client), ())
            states = bullet.getJointStatesMultiDof(body, self._links, physicsClientId=client)
            joints.append(([x for s in states for x in _wxyz(s[0])], [x for s in states for x in s[1]]))
        if not base:
            return
        numbers = torch.tensor(np.array(base))
        pos, quat, linvel, angvel = (numbers[:, c] for c in (slice(3), [6, 3, 4, 5], slice(7, 10), slice(10, 13)))
        arm = quat_rotate(quat, self._com.expand_as(pos))
        chosen = torch.tensor(list(rows))
        joint_pos, joint_vel = (torch.tensor(np.array(part)) for part in zip(*joints, strict=True))
        self._qpos[chosen] = torch.cat((pos - arm, quat, joint_pos), 1)
        turn = quat_rotate_inverse(quat, angvel)
        self._qvel[chosen] = torch.cat((linvel - cross(angvel, arm), turn, joint_vel), 1)

    def _push(self, i: int) -> None:
        """Set copy i in Bullet to the state in qpos and qvel; Bullet forgets the contacts of the copy."""
        bullet, body, client = self._bullet, self._bodies[i], self._clients[i]
        bullet.restoreState(self._fresh[i], physicsClientId=client)
        pos, quat = self._qpos[i, :3], self._qpos[i, 3:7]
        arm = quat_rotate(quat, self._com)
        angvel = quat_rotate(quat, self._qvel[i, 3:6])
        centre, orientation = (pos + arm).tolist(), quat[[1, 2, 3, 0]].tolist()
        linvel = (self._qvel[i, :3] + cross(angvel, arm)).tolist()
        bullet.resetBasePositionAndOrientation(body, centre, orientation, physicsClientId=client)
        bullet.resetBaseVelocity(body, linvel, angvel.tolist(), physicsClientId=client)
        joint_pos, joint_vel = self._qpos[i].tolist(), self._qvel[i, 6:].tolist()
        self._rotor[i] = self._qvel[i, 6:]
        bullet.resetJointStatesMultiDof(
            body,
            self._links,
            [_xyzw(joint_pos[columns]) for columns in self._columns],
            [joint_vel[joint.dof] for joint in self.character.joints],
            physicsClientId=client,
        )


def _wxyz(values: tuple[float, ...]) -> tuple[float, ...]:
    """Reorder a joint's quaternion from Bullet's xyzw to MuJoCo's wxyz; a hinge's angle (one value) stays as it is."""
    return values if len(values) == 1 else (values[3], *values[:3])


def _xyzw(values: list[float]) -> list[float]:
    """Reorder a joint's quaternion from MuJoCo's wxyz to Bullet's xyzw; a hinge's angle (one value) stays as it is."""
    return values if len(values) == 1 else [*values[1:], values[0]]


def stable_step(character: Character, damping: NDArray[np.float64]) -> float:
    """Return the longest time step [s] with which explicit joint damping (A,) [N·m·s/rad] stays stable.

    The stability limit is computed at some random poses; the result is 0.8 of the smallest.
    """
    model = character.mj_model(visual=False)
    model.dof_armature[:] = 0.0
    data, fastest, root = mujoco.MjData(model), 0.0, np.concatenate([np.zeros(6), np.sqrt(damping)])
    random = np.random.default_rng(0)
    for _ in range(_POSES):
        mujoco.mj_integratePos(model, data.qpos, random.normal(size=model.nv), 1.0)
        mujoco.mj_forward(model, data)
        response = np.zeros((model.nv, model.nv))
        mujoco.mj_solveM(model, data, response, np.diag(root))
        rates = np.linalg.eigvalsh(root * response)
        fastest = max(fastest, float(rates[-1]))
    return _SAFETY * 2.0 / fastest
