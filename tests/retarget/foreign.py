"""Recordings for tests: our humanoid's movements on skeletons of other names, proportions and bone frames."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from characters import load_character
from mimic.core.rotations import quat_conj, quat_from_axis_angle, quat_from_rotvec, quat_mul, quat_rotate
from mocap.motion import Motion
from mocap.skeleton import Skeleton, SkeletonMotion, character_motion_as_skeleton
from retarget.ground import lift_penetration

# parts of a person in the order of PARENTS, as ten studios call them
SCHEMES = {
    "cmu": "Hips LowerBack Spine1 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm "
    "RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot LeftToeBase RightUpLeg RightLeg RightFoot RightToeBase",
    "cmu_daz": "Hips lowerback Chest Neck Head LeftCollar LeftShoulder LeftElbow LeftWrist RightCollar RightShoulder "
    "RightElbow RightWrist LeftHip LeftKnee LeftAnkle LeftToe RightHip RightKnee RightAnkle RightToe",
    "lafan": "Hips Spine Spine2 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm "
    "RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot LeftToe RightUpLeg RightLeg RightFoot RightToe",
    "mixamo": "mixamorig7:Hips mixamorig7:Spine mixamorig7:Spine2 mixamorig7:Neck mixamorig7:Head "
    "mixamorig7:LeftShoulder mixamorig7:LeftArm mixamorig7:LeftForeArm mixamorig7:LeftHand mixamorig7:RightShoulder "
    "mixamorig7:RightArm mixamorig7:RightForeArm mixamorig7:RightHand mixamorig7:LeftUpLeg mixamorig7:LeftLeg "
    "mixamorig7:LeftFoot mixamorig7:LeftToeBase mixamorig7:RightUpLeg mixamorig7:RightLeg mixamorig7:RightFoot "
    "mixamorig7:RightToeBase",
    "bandai": "Hips Spine Chest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L Shoulder_R UpperArm_R LowerArm_R "
    "Hand_R UpperLeg_L LowerLeg_L Foot_L Toes_L UpperLeg_R LowerLeg_R Foot_R Toes_R",
    "xsens": "Hips Chest Chest4 Neck Head LeftCollar LeftShoulder LeftElbow LeftWrist RightCollar RightShoulder "
    "RightElbow RightWrist LeftHip LeftKnee LeftAnkle LeftToe RightHip RightKnee RightAnkle RightToe",
    "biped": "Bip01 Pelvis|Bip01 Spine|Bip01 Spine1|Bip01 Neck|Bip01 Head|Bip01 L Clavicle|Bip01 L UpperArm|"
    "Bip01 L Forearm|Bip01 L Hand|Bip01 R Clavicle|Bip01 R UpperArm|Bip01 R Forearm|Bip01 R Hand|Bip01 L Thigh|"
    "Bip01 L Calf|Bip01 L Foot|Bip01 L Toe0|Bip01 R Thigh|Bip01 R Calf|Bip01 R Foot|Bip01 R Toe0",
    "acclaim": "root lowerback thorax lowerneck head lclavicle lhumerus lradius lhand rclavicle rhumerus rradius rhand "
    "lfemur ltibia lfoot ltoes rfemur rtibia rfoot rtoes",
}
PARTS = [
    "pelvis",
    "spine",
    "chest",
    "neck",
    "head",
    "left_clavicle",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_clavicle",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_toe",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_toe",
]
PARENTS = (-1, 0, 1, 2, 3, 2, 5, 6, 7, 2, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)


def names_of(scheme: str) -> tuple[str, ...]:
    text = SCHEMES[scheme]
    return tuple(text.split("|") if "|" in text else text.split())


def standing() -> Tensor:
    """Places (21, 3) [m] of the parts of a person who stands and faces x."""
    left = [(0.0, 0.05, 1.42), (0.0, 0.19, 1.42), (0.0, 0.2, 1.14), (0.05, 0.2, 0.88)]
    leg = [(0.0, 0.09, 0.92), (0.03, 0.09, 0.5), (0.0, 0.09, 0.09), (0.14, 0.09, 0.03)]
    right, right_leg = ([(x, -y, z) for x, y, z in limb] for limb in (left, leg))
    trunk = [(0.0, 0.0, 0.98), (0.0, 0.0, 1.1), (0.0, 0.0, 1.3), (0.0, 0.0, 1.5), (0.02, 0.0, 1.62)]
    return torch.tensor([*trunk, *left, *right, *leg, *right_leg], dtype=torch.float64)


def stepping(seconds: float = 1.5, fps: float = 60.0, stride: float = 1.0) -> Motion:
    """The humanoid stepping on the spot at one cycle a second, arms swinging, feet as they come."""
    character = load_character("humanoid")
    times = torch.arange(round(seconds * fps) + 1, dtype=torch.float64) / fps
    joint_quat = torch.zeros(len(times), len(character.joints), 4, dtype=torch.float64)
    joint_quat[..., 0] = 1.0

    def bend(name: str, angle: Tensor) -> None:
        j = character.joint_index(name)
        axis = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64).expand(len(times), 3)
        joint_quat[:, j] = quat_from_axis_angle(axis, angle)

    phase = 2 * math.pi * times
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = (sign * phase.sin()).clamp_min(0.0) ** 2 * stride
        bend(f"{side}_hip", 0.1 + 0.7 * lift)
        bend(f"{side}_knee", -0.2 - 1.2 * lift)
        bend(f"{side}_ankle", 0.1 + 0.5 * lift)
        bend(f"{side}_shoulder", -0.4 * sign * phase.sin())
        bend(f"{side}_elbow", 0.5 + 0.3 * sign * phase.sin())
    yaw = 0.15 * phase.sin()
    joint_quat[:, character.joint_index("chest")] = quat_from_rotvec(torch.stack((0 * yaw, 0 * yaw, yaw), 1))
    pos = torch.zeros(len(times), 3, dtype=torch.float64)
    pos[:, 2] = 0.87
    motion = Motion(
        name="stepping",
        character="humanoid",
        joint_names=tuple(joint.name for joint in character.joints),
        times=times,
        root_pos_w=pos,
        root_quat_w=quat_from_rotvec(torch.zeros_like(pos)),
        joint_quat=joint_quat,
        loop=False,
    )
    return lift_penetration(motion, character)


def foreign(motion: Motion, scale: float = 1.2, seed: int | None = None) -> SkeletonMotion:
    """The motion on a skeleton of another size; with ``seed`` each bone has a frame of its own, as rigs have."""
    clip = character_motion_as_skeleton(motion, load_character(motion.character))
    skeleton = replace(clip.skeleton, offsets=clip.skeleton.offsets * scale)
    clip = replace(clip, skeleton=skeleton, pos=clip.pos * scale)
    return clip if seed is None else with_own_frames(clip, seed)


def with_own_frames(clip: SkeletonMotion, seed: int) -> SkeletonMotion:
    """The same movement of the same joints, every bone's frame turned by a constant of its own."""
    random = torch.Generator().manual_seed(seed)
    parents = clip.skeleton.parents
    turn = quat_from_rotvec(torch.randn(len(parents), 3, generator=random, dtype=torch.float64))
    above = torch.stack([turn[p] if p >= 0 else torch.tensor([1.0, 0, 0, 0]).double() for p in parents])
    back = quat_conj(above)
    quat = quat_mul(quat_mul(back.expand_as(clip.quat), clip.quat), turn.expand_as(clip.quat))
    pos = quat_rotate(back.expand_as(clip.quat), clip.pos)
    skeleton = Skeleton(clip.skeleton.names, parents, quat_rotate(back, clip.skeleton.offsets), turn)
    return replace(clip, skeleton=skeleton, quat=quat, pos=pos)
