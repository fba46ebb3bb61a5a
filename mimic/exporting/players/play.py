#!/usr/bin/env python3
"""Plays a mimic controller bundle with nothing but MuJoCo, onnxruntime and NumPy. SPDX: Apache-2.0.

``python play.py BUNDLE`` checks every file against the manifest, repeats the recorded rollout and prints the error.
Exit code 1 means that the error is too large, 2 that the bundle was refused. ``--view`` shows the character in MuJoCo's viewer.
"""

import argparse
import hashlib
import json
import math
import re
import sys
import time
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import onnxruntime

SCHEMA_VERSION = 1
MAX_BYTES = 256_000_000
NEEDED = (
    "control.json",
    "skeleton.json",
    "reference.json",
    "reference.bin",
    "character.xml",
    "controller.onnx",
    "testvectors.json",
)
CLOCK = ("qpos", "qvel", "clip_time", "origin", "yaw")
Array = np.ndarray


def read_bundle(folder: Path) -> dict[str, bytes]:
    """Read every file of the bundle and check sizes and hashes. Raises ValueError that names the fault."""
    files = {}
    try:
        files["manifest.json"] = (folder / "manifest.json").read_bytes()
        manifest = json.loads(files["manifest.json"])
        version, listed = manifest["schema_version"], dict(manifest["files"])
        expected = {name: (int(entry["size"]), str(entry["sha256"])) for name, entry in listed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"manifest.json: missing or damaged ({error})") from None
    if version != SCHEMA_VERSION:
        raise ValueError(f"manifest.json: schema version {version}, but this player reads {SCHEMA_VERSION}")
    for name, (size, digest) in expected.items():
        path = folder / name
        if not re.fullmatch(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*", name) or path.resolve() != folder.resolve() / name:
            raise ValueError(f"{name!r}: not a file inside the bundle")
        if not path.is_file():
            raise ValueError(f"{name}: missing, though the manifest lists it")
        if path.stat().st_size != size or size > MAX_BYTES:
            raise ValueError(f"{name}: not {size} bytes long, as the manifest says")
        files[name] = path.read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise ValueError(f"{name}: damaged (its sha256 is not the manifest's)")
    if missing := {*NEEDED} - {*files}:
        raise ValueError(f"{min(missing)}: missing in the manifest, but every bundle needs it")
    return files


class Player:
    """Runs the controller in MuJoCo, one control step at a time."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.control, self.reference, skeleton = (
            json.loads(files[f"{name}.json"]) for name in ("control", "reference", "skeleton")
        )
        self.joints = [{**a, **b} for a, b in zip(skeleton["joints"], self.control["joints"], strict=True)]
        self.model = mujoco.MjModel.from_xml_string(files["character.xml"].decode())
        self.data = mujoco.MjData(self.model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.network = onnxruntime.InferenceSession(files["controller.onnx"], options, ["CPUExecutionProvider"])
        tensors = self.reference["tensors"]
        self.tensors = {name: _tensor(files["reference.bin"], **entry) for name, entry in tensors.items()}
        self.clip_time, self.origin, self.yaw = 0.0, np.zeros(3), 0.0

    def start(self, qpos: Any, qvel: Any, clip_time: float, origin: Any, yaw: float) -> None:
        """Put the character into a state at a time [s] of the clip, whose origin and yaw place it in the world."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        self.clip_time, self.origin, self.yaw = clip_time, np.array(origin, dtype=float), yaw

    def step(self) -> Array:
        """Take one control step and return its servo targets (A,) [rad]."""
        state = (self.data.qpos, self.data.qvel, self.clip_time, self.origin, self.yaw)
        feed = {name: np.array(x, dtype=np.float32).reshape(1, -1) for name, x in zip(CLOCK, state, strict=True)}
        target: Array = self.network.run(["pd_target"], feed)[0][0].astype(float)
        for _ in range(self.control["substeps"]):
            self.data.ctrl[:] = self.motors(target)
            mujoco.mj_step(self.model, self.data)
        self.advance()
        return target

    def motors(self, target: Array) -> Array:
        """Return motor torques (A,) [N m]: kp e - kd v within each joint's limit, plus kd v (e error, v velocity).

        The last term cancels the damping kd that the model's joints have themselves.
        """
        motors = np.zeros(len(target))
        for joint in self.joints:
            dofs = slice(joint["dof"], joint["dof"] + joint["dofs"])
            velocity = self.data.qvel[joint["qvel"] : joint["qvel"] + joint["dofs"]]
            if joint["kind"] == "ball":
                goal, error = np.zeros(4), np.zeros(3)
                angle = float(np.linalg.norm(target[dofs]))
                mujoco.mju_axisAngle2Quat(goal, target[dofs] / max(angle, 1e-12), angle)
                mujoco.mju_subQuat(error, goal, self.data.qpos[joint["qpos"] : joint["qpos"] + 4])
            else:
                error = target[dofs] - self.data.qpos[joint["qpos"]]
            wanted = joint["kp"] * error - joint["kd"] * velocity
            share = joint["torque_limit"] / max(joint["torque_limit"], float(np.linalg.norm(wanted)))
            motors[dofs] = wanted * share + joint["kd"] * velocity
        return motors

    def advance(self) -> None:
        """Advance the clip by a control step; a new cycle starts at the character's position if the task says so."""
        duration, cycle, task = self.reference["duration"], self.reference["cycle"], self.control["task"]
        self.clip_time += self.control["control_dt"]
        if not self.reference["loop"]:
            self.clip_time = min(self.clip_time, duration)
        elif self.clip_time >= duration:
            self.clip_time -= duration
            first, displacement = np.array(cycle["first_pos"]), np.array(cycle["displacement"])
            end = _turn(self.yaw, first + displacement) + self.origin
            self.yaw += cycle["yaw"]
            self.origin = end - _turn(self.yaw, first)
            if task["sync_root_yaw"]:
                self.yaw = _heading(self.data.qpos[3:7]) - _heading(self.look_up("root_quat"))
            if task["sync_root_pos"]:
                self.origin = (self.data.qpos[:3] - _turn(self.yaw, self.look_up("root_pos"))) * [1, 1, 0]

    def look_up(self, name: str) -> Array:
        """Interpolate a table of the reference at the present clip time."""
        rows, x = self.tensors[f"table.{name}"], self.clip_time * self.reference["table"]["rate"]
        row = min(max(math.floor(x), 0), len(rows) - 2)
        mixed: Array = rows[row] + (x - row) * (rows[row + 1] - rows[row])
        return mixed


def _tensor(data: bytes, offset: int, shape: list[int]) -> Array:
    return np.frombuffer(data, "<f4", math.prod(shape), offset).reshape(shape).astype(float)


def _turn(yaw: float, vector: Array) -> Array:
    (x, y, z), c, s = vector, math.cos(yaw), math.sin(yaw)
    return np.array([c * x - s * y, s * x + c * y, z])


def _heading(quat: Array) -> float:
    w, x, y, z = quat / np.linalg.norm(quat)
    return math.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def follow(player: Player, rows: list[dict[str, Any]]) -> float:
    """Repeat the recorded rollout; return the largest error of a joint [rad] or of the root [m, rad]."""
    player.start(*(rows[0][name] for name in CLOCK))
    worst = 0.0
    for row in rows[1:]:
        player.step()
        apart = np.zeros(player.model.nv)  # rotations as angles, whatever the signs of quaternions
        mujoco.mj_differentiatePos(player.model, apart, 1.0, np.array(row["qpos"]), player.data.qpos)
        worst = max(worst, float(np.abs(apart).max()))
    return worst


def view(player: Player, row: dict[str, Any]) -> None:
    """Show the simulation in real time, from the start of the recording."""
    import mujoco.viewer

    player.start(*(row[name] for name in CLOCK))
    with mujoco.viewer.launch_passive(player.model, player.data) as window:
        while window.is_running():
            began = time.monotonic()
            player.step()
            window.sync()
            time.sleep(max(0.0, player.control["control_dt"] + began - time.monotonic()))


def main() -> int:
    """Run the command line. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--view", action="store_true", help="show the character in a window")
    args = parser.parse_args()
    try:
        files = read_bundle(args.bundle)
    except ValueError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    if warning := json.loads(files["manifest.json"]).get("warning"):
        print(warning)
    player, vectors = Player(files), json.loads(files["testvectors.json"])
    worst, allowed = follow(player, vectors["rollout"]["rows"]), vectors["tolerance"]["rollout_rad"]
    print(f"rollout {worst:.2e} rad from the recording, {allowed:g} allowed: {'OK' if worst <= allowed else 'OFF'}")
    if args.view:
        view(player, vectors["rollout"]["rows"][0])
    return 0 if worst <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
