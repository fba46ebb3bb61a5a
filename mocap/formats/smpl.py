"""Reads AMASS and other SMPL archives: ``poses`` (axis-angle of 24, 52 or 55 joints: SMPL, SMPL-H, SMPL-X) and ``trans``.

The archive has no bones. They are computed from the person's ``betas`` and a body model's J_regressor, v_template and
shapedirs. ``--skeleton MODEL.npz`` names the model, which the user has licensed. Without a model, :data:`MEAN_JOINTS` is
used: approximate positions for an adult of about 1.70 m, written for this program; a warning says so. ``trans`` moves the
model's origin: pelvis = trans + the pelvis's position in the model. Hand rotations are taken relative to a flat hand.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimic.core.errors import ClipError
from mimic.core.rotations import quat_from_rotvec, quat_normalize
from mimic.core.strict_npz import numbers, read_arrays, scalar
from mocap.conventions import NO_OPTIONS, DeclaredConventions, ReadOptions, frame_rate, skeleton_to_canonical
from mocap.skeleton import Skeleton, SkeletonMotion

_MAX_FRAMES = 1_000_000
_MAX_TURN = 100.0  # [rad]
_RATES = ("mocap_framerate", "mocap_frame_rate", "framerate", "fps")
_BODY: dict[str, tuple[str | None, tuple[float, float, float]]] = {
    "pelvis": (None, (0.0, -0.22, 0.03)),
    "left_hip": ("pelvis", (0.07, -0.09, 0.0)),
    "right_hip": ("pelvis", (-0.07, -0.09, 0.0)),
    "spine1": ("pelvis", (0.0, 0.11, -0.03)),
    "left_knee": ("left_hip", (0.03, -0.38, 0.0)),
    "right_knee": ("right_hip", (-0.03, -0.38, 0.0)),
    "spine2": ("spine1", (0.0, 0.13, 0.0)),
    "left_ankle": ("left_knee", (-0.01, -0.40, -0.04)),
    "right_ankle": ("right_knee", (0.01, -0.40, -0.04)),
    "spine3": ("spine2", (0.0, 0.06, 0.03)),
    "left_foot": ("left_ankle", (0.04, -0.06, 0.12)),
    "right_foot": ("right_ankle", (-0.04, -0.06, 0.12)),
    "neck": ("spine3", (0.0, 0.21, -0.04)),
    "left_collar": ("spine3", (0.08, 0.12, -0.02)),
    "right_collar": ("spine3", (-0.08, 0.12, -0.02)),
    "head": ("neck", (0.0, 0.09, 0.05)),
    "left_shoulder": ("left_collar", (0.10, 0.04, -0.01)),
    "right_shoulder": ("right_collar", (-0.10, 0.04, -0.01)),
    "left_elbow": ("left_shoulder", (0.26, -0.01, -0.02)),
    "right_elbow": ("right_shoulder", (-0.26, -0.01, -0.02)),
    "left_wrist": ("left_elbow", (0.25, 0.01, 0.0)),
    "right_wrist": ("right_elbow", (-0.25, 0.01, 0.0)),
}
_FACE: dict[str, tuple[str | None, tuple[float, float, float]]] = {
    "jaw": ("head", (0.0, -0.01, 0.0)),
    "left_eye": ("head", (0.03, 0.06, 0.08)),
    "right_eye": ("head", (-0.03, 0.06, 0.08)),
}
_FINGERS = {"index": 0.02, "middle": 0.0, "pinky": -0.04, "ring": -0.02, "thumb": 0.04}


def _hand(side: str, sign: int) -> dict[str, tuple[str | None, tuple[float, float, float]]]:
    joints: dict[str, tuple[str | None, tuple[float, float, float]]] = {}
    for finger, across in _FINGERS.items():
        reach = 0.03 if finger == "thumb" else 0.09
        joints[f"{side}_{finger}1"] = (f"{side}_wrist", (sign * reach, 0.0, across))
        for knuckle in (2, 3):
            joints[f"{side}_{finger}{knuckle}"] = (f"{side}_{finger}{knuckle - 1}", (sign * 0.03, 0.0, 0.0))
    return joints


_HANDS = {**_hand("left", 1), **_hand("right", -1)}
# joint: (parent, offset from it [m]), y up, facing z, arms along x; the pelvis from the model's origin
MEAN_JOINTS = {
    66: _BODY,
    72: {**_BODY, "left_hand": ("left_wrist", (0.09, 0.0, 0.0)), "right_hand": ("right_wrist", (-0.09, 0.0, 0.0))},
    156: {**_BODY, **_HANDS},
    165: {**_BODY, **_FACE, **_HANDS},
}
_FAMILY = {66: "SMPL body", 72: "SMPL", 156: "SMPL-H", 165: "SMPL-X"}


def read_smpl(data: bytes, name: str, options: ReadOptions = NO_OPTIONS, model: bytes | None = None) -> SkeletonMotion:
    """Read a SMPL archive; ``model`` is the file of a body model, which gives the bone lengths. Raises ClipError."""
    return from_arrays(read_arrays(data, name), name, options, model)


def from_arrays(
    arrays: dict[str, np.ndarray[Any, Any]],
    name: str,
    options: ReadOptions = NO_OPTIONS,
    model: bytes | None = None,
) -> SkeletonMotion:
    """Return the motion in the arrays ``poses`` and ``trans`` of a SMPL archive. Raises ClipError."""
    arrays = _joined(arrays, name)
    if missing := sorted({"poses", "trans"} - arrays.keys()):
        raise ClipError(f"{name}: the archive lacks {', '.join(missing)}; a SMPL motion has poses and trans")
    poses = numbers(arrays["poses"], (None, None), f"{name}: poses")
    frames, width = poses.shape
    if width not in MEAN_JOINTS:
        known = ", ".join(f"{family} {numbers_}" for numbers_, family in _FAMILY.items())
        raise ClipError(f"{name}: poses have {width} numbers a frame, which fits no known model ({known})")
    if not 1 <= frames <= _MAX_FRAMES:
        raise ClipError(f"{name}: {frames} frames; 1 to {_MAX_FRAMES} can be read")
    trans = numbers(arrays["trans"], (frames, 3), f"{name}: trans")
    joints = MEAN_JOINTS[width]
    names = tuple(joints)
    parents = tuple(-1 if parent is None else names.index(parent) for parent, _ in joints.values())
    if model is None:
        offsets = torch.tensor([offset for _, offset in joints.values()], dtype=torch.float64)
        warnings: tuple[str, ...] = ("no body model: the bones are of a mean adult, not of this person",)
    else:
        offsets, warnings = _offsets(model, arrays, parents, name), ()
    rotvec = poses.reshape(frames, len(names), 3)
    if (rotvec.norm(dim=-1) > _MAX_TURN).any():
        raise ClipError(f"{name}: poses turn by more than {_MAX_TURN:g} rad; they must be axis-angle vectors")
    pos = offsets.repeat(frames, 1, 1)
    pos[:, 0] += trans
    skeleton = Skeleton(
        names, parents, offsets, torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).repeat(len(names), 1)
    )
    rate = next((scalar(arrays[key], f"{name}: {key}") for key in _RATES if key in arrays), 0.0)
    fps = frame_rate(1 / rate if rate > 0 else 0.0, options, name)
    quat = quat_normalize(quat_from_rotvec(rotvec))
    declared = DeclaredConventions(unit="m")
    return skeleton_to_canonical(name, _FAMILY[width], skeleton, quat, pos, fps, options, declared, warnings)


def _joined(arrays: dict[str, np.ndarray[Any, Any]], name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays with ``poses`` and ``trans`` made of global_orient, body_pose and transl, as video programs write."""
    if "poses" in arrays or not {"global_orient", "body_pose"} <= arrays.keys():
        return arrays
    frames = len(arrays["body_pose"])
    turn, body = (arrays[key].reshape(frames, -1) for key in ("global_orient", "body_pose"))
    if turn.shape[1] != 3 or body.shape[1] not in (63, 69):
        raise ClipError(
            f"{name}: global_orient has {turn.shape[1]} numbers a frame and body_pose {body.shape[1]}; expected 3, and 63 or 69"
        )
    joined = dict(arrays, poses=np.concatenate((turn, body), 1))
    joined["trans"] = arrays.get("trans", arrays.get("transl", np.zeros((frames, 3))))
    return joined


