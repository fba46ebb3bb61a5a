"""Laws of Motion: it refuses what is not one, and its velocities integrate back to it."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_angle, quat_conj, quat_from_rotvec, quat_from_yaw, quat_mul
from mocap.editing import cut, resample_at, subdivide
from mocap.motion import Motion, velocities
from tests.motion_samples import CLIPS, clip_or_skip, random_motion

WALKER = random_motion("humanoid")


def broken(field: str, index: object, value: float) -> Motion:
    tensor = getattr(WALKER, field).clone()
    tensor[index] = value
    return replace(WALKER, **{field: tensor})


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: broken("root_pos_w", (3, 1), torch.nan), "root_pos_w is not finite at frame 3"),
        (lambda: broken("joint_quat", (4, 2, 0), torch.inf), "joint_quat is not finite at frame 4"),
        (lambda: broken("times", 5, 0.0), "times do not grow after frame 4"),
        (lambda: broken("times", 0, -1.0), "times start at -1 s"),
        (lambda: broken("root_quat_w", 7, 0.7), "root_quat_w is not a unit quaternion at frame 7"),
        (lambda: replace(WALKER, root_pos_w=WALKER.root_pos_w[:-1]), r"root_pos_w is \(11, 3\)"),
        (lambda: replace(WALKER, joint_names=WALKER.joint_names[:-1]), "joint_quat is"),
        (lambda: replace(WALKER, times=WALKER.times.float()), "float32"),
        (lambda: replace(WALKER, times=WALKER.times[:1]), "1 frames"),
    ],
)
def test_refuses_what_is_not_a_motion(make, complaint):
    with pytest.raises(ClipError, match=complaint):
        make()


def test_a_motion_cannot_be_changed():
    with pytest.raises(AttributeError):
        WALKER.loop = False


def test_velocities_of_another_character_are_refused():
    with pytest.raises(ClipError, match="a motion of humanoid with 12 joints; needed is one of dog"):
        velocities(WALKER, load_character("dog"))


@pytest.mark.parametrize("motion", [random_motion("humanoid"), random_motion("dog", 1)], ids=lambda m: m.character)
def test_velocities_integrate_to_the_motion(motion):
    character = load_character(motion.character)
    rates = velocities(motion, character)
    dt = motion.times.diff()[:, None]
    assert torch.allclose(motion.root_pos_w[:-1] + rates.root_linvel_w[:-1] * dt, motion.root_pos_w[1:], atol=1e-12)
    turned = quat_mul(quat_from_rotvec(rates.root_angvel_w[:-1] * dt), motion.root_quat_w[:-1])
    assert quat_angle(turned, motion.root_quat_w[1:]).max() < 1e-9
    for j, joint in enumerate(character.joints):
        rate = rates.joint_vel[:-1, joint.dof]
        if joint.kind == "hinge":
            rate = rate * torch.tensor(joint.axis, dtype=torch.float64)
        turned = quat_mul(motion.joint_quat[:-1, j], quat_from_rotvec(rate * dt))
        assert quat_angle(turned, motion.joint_quat[1:, j]).max() < 1e-9, joint.name
    for values in (rates.root_linvel_w, rates.root_angvel_w, rates.joint_vel):
        assert torch.equal(values[-1], values[-2])


def test_velocities_by_hand():
    """A root that yaws at 2 rad/s and rolled limbs that turn at 3 rad/s in their own frame, at uneven times."""
    character = load_character("humanoid")
    times = torch.tensor([0.0, 0.1, 0.15, 0.4], dtype=torch.float64)
    tilt = quat_from_rotvec(torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64))
    spin = quat_from_rotvec(times[:, None] * torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64))
    knee = character.joint_index("right_knee")
    joint_quat = quat_mul(tilt, spin)[:, None].repeat(1, len(character.joints), 1)
    axis = torch.tensor(character.joints[knee].axis, dtype=torch.float64)
    joint_quat[:, knee] = quat_from_rotvec(-1.5 * times[:, None] * axis)
    motion = replace(
        WALKER,
        times=times,
        root_pos_w=times[:, None] * torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64),
        root_quat_w=quat_mul(quat_from_yaw(2.0 * times), tilt),
        joint_quat=joint_quat,
    )
    rates = velocities(motion, character)
    assert torch.allclose(rates.root_linvel_w, torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    assert torch.allclose(rates.root_angvel_w, torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64))
    chest = character.joints[character.joint_index("chest")]
    assert torch.allclose(rates.joint_vel[:, chest.dof], torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64))
    assert torch.allclose(rates.joint_vel[:, character.joints[knee].dof], torch.tensor(-1.5, dtype=torch.float64))


def test_subdividing_keeps_frames_and_velocities():
    character = load_character("humanoid")
    fine = subdivide(WALKER, 5)
    assert fine.num_frames == 5 * (WALKER.num_frames - 1) + 1
    assert torch.allclose(fine.times[::5], WALKER.times, atol=1e-15)
    assert torch.equal(fine.root_pos_w[::5], WALKER.root_pos_w)
    assert quat_angle(fine.joint_quat[::5], WALKER.joint_quat).max() < 1e-9
    coarse_rates, fine_rates = velocities(WALKER, character), velocities(fine, character)
    assert torch.allclose(fine_rates.joint_vel[2::5], coarse_rates.joint_vel[:-1], atol=1e-8)
    assert torch.allclose(fine_rates.root_angvel_w[3::5], coarse_rates.root_angvel_w[:-1], atol=1e-8)


def test_a_part_starts_at_time_zero_and_has_the_frames_it_had():
    part = cut(WALKER, 2, 5)
    assert part.num_frames == 4 and not part.loop and float(part.times[0]) == 0.0
    assert torch.allclose(part.times, WALKER.times[2:6] - WALKER.times[2])
    assert torch.equal(part.root_pos_w, WALKER.root_pos_w[2:6]) and torch.equal(part.joint_quat, WALKER.joint_quat[2:6])


def test_resampling_at_the_frames_and_between_them():
    middles = (WALKER.times[1:] + WALKER.times[:-1]) / 2
    same, fine = resample_at(WALKER, WALKER.times), subdivide(WALKER, 2)
    between = resample_at(WALKER, middles)
    assert quat_angle(same.joint_quat, WALKER.joint_quat).max() < 1e-9
    assert torch.allclose(same.root_pos_w, WALKER.root_pos_w, atol=1e-12)
    assert quat_angle(between.joint_quat, fine.joint_quat[1::2]).max() < 1e-9
    assert torch.allclose(between.root_pos_w, fine.root_pos_w[1::2], atol=1e-12)


@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_move_at_possible_speeds(name):
    """A flipped sign or swapped column shows here first: no limb of the clips turns faster than 40 rad/s."""
    motion, character = clip_or_skip(name)
    rates = velocities(motion, character)
    assert rates.root_linvel_w.norm(dim=-1).max() < 7
    assert rates.root_angvel_w.norm(dim=-1).max() < 15
    assert rates.joint_vel.abs().max() < 40
    neighbours = (motion.joint_quat[1:] * motion.joint_quat[:-1]).sum(-1)
    assert neighbours.min() > 0
    assert (quat_mul(motion.root_quat_w, quat_conj(motion.root_quat_w))[:, 0] - 1).abs().max() < 1e-12
