"""Every motion format as a target of the fuzz run."""

from dataclasses import replace

import numpy as np
import torch

from characters import load_character
from mimic.core.errors import ClipError
from mocap.formats.acclaim import read_amc
from mocap.formats.bvh import read_bvh
from mocap.formats.c3d import read_c3d
from mocap.formats.clip_npz import read_clip_npz, write_clip_npz
from mocap.formats.deepmimic import read_deepmimic, write_deepmimic
from mocap.formats.gltf import read_gltf
from mocap.formats.keypoints import read_keypoint_text, read_pose_npz
from mocap.formats.robot_csv import G1, read_robot_csv
from mocap.formats.smpl import read_smpl
from mocap.motion import Motion
from mocap.skeleton import Clip, KeypointMotion
from tests.garbling import Target, garble, garble_archive, garble_glb, garble_header, garble_json
from tests.mocap.archives import AMC, ASF, c3d, npz, smpl, walking_gltf
from tests.motion_samples import random_motion


def _finite(clip: Clip) -> bool:
    values = clip.root_pos_w if isinstance(clip, Motion) else None
    values = clip.pos_w if isinstance(clip, KeypointMotion) else values
    return bool(torch.isfinite(clip.positions_w() if values is None else values).all())


def targets() -> dict[str, Target]:
    """All formats by name."""
    random_points = np.random.default_rng(3).integers(-900, 900, (6, 4, 4)).astype(np.float64)
    random_points[..., 3] = 0
    labels = ("LFHD", "RFHD", "LTOE", "*4")
    poses = {
        "positions": random_points[:, :3, :3] / 900,
        "quaternions": np.tile([0.0, 0, 0, 1], (6, 3, 1)),
        "bone_names": np.array(["Hips", "Spine", "Head"]),
        "parent_indices": np.array([-1, 0, 1]),
        "framerate": 60.0,
    }
    rows = "\n".join(",".join(f"{0.01 * i + t:.5f}" for i in range(81)) for t in range(3))
    robot = "\n".join(",".join(map(str, [0.0, 0, 0.79, 0, 0, 0, 1, *([0.1 * t] * len(G1))])) for t in range(4))
    gltf = walking_gltf()
    clips = [replace(random_motion(name, frames=4), source="x") for name in ("humanoid", "dog")]
    deepmimic = tuple(write_deepmimic(clip, load_character(clip.character)) for clip in clips)
    c3ds = tuple(c3d(random_points, labels, scale=s, processor=p) for s in (-0.1, 1.0) for p in (84, 85, 86))
    made = {
        "bvh": Target(lambda data: read_bvh(data, "fuzz"), lambda: (BVH.encode(),), garble),
        "amc": Target(lambda data: read_amc(data, "fuzz", ASF.encode()), lambda: (AMC.encode(),), garble),
        "asf": Target(lambda data: read_amc(AMC.encode(), "fuzz", data), lambda: (ASF.encode(),), garble),
        "c3d": Target(lambda data: read_c3d(data, "fuzz"), lambda: c3ds, garble_header),
        "gltf": Target(lambda data: read_gltf(data, "fuzz"), lambda: (gltf.text(),), garble_json),
        "glb": Target(lambda data: read_gltf(data, "fuzz"), lambda: (gltf.binary(),), garble_glb),
        "clip npz": Target(
            lambda data: read_clip_npz(data, "fuzz"), lambda: tuple(map(write_clip_npz, clips)), garble_archive
        ),
        "smpl npz": Target(
            lambda data: read_smpl(data, "fuzz"), lambda: (npz(smpl(72, 2)), npz(smpl(66, 2))), garble_archive
        ),
        "pose npz": Target(lambda data: read_pose_npz(data, "fuzz"), lambda: (npz(poses),), garble_archive),
        "key points": Target(lambda data: read_keypoint_text(data, "fuzz"), lambda: (rows.encode(),), garble),
        "robot csv": Target(lambda data: read_robot_csv(data, "fuzz"), lambda: (robot.encode(),), garble),
        "deepmimic": Target(lambda data: read_deepmimic(data, None, "fuzz"), lambda: deepmimic, garble),
    }
    return {name: replace(target, refuses=ClipError, sound=_finite) for name, target in made.items()}


BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 0.1 -0.4 0
    CHANNELS 3 Zrotation Yrotation Xrotation
    JOINT LeftFoot
    {
      OFFSET 0 -0.4 0
      CHANNELS 3 Zrotation Yrotation Xrotation
      End Site
      {
        OFFSET 0 0 0.15
      }
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
0 0.9 1 10 20 30 40 50 60 1 2 3
0 0.9 1 -170 20 .5 4e1 5 -6. 1 2 3
0 0.9 1.1 -170 21 .5 4e1 5 -7. 1 2.5 3
"""
