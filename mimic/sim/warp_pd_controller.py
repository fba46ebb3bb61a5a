"""The servo of ``mimic/sim/pd_controller.py`` as one Warp kernel, so that a whole control step can be one CUDA graph.

This module is separate because it imports ``warp``, an optional package.
"""

import warp as wp

from characters import Character

_TINY = wp.constant(1e-30)


@wp.kernel(enable_backward=False)
def _torques(
    ball: wp.array[wp.bool],
    dof: wp.array[int],
    address: wp.array[int],
    kp: wp.array[float],
    kd: wp.array[float],
    limit: wp.array[float],
    target: wp.array2d[float],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    ctrl: wp.array2d[float],
) -> None:
    """Compute one joint's motor torque in one world: limited(kp e - kd v) + kd v. The joint's damping subtracts kd v."""
    world, joint = wp.tid()  # type: ignore[misc]
    d, a = dof[joint], address[joint]
    if ball[joint]:
        # the shortest rotation vector from the joint to its target, in the child's frame
        goal = wp.vec3(target[world, d], target[world, d + 1], target[world, d + 2])
        angle = wp.length(goal)
        half = 0.5 * angle
        share = 0.5
        if angle > _TINY:
            share = wp.sin(half) / angle
        goal_quat = wp.quat(share * goal[0], share * goal[1], share * goal[2], wp.cos(half))
        quat = wp.quat(qpos[world, a + 1], qpos[world, a + 2], qpos[world, a + 3], qpos[world, a])
        turn = wp.mul(wp.quat_inverse(quat), goal_quat)
        axis, w = wp.vec3(turn[0], turn[1], turn[2]), turn[3]
        if w < 0.0:
            axis, w = -axis, -w
        sine = wp.length(axis)
        scale = 2.0
        if sine > _TINY:
            scale = 2.0 * wp.atan2(sine, w) / sine
        velocity = wp.vec3(qvel[world, 6 + d], qvel[world, 7 + d], qvel[world, 8 + d])
        damping = kd[joint] * velocity
        wanted = kp[joint] * scale * axis - damping
        motor = wanted * (limit[joint] / wp.max(wp.length(wanted), limit[joint])) + damping
        for k in range(3):
            ctrl[world, d + k] = motor[k]
    else:
        brake = kd[joint] * qvel[world, 6 + d]
        pull = kp[joint] * (target[world, d] - qpos[world, a]) - brake
        ctrl[world, d] = pull * (limit[joint] / wp.max(wp.abs(pull), limit[joint])) + brake


class WarpServo:
    """Writes motor torques into ``ctrl`` (N, A) from ``target`` (N, A), qpos and qvel, all arrays on one device."""

    def __init__(self, character: Character, addresses: list[int], device: wp.Device):
        """``addresses``: the first column in qpos of each joint except the root's free joint."""
        joints = character.joints

        def array(values: list[object], dtype: type) -> wp.array:
            return wp.array(values, dtype=dtype, device=device)

        self._shape = array([joint.kind == "ball" for joint in joints], wp.bool)
        self._dof = array([joint.dof.start for joint in joints], int)
        self._address = array(list(addresses), int)
        self._kp = array([joint.kp for joint in joints], float)
        self._kd = array([joint.kd for joint in joints], float)
        self._limit = array([joint.torque_limit for joint in joints], float)
        self._device = device

    def launch(self, target: wp.array, qpos: wp.array, qvel: wp.array, ctrl: wp.array) -> None:
        """Compute the motor torques [N·m] for ``target`` [rad] and the state in qpos and qvel; write them into ``ctrl``."""
        constants = [self._shape, self._dof, self._address, self._kp, self._kd, self._limit]
        wp.launch(
            _torques,
            dim=(target.shape[0], len(self._dof)),
            inputs=[*constants, target, qpos, qvel],
            outputs=[ctrl],
            device=self._device,
        )
