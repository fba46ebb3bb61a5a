"""Inverse dynamics against cases that can be worked out by hand."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mocap.motion import Motion
from retarget.dynamics import effort
from retarget.ground import lowest_heights
from tests.retarget.foreign import stepping

HUMANOID = load_character("humanoid")


def still(height: float) -> Motion:
    """Standing upright for a second, soles ``height`` [m] above the ground."""
    motion = stepping(seconds=1.0)
    upright = torch.zeros_like(motion.joint_quat)
    upright[..., 0] = 1.0
    motion = replace(motion, joint_quat=upright)
    pos = motion.root_pos_w.clone()
    pos[:, 2] += height - lowest_heights(motion, HUMANOID)
    return replace(motion, root_pos_w=pos)


def test_standing_is_carried_by_the_ground():
    found = effort(still(0.0), HUMANOID)
    assert found.unsupported.max() < 0.02
    assert found.load.max() < 0.5


def test_hovering_is_carried_by_nothing():
    unsupported = effort(still(1.0), HUMANOID).unsupported
    assert unsupported == pytest.approx(torch.ones(len(unsupported)), abs=1e-3)


def test_falling_freely_takes_no_force():
    motion = still(3.0)
    pos = motion.root_pos_w.clone()
    pos[:, 2] -= 0.5 * 9.81 * motion.times**2
    found = effort(replace(motion, root_pos_w=pos), HUMANOID)
    assert found.unsupported.max() < 1e-3
    assert found.load.max() < 1e-3


def test_an_arm_held_out_weighs_on_the_shoulder():
    """Stretched to the side: m·g·r about the shoulder, from the bodies' masses and places."""
    motion = still(1.0)
    joint = HUMANOID.joint_index("left_shoulder")
    quat = motion.joint_quat.clone()
    half = torch.tensor(torch.pi / 4).double()
    quat[:, joint] = torch.stack((half.cos(), half.sin(), 0 * half, 0 * half))  # about x: hanging -> to the left
    needed = 9.81 * (1.5 * 0.14 + 1.0 * (0.274788 + 0.12) + 0.5 * (0.274788 + 0.258947))
    load = effort(replace(motion, joint_quat=quat), HUMANOID).load[:, joint]
    assert load == pytest.approx(torch.full_like(load, needed / 100), rel=1e-3)


def test_faster_asks_for_more():
    slow, fast = stepping(), stepping()
    fast = replace(fast, times=fast.times / 3)
    assert effort(fast, HUMANOID).load.amax() > effort(slow, HUMANOID).load.amax()
