"""Motions for tests: random ones, which need no file, and real clips, skipped with a reason where they are absent."""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch

from characters import Character, load_character
from mimic.core.rotations import quat_from_axis_angle, quat_from_rotvec, quat_mul, quat_slerp
from mocap.catalogue import clip_names, list_clips, load_clip
from mocap.motion import Motion
from mocap.stance import author_stance

CLIPS = clip_names()


def random_motion(name: str, seed: int = 0, frames: int = 12, loop: bool = True) -> Motion:
    """A motion of the character ``name``: uneven times, joints that turn up to 0.5 rad a frame, hinges within +-3."""
    character = load_character(name)
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    def walk(*shape: int) -> torch.Tensor:
        quat = [quat_from_rotvec(normal(*shape, 3))]
        for _ in range(frames - 1):
            quat.append(quat_mul(quat[-1], quat_from_rotvec(normal(*shape, 3).clamp(-1, 1) * 0.3)))
        return torch.stack(quat)

    joint_quat = walk(len(character.joints))
    for j, joint in enumerate(character.joints):
        if joint.kind == "hinge":
            axis = torch.tensor(joint.axis, dtype=torch.float64).expand(frames, 3)
            joint_quat[:, j] = quat_from_axis_angle(axis, 3 * torch.sin(normal(1) + torch.arange(frames) * 0.2))
    root_pos = (normal(frames, 3) * 0.05).cumsum(0)
    root_pos = root_pos - root_pos[0] * torch.tensor([1.0, 1.0, 0.0])
    return Motion(
        name="random",
        character=name,
        joint_names=tuple(joint.name for joint in character.joints),
        times=torch.cat((torch.zeros(1, dtype=torch.float64), (0.02 + 0.01 * normal(frames - 1).cos()).cumsum(0))),
        root_pos_w=root_pos + torch.tensor([0.0, 0.0, 0.9]),
        root_quat_w=walk(),
        joint_quat=joint_quat,
        loop=loop,
    )


@cache
def _available() -> dict[str, bool]:
    return {clip.name: clip.available for clip in list_clips()}


def clip_or_skip(name: str) -> tuple[Motion, Character]:
    """A named clip that lies on this machine, and its character; nothing is downloaded for a test."""
    if not _available()[name]:
        pytest.skip(f"clip '{name}' is not on this machine: set MIMIC_MOCAP, or: run_mimic.py fetch {name}")
    motion = load_clip(name)
    return motion, load_character(motion.character)


def getup() -> Motion:
    """The humanoid from lying on the back to the stance, in two seconds."""
    frames = 61
    stance = author_stance(load_character("humanoid"))
    share = torch.linspace(0.0, 1.0, frames, dtype=torch.float64)
    lying = quat_from_rotvec(torch.tensor([[0.0, -math.pi / 2, 0.0]], dtype=torch.float64)).expand(frames, 4)
    height = 0.15 + share * (stance.root_pos_w[0, 2] - 0.15)
    return replace(
        stance,
        name="getup_faceup",
        times=2.0 * share,
        root_pos_w=torch.stack((torch.zeros_like(share), torch.zeros_like(share), height), 1),
        root_quat_w=quat_slerp(lying, stance.root_quat_w[:1].expand(frames, 4), share),
        joint_quat=stance.joint_quat[:1].repeat(frames, 1, 1),
        loop=False,
    )
