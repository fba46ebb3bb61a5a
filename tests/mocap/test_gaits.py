"""Authored gaits: the published figures, measured on the motion itself; paws that stand still; a loop that closes."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.core.errors import InputError
from mimic.core.rotations import heading_angle, quat_angle, quat_from_yaw, quat_mul, quat_rotate
from mimic.exporting.licence import commercial_use
from mocap.catalogue import resolve
from mocap.editing import mirror, subdivide
from mocap.gaits import GAITS, LICENCE, author_gait, gait_at, gait_names
from mocap.leg_ik import dog_leg
from mocap.motion import Motion, velocities
from tests.motion_samples import clip_or_skip

DOG = load_character("dog")
PAWS = {"LH": "left_toe", "RH": "right_toe", "LF": "left_finger", "RF": "right_finger"}
FINE = 8  # parts of a frame

# from shared knowledge of the literature (docs/gaits.md), written again here on purpose
PUBLISHED = {
    "trot": ((0.46, 0.48), 0.45, 0.40, {"LH": 0.00, "RF": 0.02, "RH": 0.50, "LF": 0.52}),
    "canter": ((0.39, 0.42), 0.35, 0.35, {"RH": 0.00, "LH": 0.25, "LF": 0.29, "RF": 0.55}),
}


def bodies(motion: Motion):
    frames = motion.num_frames
    state = CharacterState(
        motion.root_pos_w,
        motion.root_quat_w,
        torch.zeros(frames, 3).double(),
        torch.zeros(frames, 3).double(),
        motion.joint_quat,
        torch.zeros(frames, DOG.num_actuated).double(),
    )
    kinematics = Kinematics(DOG, dtype=torch.float64)
    return kinematics, kinematics.forward(state)


def stance(motion: Motion, paw: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(T,) bool: the paw's sole touches the ground; (T, 2) [m] the front edge of its sole."""
    kinematics, found = bodies(motion)
    index = DOG.body_index(PAWS[paw])
    leg = dog_leg(DOG, "left" if paw[0] == "L" else "right", paw[1] == "F")
    edge = torch.tensor([leg.edge[0], 0.0, leg.edge[1]], dtype=torch.float64)
    front = found.pos_w[:, index] + quat_rotate(found.quat_w[:, index], edge.expand(motion.num_frames, 3))
    return kinematics.lowest_points(found)[:, index] < 1e-6, front[:, :2]


def two_strides(motion: Motion) -> Motion:
    """The loop played twice, so that every stance is whole somewhere."""
    turn = float(heading_angle(motion.root_quat_w[-1]) - heading_angle(motion.root_quat_w[0]))
    yaw = quat_from_yaw(torch.tensor([turn], dtype=torch.float64))
    last = motion.num_frames - 1
    flat = motion.root_pos_w * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    onward = quat_rotate(yaw.expand(last, 4), motion.root_pos_w[1:] - flat[:1]) + flat[-1:]
    return Motion(
        "twice",
        "dog",
        motion.joint_names,
        torch.cat((motion.times, motion.times[1:] + motion.duration)),
        torch.cat((motion.root_pos_w, onward)),
        torch.cat((motion.root_quat_w, quat_mul(yaw.expand(last, 4), motion.root_quat_w[1:]))),
        torch.cat((motion.joint_quat, motion.joint_quat[1:])),
        True,
    )


def contacts(motion: Motion, paw: str) -> tuple[float, float]:
    """Phase at which the paw lands, and the part of the stride that it stands, measured to 1/8 of a frame."""
    down, _ = stance(subdivide(two_strides(motion), FINE), paw)
    steps = (motion.num_frames - 1) * FINE
    landings = (down[1:] & ~down[:-1]).nonzero()[:, 0] + 1
    return float(landings[0] % steps) / steps, float(down[:steps].double().mean())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_figures(name):
    (shortest, longest), duty_fore, duty_hind, order = PUBLISHED[name]
    motion = author_gait(name)
    assert shortest <= motion.duration <= longest
    frame = 1 / (motion.num_frames - 1)
    first = contacts(motion, next(iter(order)))[0]
    for paw, phase in order.items():
        landed, duty = contacts(motion, paw)
        assert (landed - first - phase + 0.5) % 1 - 0.5 == pytest.approx(0, abs=1.5 * frame)
        assert duty == pytest.approx(duty_fore if paw[1] == "F" else duty_hind, abs=1.5 * frame)
    landed = {paw: (contacts(motion, paw)[0] - first + 0.01) % 1 for paw in order}
    assert sorted(landed, key=landed.__getitem__) == list(order)


@pytest.mark.parametrize("name", ["walk", "pace", "turn"])
def test_the_other_gaits_land_in_their_order(name):
    motion, gait = author_gait(name), GAITS[name]
    for paw, phase in gait.contacts.items():
        landed, duty = contacts(motion, paw)
        assert (landed + gait.start - phase + 0.5) % 1 - 0.5 == pytest.approx(0, abs=0.05)
        assert duty == pytest.approx(gait.duty_fore if paw[1] == "F" else gait.duty_hind, abs=0.06)


@pytest.mark.parametrize("name", gait_names())
def test_paws_stand_still_and_nothing_sinks_in(name):
    motion = author_gait(name)
    kinematics, found = bodies(motion)
    assert kinematics.lowest_points(found).min() > -1e-9
    twice = two_strides(motion)
    for paw in PAWS:
        down, edge = stance(twice, paw)
        slip = edge.diff(dim=0).norm(dim=-1)[down[1:] & down[:-1]]
        assert down.any() and slip.max() < 1e-4  # [m] a frame, in stance


