"""Laws of the DeepMimic reader and writer: round trips, an independent forward kinematics, the published table."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from characters import CharacterState, Kinematics, load_character
from mimic.core.errors import ClipError
from mimic.core.rotations import heading_angle, quat_conj, quat_mul
from mocap.formats.deepmimic import read_deepmimic, row_width, write_deepmimic
from mocap.motion import Motion
from mocap.stance import STAND
from tests.motion_samples import CLIPS, clip_or_skip, random_motion

# frames, duration [s], root's way in the file's axes x, y, z [m], turn of the heading [deg], root height from, to [m]
# (pybullet's spinkick is turned by a constant angle, so only the length of its way is known)
PUBLISHED = {
    "canter": (28, 0.4500, (2.270, 0.000, 0.000), 0.0, 0.545, 0.641),
    "pace": (39, 0.6333, (0.892, 0.000, 0.000), 0.0, 0.590, 0.612),
    "dog_spin": (45, 0.7333, (0.244, 0.000, -0.187), 171.2, 0.580, 0.605),
    "turn": (45, 0.7333, (0.244, 0.000, 0.187), -171.2, 0.580, 0.605),
    "trot": (32, 0.5167, (1.240, 0.000, 0.000), 0.0, 0.559, 0.613),
    "backflip": (29, 1.7500, (-1.079, 0.000, 0.000), 0.0, 0.624, 1.181),
    "cartwheel": (164, 2.7166, (-0.227, 0.000, -2.127), 1.4, 0.763, 0.924),
    "crawl": (177, 2.9332, (0.771, 0.000, 0.031), 10.4, 0.172, 0.398),
    "dance_a": (98, 1.6166, (0.198, 0.000, -1.154), -13.8, 0.748, 0.941),
    "dance_b": (153, 2.5332, (0.141, 0.000, 0.057), 2.0, 0.762, 0.947),
    "getup_facedown": (183, 3.0332, (-0.237, 0.776, 0.022), -4.5, 0.094, 0.878),
    "getup_faceup": (227, 3.7665, (0.861, 0.697, -0.027), 97.4, 0.123, 0.841),
    "jump": (107, 1.7666, (1.066, 0.000, 0.055), -3.1, 0.595, 1.129),
    "kick": (47, 1.5333, (0.984, 0.020, -0.658), 148.2, 0.753, 0.943),
    "punch": (65, 2.1333, (1.253, 0.059, -1.471), -1.6, 0.696, 0.814),
    "roll": (121, 2.0159, (0.902, 0.000, 0.000), 0.0, 0.101, 0.870),
    "run": (25, 0.8000, (2.845, 0.000, 0.000), -7.9, 0.769, 0.890),
    "spin": (107, 4.4167, (-0.117, 0.000, -2.443), 20.2, 0.654, 1.041),
    "spinkick": (78, 1.2833, (-0.400, 0.000, -0.275), 3.6, 0.724, 1.113),
    "walk": (39, 1.2666, (1.239, 0.000, 0.000), 6.8, 0.847, 0.874),
    "dance_spin": (122, 1.0083, (0.101, 0.000, 0.052), 0.0, 0.808, 0.833),
    "jog": (26, 0.8333, (2.333, 0.000, 0.000), 6.4, 0.802, 0.937),
    "sideflip": (40, 2.4375, (0.857, 0.000, -1.272), 0.0, 0.608, 1.417),
    "stealthy_walk": (97, 4.0000, (1.586, -0.005, 0.000), 0.0, 0.650, 0.727),
    "zombie_walk": (102, 1.6834, (1.121, 0.000, 0.000), -5.4, 0.834, 0.888),
}


def test_the_published_table_covers_every_clip():
    assert sorted(PUBLISHED) == [name for name in CLIPS if not name.endswith("-authored") and name != STAND]


@pytest.mark.parametrize("name", PUBLISHED)
def test_clips_are_as_published(name):
    motion, _ = clip_or_skip(name)
    frames, duration, (x, y, z), turn, low, high = PUBLISHED[name]
    assert motion.num_frames == frames
    assert motion.duration == pytest.approx(duration, abs=1e-4)
    assert motion.loop == (name not in ("getup_facedown", "getup_faceup", "kick", "punch"))
    way = motion.root_pos_w[-1] - motion.root_pos_w[0]
    if name == "spinkick":
        assert way.norm().item() == pytest.approx(float(np.hypot(x, z)), abs=1e-3)
    else:
        assert way.tolist() == pytest.approx([x, -z, y], abs=6e-4)
    net = heading_angle(quat_mul(motion.root_quat_w[-1], quat_conj(motion.root_quat_w[0])))
    assert np.degrees(net.item()) == pytest.approx(turn, abs=0.06)
    heights = motion.root_pos_w[:, 2]
    assert (heights.min().item(), heights.max().item()) == pytest.approx((low, high), abs=1e-3)


def assert_equal_motions(a: Motion, b: Motion) -> None:
    assert (a.character, a.joint_names, a.loop) == (b.character, b.joint_names, b.loop)
    for field in ("times", "root_pos_w", "root_quat_w", "joint_quat"):
        assert torch.allclose(getattr(a, field), getattr(b, field), rtol=0, atol=1e-12), field


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_a_written_clip_is_read_back_unchanged(name):
    character = load_character(name)
    motion = random_motion(name, seed=3, loop=name == "dog")
    again = read_deepmimic(write_deepmimic(motion, character), character, "again")
    assert torch.equal(motion.times.diff(), again.times.diff()) or motion.times.allclose(again.times, atol=1e-12)
    assert_equal_motions(read_deepmimic(write_deepmimic(again, character), None, "guessed"), again)
    assert torch.allclose(motion.root_pos_w, again.root_pos_w, atol=1e-12)
    assert ((motion.joint_quat * again.joint_quat).sum(-1).abs() - 1).abs().max() < 1e-12


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "turn"])
def test_real_files_survive_the_round_trip(name):
    motion, character = clip_or_skip(name)
    written = write_deepmimic(motion, character)
    assert_equal_motions(read_deepmimic(written, character, name), motion)
    original = np.array(json.loads(Path(motion.source).read_bytes())["Frames"])
    rows = np.array(json.loads(written)["Frames"])
    assert rows.shape == original.shape
    assert np.allclose(rows[:-1, 0], original[:-1, 0], atol=1e-12)
    original[:, [1, 3]] -= original[0, [1, 3]]
    assert np.allclose(rows[:, 1:4], original[:, 1:4], atol=1e-12)
    for start, width in columns_of(character):
        values, expected = rows[:, start : start + width], original[:, start : start + width]
        if width == 4:  # quaternions are normalised, and either sign is the same rotation
            expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
            expected *= np.sign((expected * values).sum(1, keepdims=True))
        assert np.allclose(values, expected, atol=1e-12), start


def columns_of(character) -> list[tuple[int, int]]:
    """First column and width of the root's rotation and of each moving joint, from the order in the YAML."""
    kinds = {joint.name: joint.kind for joint in character.joints}
    columns, start = [(4, 4)], 8
    for name in character.config.deepmimic_order:
        if name in kinds:
            columns.append((start, 4 if kinds[name] == "ball" else 1))
            start += columns[-1][1]
    return columns


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_bodies_stand_where_a_y_up_kinematics_puts_them(name):
    """Forward kinematics in the file's own axes with SciPy, against ours: catches axes, signs, order and parents."""
    character = load_character(name)
    random = np.random.default_rng(5)
    rows = np.zeros((6, row_width(character)))
    rows[:, 0], rows[:, 1:4] = 0.1, random.normal(size=(6, 3))
    rows[:, 1:4] -= rows[0, 1:4] * [1, 0, 1]
    for start, width in columns_of(character):
        values = random.normal(size=(6, width))
        rows[:, start : start + width] = (
            values / np.linalg.norm(values, axis=1, keepdims=True) if width == 4 else values
        )
    motion = read_deepmimic(json.dumps({"Loop": "none", "Frames": rows.tolist()}).encode(), None, "random")
    zeros = torch.zeros(6, 3, dtype=torch.float64)
    rates = torch.zeros(6, character.num_actuated, dtype=torch.float64)
    state = CharacterState(motion.root_pos_w, motion.root_quat_w, zeros, zeros, motion.joint_quat, rates)
    found = Kinematics(character, "cpu", torch.float64).forward(state).pos_w.numpy()

    starts = dict(
        zip(
            [j for j in character.config.deepmimic_order if j in motion.joint_names],
            columns_of(character)[1:],
            strict=True,
        )
    )
    for t, row in enumerate(rows):
        frames = []
        for b, body in enumerate(character.bodies):
            x, y, z = body.offset
            parent_pos, parent_turn = frames[body.parent] if b else (row[1:4], Rotation.identity())
            turn = Rotation.identity()
            if b == 0:
                turn = Rotation.from_quat(row[4:8], scalar_first=True)
            elif body.name in starts:
                start, width = starts[body.name]
                local = row[start : start + width]
                turn = (
                    Rotation.from_quat(local, scalar_first=True)
                    if width == 4
                    else Rotation.from_rotvec([0, 0, local[0]])
                )
            frames.append((parent_pos + parent_turn.apply([x, z, -y]), parent_turn * turn))
        expected = np.array([(p[0], -p[2], p[1]) for p, _ in frames])
        assert np.allclose(found[t], expected, atol=1e-12)


