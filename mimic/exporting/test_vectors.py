"""Test vectors: states with the controller's output, and two seconds of the controller in simulation.

All values come from the environment that trains and evaluates, and none from the exported files.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimic.exporting.axes import FRAMES, Frame
from mimic.exporting.qpos_layout import to_mujoco
from mimic.exporting.tensors import exact, short
from mimic.rl.policy import Policy
from mimic.runs.controller import Controller
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.sim.pd_controller import Servo
from mimic.tracking import Termination, TrackingEnv
from mimic.tracking.reference_tracker import ReferencePlacement

STATES = 64
ROLLOUT_S = 2.0
TOLERANCE = {"rollout_rad": 1e-3, "vectors": 1e-4}
_SEED = 7


@torch.no_grad()
def test_vectors(controller: Controller) -> dict[str, Any]:
    """Return the content of testvectors.json without its schema version."""
    return {
        "tolerance": TOLERANCE,
        "meaning": "states: clock and raw state in; observation, action, servo target and motor torque out. rollout: "
        "start at row 0, then a control step a row; `time` is simulated, `qpos` what MuJoCo gave; not `whole` where the "
        "character fell. frames: a point and a turn in the axes of each engine.",
        "states": _states(controller),
        "rollout": _rollout(controller),
        "frames": [_in_frame(frame) for frame in FRAMES.values()],
    }


def _in_frame(frame: Frame) -> dict[str, Any]:
    """Return a point and a rotation, in our axes and in those of an engine."""
    point, quat = np.array([0.5, -1.25, 2.0]), np.array([0.5, -0.1, 0.7, 0.5])
    return {
        "engine": frame.name,
        "vector": point.tolist(),
        "quaternion": quat.tolist(),
        "position": frame.position(point).tolist(),
        "angular": frame.angular(point).tolist(),
        "rotation": frame.rotation(quat).tolist(),
    }


def _states(controller: Controller) -> list[dict[str, Any]]:
    """Record 64 states of a noisy rollout; every second clip is moved in the world, the last eight start near its end."""
    env = controller.make_env(STATES, seed=_SEED, threads=1)
    random = torch.Generator().manual_seed(_SEED)
    duration = env.motion.duration
    start = torch.rand(STATES, generator=random, dtype=torch.float64) * duration
    start[-8:] = duration * (1 - torch.rand(8, generator=random, dtype=torch.float64) * 0.02)
    obs = env.reset(start)
    for _ in range(3):
        noise = torch.randn(STATES, env.act_dim, generator=random)
        obs = env.step(controller.policy.mean(obs) + 0.2 * noise).obs
    now = env.tracker.current
    moved = torch.arange(STATES) % 2 == 1
    yaw = torch.where(moved, (torch.rand(STATES, generator=random) - 0.5) * 2 * torch.pi, now.yaw)
    shift = torch.randn(STATES, 3, generator=random) * torch.tensor([3.0, 3.0, 0.0])
    env.tracker.current = ReferencePlacement(now.clip_time, now.origin_w + shift * moved[:, None], yaw, now.clip)
    return _look(env, controller.policy, range(STATES))


def _rollout(controller: Controller) -> dict[str, Any]:
    """Record two seconds from the first of several starts without a fall; if the clip loops, across a cycle's end."""
    env = controller.make_env(1, seed=_SEED, threads=1)
    duration = env.motion.duration
    candidates = [duration * share for share in (0.6, 0.4, 0.8, 0.2, 0.0)] if env.motion.loop else [0.0]
    recordings = (_record(env, controller.policy, start) for start in candidates)
    first: dict[str, Any] | None = None
    for recording in recordings:
        first = first or recording
        if recording["whole"]:
            return recording
    if first is None:
        raise ValueError("no rollout was recorded")
    return first


def _record(env: TrackingEnv, policy: Policy, start: float) -> dict[str, Any]:
    obs = env.reset(torch.tensor([start], dtype=torch.float64))
    rows = _look(env, policy, [0])
    steps = round(ROLLOUT_S / env.control_dt)
    end = int(Termination.NONE)
    for _ in range(steps):
        step = env.step(policy.mean(obs))
        obs, end = step.obs, int(step.end[0])
        if end != Termination.NONE:
            break
        rows += _look(env, policy, [0])
    for index, row in enumerate(rows):
        row["time"] = index * env.control_dt
    return {"whole": end not in (Termination.FAIL, Termination.DIVERGED), "rows": rows}


def _look(env: TrackingEnv, policy: Policy, ids: Any) -> list[dict[str, Any]]:
    """Return a row for each environment in ``ids``: state, clock, observation, action, servo target, motor torque."""
    engine = env.engine
    if not isinstance(engine, MujocoEngine):
        raise TypeError(f"test vectors are recorded on the CPU engine, not on {type(engine).__name__}")
    qpos, qvel = np.array(engine.batch.bind("qpos")), np.array(engine.batch.bind("qvel"))
    obs = env.observe()
    action = policy.mean(obs)
    target = env.pd_target(action)
    motor = motor_torques(env, target)
    now = env.tracker.current
    return [
        {
            "clip_time": float(now.clip_time[i]),
            "origin": exact(now.origin_w[i]),
            "yaw": float(now.yaw[i]),
            "qpos": exact(qpos[i]),
            "qvel": exact(qvel[i]),
            "observation": short(obs[i]),
            "action": short(action[i]),
            "pd_target": short(target[i]),
            "motor": short(motor[i]),
        }
        for i in ids
    ]


def motor_torques(env: TrackingEnv, target: Tensor) -> Tensor:
    """Return the motor torques (N, A) [N·m] of the servo in the present state."""
    servo = Servo(env.character)
    servo.set_target(target)
    state = env.engine.read()
    balls = [j for j, joint in enumerate(env.character.joints) if joint.kind == "ball"]
    qpos, _ = to_mujoco(state, env.character)
    joint_pos = torch.zeros_like(target)
    at = 7
    for joint in env.character.joints:
        if joint.kind == "hinge":
            joint_pos[:, joint.dof.start] = qpos[:, at].float()
        at += 4 if joint.kind == "ball" else 1
    return servo.torques(state.joint_quat[:, balls], joint_pos, state.joint_vel)[1]
