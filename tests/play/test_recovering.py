"""Getting up: the reference begins in the lying pose, and settles before it rises. Who has no getup clip is told so."""

import math

import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.core.errors import InputError
from mimic.core.rotations import quat_from_rotvec, quat_from_yaw, quat_mul
from mimic.motion_graph.library import build_library, targets_of
from mimic.motion_graph.recovery import Recovery
from mimic.motion_graph.segment import evaluate
from mimic.play.recovering import bench_recover
from mimic.runs.controller import load_controller
from mocap.stance import author_stance
from tests.motion_samples import getup


def test_the_reference_begins_in_the_lying_pose_and_rises_from_there() -> None:
    character = load_character("humanoid")
    library = build_library((getup(), author_stance(character)), character)
    recovery = Recovery(library, character, 0.88)
    generator = torch.Generator().manual_seed(0)
    n, still = 5, torch.zeros(5, 3)
    yaw = torch.linspace(-3.0, 3.0, n)
    back = quat_from_rotvec(torch.tensor([[0.0, -math.pi / 2, 0.0]]).repeat(n, 1))
    bent = quat_from_rotvec(0.1 * torch.randn(n, len(character.joints), 3, generator=generator))
    joints = quat_from_rotvec(torch.zeros(n, len(character.joints), 3))
    balls = torch.tensor([joint.kind == "ball" for joint in character.joints])
    joints = torch.where(balls[None, :, None], bent, joints)
    place = torch.tensor([2.0, -3.0, 0.15]).repeat(n, 1)
    sim = CharacterState(place, quat_mul(quat_from_yaw(yaw), back), still, still, joints, torch.zeros(n, 34 - 6))
    found = recovery.getting_up(sim, Kinematics(character).forward(sim).pos_w)
    assert found.clip.tolist() == [library.index("getup_faceup")] * n
    difference = found.yaw - yaw
    assert torch.allclose(
        torch.atan2(difference.sin(), difference.cos()), torch.zeros(n), atol=0.15
    )  # the bent joints turn it a little
    now = evaluate(library, found, torch.zeros(n, 1)).row[:, 0]
    assert torch.allclose(now[:, :3], sim.root_pos_w, atol=1e-5)
    assert torch.allclose((now[:, 3:7] * sim.root_quat_w).sum(1).abs(), torch.ones(n), atol=1e-5)
    assert torch.allclose(now[:, 7:], targets_of(sim.joint_quat, character), atol=1e-4)
    later = evaluate(library, found, torch.tensor([[0.4, 2.4]]).repeat(n, 1)).row
    assert bool((later[:, 0, 2] < 0.25).all()) and bool((later[:, 1, 2] > 0.8).all())


def test_a_library_without_a_getup_clip_is_refused() -> None:
    with pytest.raises(InputError, match="needs a getup clip and a walk"):
        bench_recover(load_controller("dog-authored"), poses=4)
    character = load_character("humanoid")
    alone = Recovery(build_library((author_stance(character),), character), character, 0.88)
    assert alone.getups == []
