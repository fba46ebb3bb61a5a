"""performance.json: commands to a controller of a library, and its reference, observation and action at every control step.

All values come from the environment of the motion graph, and none from the exported files.
"""

from typing import Any

import numpy as np
import torch

from mimic.exporting.tensors import short
from mimic.exporting.test_vectors import motor_torques
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.entries import STEP_S
from mimic.rl.policy import Policy
from mimic.sim.engines.mujoco import MujocoEngine

STEPS = 112
TOLERANCE = 1e-3
_PHASE = 0.2
_PUSH, _GET_UP = 60, 105  # steps of the last commands: it is thrown down, lies, and gets up if it has a getup clip
_THROWN = [0.0, 6.0, 0.0]  # change of velocity by the push [m/s]


@torch.no_grad()
def performance(env: ConductedEnv, policy: Policy) -> dict[str, Any]:
    """Return the content of performance.json without its schema version; ``env`` has one character."""
    commands = _commands(env)
    first = torch.tensor([env.library.gaits[1] if env.library.gaits else 0])
    obs = env.begin(first, torch.tensor([_PHASE]))
    rows = []
    for step in range(STEPS):
        if step in commands:
            _give(env, commands[step])
            obs = env.look()
        action = policy.mean(obs)
        rows.append({"time": step * STEP_S, **_row(env, obs, action)})
        obs = env.control_step(action)
    return {
        "tolerance": TOLERANCE,
        "meaning": "begin the clip `first` at `phase`. At each row give its command, if there is one: the clip to play "
        "(`once`: for one cycle); or speed [m/s] and yaw rate [rad/s] to steer; or to get up from where it is; a "
        "push [m/s] is in qvel already. `fallen`: it has been down for recovery.down_s although its clip is not. From qpos "
        "and qvel follow observation, action, servo target and motor torque; `reference` is position, quaternion, "
        "servo targets and heading now. Then advance with the next qpos.",
        "first": int(first),
        "phase": _PHASE,
        "commands": [{"step": step, **command} for step, command in commands.items()],
        "rows": rows,
    }


def _commands(env: ConductedEnv) -> dict[int, dict[str, Any]]:
    """Return commands by control step: play the first clip, steer if there are gaits, play another clip, be thrown down, get up."""
    clips = len(env.library.names)
    found: dict[int, dict[str, Any]] = {5: {"play": 0}, 52: {"play": min(1, clips - 1), "once": True}}
    found[_PUSH] = {"push": _THROWN}
    if env.library.gaits:
        found |= {22: {"steer": [1.2, 0.6]}, 40: {"steer": [2.4, -0.3]}}
    if env.recovery.getups:
        found[_GET_UP] = {"get_up": True}
    return dict(sorted(found.items()))


def _give(env: ConductedEnv, command: dict[str, Any]) -> None:
    rows = torch.tensor([0])
    if "get_up" in command:
        env.get_up(rows)
    elif "push" in command:
        env.push(rows, torch.tensor([command["push"]]))
    elif "play" in command:
        env.conductor.request(rows, torch.tensor([command["play"]]), once=command.get("once", False))
    else:
        speed, yaw_rate = command["steer"]
        env.conductor.steer(rows, torch.tensor([speed]), torch.tensor([yaw_rate]))


def _row(env: ConductedEnv, obs: torch.Tensor, action: torch.Tensor) -> dict[str, Any]:
    engine = env.engine
    if not isinstance(engine, MujocoEngine):
        raise TypeError(f"test vectors are recorded on the CPU engine, not on {type(engine).__name__}")
    now = env.conductor.poses(torch.tensor([0.0, env.config.action.lead_s]))
    target = env.action.pd_target(action, now.row[:, 1, 7:] if env.action.needs_reference else None)
    return {
        "reference": short(torch.cat([now.row[0, 0], now.heading[0, :1]])),
        "qpos": short(np.array(engine.batch.bind("qpos"))[0]),
        "qvel": short(np.array(engine.batch.bind("qvel"))[0]),
        "observation": short(obs[0]),
        "action": short(action[0]),
        "pd_target": short(target[0]),
        "motor": short(motor_torques(env, target)[0]),
        "fallen": bool(env.fallen()[0]),
    }
