"""After lifting nothing is below the ground, at frames or between them, and only the root's height has changed."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mocap.editing import subdivide
from mocap.motion import Motion
from retarget.ground import lift_penetration, lowest_heights
from tests.motion_samples import CLIPS, clip_or_skip, random_motion

# lowest point of the clip as recorded [mm], computed independently
PUBLISHED_MM = {
    "walk": -5.3,
    "run": -67.5,
    "cartwheel": -35.9,
    "spinkick": -23.5,
    "backflip": -18.3,
    "canter": -31.3,
    "pace": -15.05,
    "dog_spin": -18.3,
    "trot": -13.8,
}


def at_height(motion: Motion, height: float) -> Motion:
    """The motion moved up or down as a whole, so that its lowest point at the frames is at ``height`` [m]."""
    pos = motion.root_pos_w.clone()
    pos[:, 2] += height - lowest_heights(motion, load_character(motion.character)).min()
    return replace(motion, root_pos_w=pos)


def check_lift(motion: Motion) -> torch.Tensor:
    """The laws of the lift; gives it back, (T,) [m]."""
    character = load_character(motion.character)
    lifted = lift_penetration(motion, character)
    lift = (lifted.root_pos_w - motion.root_pos_w)[:, 2]
    assert torch.equal(lifted.root_pos_w[:, :2], motion.root_pos_w[:, :2])
    assert torch.equal(lifted.root_quat_w, motion.root_quat_w) and torch.equal(lifted.joint_quat, motion.joint_quat)
    assert lift.min() >= 0
    assert lowest_heights(lifted, character).min() >= -1e-9
    assert lowest_heights(subdivide(lifted, 7), character).min() > -2e-4
    # no more than the depth asks for, with room for what happens between the frames; and without a jump
    depth = (-lowest_heights(subdivide(motion, 7), character)).clamp_min(0)
    assert lift.max() <= depth.max() + 1e-4
    window = max(1, round(0.1 * motion.fps))
    assert lift.diff().abs().max() <= depth.max() / (window + 1) + 1e-4
    if motion.loop:
        assert lift[0].item() == pytest.approx(lift[-1].item(), abs=1e-15)
    return lift


@pytest.mark.parametrize("name", CLIPS)
def test_clips_are_lifted_out_of_the_ground(name):
    motion, character = clip_or_skip(name)
    lowest = lowest_heights(motion, character)
    if name in PUBLISHED_MM:
        assert 1000 * lowest.min().item() == pytest.approx(PUBLISHED_MM[name], abs=0.1)
    if name == "cartwheel":
        assert (lowest < 0).sum() == 85
    check_lift(motion)


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("frames", [2, 3, 40])
@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_random_motions_are_lifted(name, frames, loop):
    motion = random_motion(name, seed=frames, frames=frames, loop=loop)
    character = load_character(name)
    lifted = lift_penetration(at_height(motion, -0.1), character)
    assert lowest_heights(lifted, character).min() >= -1e-9
    assert (lifted.root_pos_w - at_height(motion, -0.1).root_pos_w).min() >= 0


@pytest.mark.parametrize("loop", [True, False])
def test_a_pose_held_below_ground_is_put_onto_it(loop):
    frozen = random_motion("humanoid", frames=50)
    frozen = replace(
        frozen,
        root_pos_w=frozen.root_pos_w[:1].expand(50, 3),
        root_quat_w=frozen.root_quat_w[:1].expand(50, 4),
        joint_quat=frozen.joint_quat[:1].expand(50, -1, 4),
        loop=loop,
    )
    lift = check_lift(at_height(frozen, -0.05))
    assert torch.allclose(lift, torch.full_like(lift, 0.05), atol=1e-12)


def test_a_single_dip_is_lifted_around_its_moment_only():
    """One frame of 100, at 100 Hz, sinks 40 mm: the lift peaks there and is gone 0.21 s away, over the seam as well."""
    still = random_motion("dog", frames=100)
    still = replace(
        still,
        times=torch.arange(100, dtype=torch.float64) * 0.01,
        root_pos_w=still.root_pos_w[:1].expand(100, 3),
        root_quat_w=still.root_quat_w[:1].expand(100, 4),
        joint_quat=still.joint_quat[:1].expand(100, -1, 4),
    )
    still = at_height(still, 0.0)
    dipped = still.root_pos_w.clone()
    dipped[5, 2] -= 0.04
    lift = check_lift(replace(still, root_pos_w=dipped))
    assert lift[5].item() == pytest.approx(0.04, abs=1e-6)
    assert lift.argmax() == 5
    assert lift[90].item() > 0.0 and lift[28:80].max() < 1e-12


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_a_motion_above_ground_is_left_alone(name):
    motion = at_height(random_motion(name), 0.2)
    assert torch.equal(lift_penetration(motion, load_character(name)).root_pos_w, motion.root_pos_w)