def test_start_is_moved_over_the_origin_and_signs_are_made_continuous():
    rows = np.zeros((3, 44))
    rows[:, 0], rows[-1, 0] = 0.5, 1e9  # the last duration means nothing
    rows[:, 1:4] = [[2, 0.9, 3], [2.5, 0.8, 3], [3, 0.7, 4]]
    for start, width in columns_of(load_character("humanoid")):
        if width == 4:
            rows[:, start] = [1.1, -0.9, 1]
    motion = read_deepmimic(json.dumps({"Loop": "none", "Frames": rows.tolist()}).encode(), None, "three")
    assert motion.times.tolist() == [0, 0.5, 1.0]
    assert motion.root_pos_w.tolist() == [[0, 0, 0.9], [0.5, 0, 0.8], [1, -1, 0.7]]
    identity = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    assert torch.equal(motion.root_quat_w, identity.expand(3, 4))
    assert torch.equal(motion.joint_quat, identity.expand(3, 12, 4))


def test_another_character_cannot_be_written_or_read():
    humanoid, dog = load_character("humanoid"), load_character("dog")
    data = write_deepmimic(random_motion("humanoid"), humanoid)
    with pytest.raises(ClipError, match="row 1 has 44 numbers; a dog row has 84"):
        read_deepmimic(data, dog, "clip")
    with pytest.raises(ClipError, match="a motion of humanoid with 12 joints; needed is one of dog"):
        write_deepmimic(random_motion("humanoid"), dog)
