"""Rotations from directions, and from a recording's own rotations once compared."""

import torch

from mimic.core.rotations import quat_angle, quat_from_matrix, quat_from_rotvec, quat_mul, quat_rotate
from retarget.frames import (
    average_quat,
    fit_constant_offset,
    frame,
    rotation_between_frames,
    shortest_rotation,
)

random = torch.Generator().manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def test_matrix_and_quaternion_agree_also_at_half_turns():
    turns = torch.cat((quat_from_rotvec(3 * normal(200, 3)), torch.eye(4).double()))
    matrices = torch.stack([quat_rotate(turns, axis.expand(len(turns), 3)) for axis in torch.eye(3).double()], -1)
    assert quat_angle(quat_from_matrix(matrices), turns).max() < 1e-7


def test_a_turned_segment_gives_its_turn():
    first, second, turn = normal(3), normal(3), quat_from_rotvec(normal(50, 3))
    now = frame(quat_rotate(turn, first.expand(50, 3)), quat_rotate(turn, second.expand(50, 3)))
    assert quat_angle(rotation_between_frames(frame(first, second), now), turn).max() < 1e-7


def test_arc_is_the_shortest_turn():
    a, b = normal(50, 3), normal(50, 3)
    turn = shortest_rotation(a, b)
    turned = quat_rotate(turn, a)
    assert torch.allclose(turned / turned.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True), atol=1e-9)
    assert (turn[:, 1:] * a).sum(-1).abs().max() < 1e-9  # nothing about the direction itself


def test_a_constant_offset_of_bone_frames_does_not_matter():
    """Rotations of a rig, whatever its bone frames are, end where they are wanted; noise of the wanted averages out."""
    wanted = quat_from_rotvec(normal(400, 3))
    recorded = quat_mul(wanted, quat_from_rotvec(normal(3)).expand(400, 4))
    noisy = quat_mul(wanted, quat_from_rotvec(0.1 * normal(400, 3)))
    assert quat_angle(fit_constant_offset(recorded, wanted), wanted).max() < 1e-7
    assert quat_angle(fit_constant_offset(recorded, noisy), wanted).max() < 0.03


def test_the_average_knows_no_sign():
    quat = quat_from_rotvec(normal(3))
    both = torch.stack((quat, -quat, quat))
    assert quat_angle(average_quat(both, torch.ones(3).double()), quat) < 1e-7
