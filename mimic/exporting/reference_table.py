"""The reference clip of a bundle: a table that the controller interpolates, and the clip at 60 frames a second.

A row of the table holds the root's position and orientation and the joint pose as servo targets.
"""

import math
from typing import Any

import torch

from mimic.exporting.qpos_layout import to_mujoco
from mimic.exporting.schema_parts import cycle
from mimic.exporting.tensors import concat_tensors
from mimic.tracking import TrackingEnv
from mimic.tracking.reference import sample_motion

CLIP_FPS = 60


def reference(env: TrackingEnv) -> tuple[dict[str, Any], bytes]:
    """Return the content of reference.json without its schema version, and the bytes of reference.bin."""
    table = env.tracker.reference
    frames = math.floor(table.duration * CLIP_FPS + 1e-9) + 1
    times = (torch.arange(frames, dtype=torch.float64) / CLIP_FPS).clamp(max=table.duration)
    qpos, qvel = to_mujoco(sample_motion(env.motion, env.character, times), env.character)
    index, data = concat_tensors(
        {
            "table.root_pos": table.table("root_pos").numpy(),
            "table.root_quat": table.table("root_quat").numpy(),
            "table.pd_target": table.table("pd_target").numpy(),
            "clip.qpos": qpos.numpy(),
            "clip.qvel": qvel.numpy(),
        }
    )
    described = {
        "clip": env.motion.name,
        "duration": table.duration,
        "loop": table.loop,
        "table": {
            "rate": table.rate,
            "rows": table.num_rows,
            "meaning": "row r is the clip at r / rate seconds: root position [m], root quaternion wxyz, joint pose as "
            "servo targets [rad]; between rows lerp, then normalise the quaternion. The origin lies on the ground.",
        },
        "cycle": cycle(env),
        "clip_fps": CLIP_FPS,
        "clip_frames": frames,
        "lifted": _changed(env),
        "tensors": index,
    }
    return described, data


def _changed(env: TrackingEnv) -> str:
    if env.config.repair:
        return "feet are held where they stand and a loop is closed, where the clip as published lacked that"
    return "feet that were in the ground are lifted out of it" if env.config.lift_penetration else ""