@pytest.mark.parametrize("name", gait_names())
def test_the_loop_closes_in_pose_and_velocity(name):
    motion = author_gait(name)
    assert motion.loop and quat_angle(motion.joint_quat[0], motion.joint_quat[-1]).max() < 1e-6
    turned = math.degrees(float(heading_angle(motion.root_quat_w[-1]) - heading_angle(motion.root_quat_w[0])))
    assert turned == pytest.approx(GAITS[name].yaw_rate * motion.duration, abs=1e-6)
    assert motion.root_pos_w[0, 2] == pytest.approx(float(motion.root_pos_w[-1, 2]))
    rates = velocities(two_strides(motion), DOG)
    seam = motion.num_frames - 1
    change = rates.joint_vel.diff(dim=0).norm(dim=-1)
    assert change[seam - 1] < 2.5 * change.median() + change.mean()


@pytest.mark.parametrize("name", gait_names())
def test_joints_keep_within_their_limits_and_a_dog_s(name):
    motion = author_gait(name)
    for j, joint in enumerate(DOG.joints):
        quat = motion.joint_quat[:, j]
        if joint.range is not None:
            angle = 2 * torch.atan2(quat[:, 1:] @ torch.tensor(joint.axis, dtype=torch.float64), quat[:, 0])
            angle = (angle + math.pi) % (2 * math.pi) - math.pi
            assert joint.range[0] <= angle.min() and angle.max() <= joint.range[1]
            included = 180 - angle.abs() * 180 / math.pi
            assert included.min() > 55 and included.max() < 179.5  # stifle and elbow [degrees]


def test_symmetric_gaits_are_their_own_mirror_half_a_stride_on():
    for name in ("trot", "walk", "pace"):
        motion = author_gait(name)
        half = (motion.num_frames - 1) // 2
        other = mirror(motion, DOG)
        assert quat_angle(motion.joint_quat[half:], other.joint_quat[: half + 1]).max() < 1e-6
        assert torch.allclose(motion.root_pos_w[half:, 2], other.root_pos_w[: half + 1, 2], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "speeds"), [("trot", (1.6, 2.0, 2.3)), ("walk", (0.5, 0.7, 0.85)), ("canter", (2.6, 3.2))]
)
def test_faster_strides_are_quicker_and_longer_and_stand_less(name, speeds):
    motions = [author_gait(name, speed) for speed in speeds]
    for motion, speed in zip(motions, speeds, strict=True):
        way = (motion.root_pos_w[-1] - motion.root_pos_w[0])[:2].norm()
        assert float(way) / motion.duration == pytest.approx(speed, rel=1e-6)
    for slow, fast in pairwise(speeds):
        a, b = gait_at(name, slow), gait_at(name, fast)
        assert a.stride_s > b.stride_s and a.stride_s * a.speed < b.stride_s * b.speed
        assert a.duty_fore > b.duty_fore and a.duty_hind > b.duty_hind
        assert (1 - a.duty_fore) * a.stride_s == pytest.approx((1 - b.duty_fore) * b.stride_s)


def test_turning_to_either_side_is_a_mirror_image():
    left, right = author_gait("turn", yaw_rate=130.0), author_gait("turn", yaw_rate=-130.0)
    other = mirror(right, DOG)
    half = (left.num_frames - 1) // 2
    heading = [heading_angle(m.root_quat_w) for m in (left, other)]
    assert torch.allclose(heading[0][-1] - heading[0][0], heading[1][-1] - heading[1][0], atol=1e-9)
    assert quat_angle(left.joint_quat[half:], other.joint_quat[: half + 1]).max() < 1e-6


def test_a_trot_may_turn():
    motion = author_gait("trot", 1.6, 40.0)
    turned = float(heading_angle(motion.root_quat_w[-1]) - heading_angle(motion.root_quat_w[0]))
    assert math.degrees(turned) == pytest.approx(40 * motion.duration, abs=1e-6)


def test_labelled_synthetic():
    for name in gait_names():
        motion = author_gait(name)
        assert motion.name == f"{name}-authored" and "synthetic" in motion.source
        assert motion.license == LICENCE == resolve(motion.name).licence and "not capture" in LICENCE
        assert commercial_use(motion.license) == "allowed" and resolve(motion.name).redistributable


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("gallop",), "no gait 'gallop'; valid: canter, pace, trot, turn, walk"),
        (("trot", 9.0), "possible speeds are"),
        (("trot", 4.5), "the legs are .* m too short"),
        (("trot", float("nan")), "possible speeds are"),
        (("turn", None, 2000.0), "the legs are .* m too short"),
    ],
)
def test_a_gait_beyond_the_legs_reach_is_refused(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        author_gait(*arguments)


@pytest.mark.parametrize(("name", "authored"), [("trot", "trot"), ("canter", "canter"), ("pace", "pace")])
def test_a_recorded_dog_is_not_far_off(name, authored):
    """A private check of plausibility with wide limits; nothing was fitted to the recordings."""
    recorded, _ = clip_or_skip(name)
    if recorded.name.endswith("-authored"):
        pytest.skip("the recording is not on this machine")
    ours = author_gait(authored)
    assert 0.6 < ours.duration / recorded.duration < 1.6
    for motion in (ours, recorded):
        assert 0.5 < motion.root_pos_w[:, 2].mean() < 0.68
    spread = [quat_angle(m.joint_quat, m.joint_quat[:1]).amax(0).numpy() for m in (ours, recorded)]
    legs = [DOG.joint_index(f"{side}_{part}") for side in ("left", "right") for part in ("forearm", "leg", "shoulder")]
    assert np.all(spread[0][legs] > 0.3 * spread[1][legs]) and np.all(spread[0][legs] < 3 * spread[1][legs])