def _offsets(model: bytes, arrays: dict[str, np.ndarray[Any, Any]], parents: tuple[int, ...], name: str) -> Tensor:
    """Return the joints' offsets (J, 3) [m] from their parents for the archive's ``betas``; the pelvis's from the origin."""
    where = "body model"
    parts = read_arrays(model, where)
    if missing := sorted({"J_regressor", "v_template", "shapedirs"} - parts.keys()):
        raise ClipError(f"{where}: the file lacks {', '.join(missing)}; an .npz of SMPL, SMPL-H or SMPL-X is needed")
    template = numbers(parts["v_template"], (None, 3), f"{where}: v_template")
    shapes = numbers(parts["shapedirs"], (len(template), 3, None), f"{where}: shapedirs")
    regressor = numbers(parts["J_regressor"], (None, len(template)), f"{where}: J_regressor")
    if len(regressor) < len(parents):
        joints_of_motion = f"{len(parents)}; give the model of its family with --skeleton"
        raise ClipError(f"{where}: the model has {len(regressor)} joints, but the motion moves {joints_of_motion}")
    betas = torch.zeros(0, dtype=torch.float64)
    if "betas" in arrays:
        betas = numbers(arrays["betas"].reshape(-1), (None,), f"{name}: betas")
    count = min(len(betas), shapes.shape[-1], 16)  # further directions are expressions in SMPL-X
    joints = regressor[: len(parents)] @ (template + shapes[..., :count] @ betas[:count])
    above = joints[[max(p, 0) for p in parents]]
    above[0] = 0
    return joints - above
