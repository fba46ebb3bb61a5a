"""Archives of arrays: our own clips, SMPL, world poses; and text key points and robot tables beside them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mimic.core.errors import ClipError
from mimic.core.strict_npz import read_arrays
from mocap.conventions import ReadOptions
from mocap.formats import read_clip, read_motion
from mocap.formats.clip_npz import read_clip_npz, write_clip_npz
from mocap.formats.keypoints import DOG_POINTS, read_keypoint_text, read_pose_npz
from mocap.formats.robot_csv import G1, read_robot_csv
from mocap.formats.smpl import MEAN_JOINTS, read_smpl
from mocap.motion import Motion
from mocap.skeleton import KeypointMotion, SkeletonMotion
from tests.mocap.archives import npz, smpl
from tests.mocap.real_files import real_file
from tests.motion_samples import random_motion

RAW = ReadOptions(up="z", forward="x")


# ---- our own


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_our_clips_round_trip_to_the_bit(name, tmp_path):
    motion = replace(random_motion(name), source="somewhere", license="mine, ü")
    data = write_clip_npz(motion)
    assert write_clip_npz(motion) == data
    (tmp_path / "clip.npz").write_bytes(data)
    for back in (read_clip_npz(data, "x"), read_clip(tmp_path / "clip.npz"), read_motion(tmp_path / "clip.npz")):
        for field in ("times", "root_pos_w", "root_quat_w", "joint_quat"):
            assert torch.equal(getattr(back, field), getattr(motion, field))
        for field in ("name", "character", "joint_names", "loop", "source", "license"):
            assert getattr(back, field) == getattr(motion, field)


def ours(**changes: object) -> bytes:
    arrays = {"format": "mimic-clip", "version": 1, "loop": True, "joint_names": np.array(["a"])}
    arrays |= {"name": "x", "character": "humanoid", "source": "", "license": "", "times": np.arange(2.0)}
    arrays |= {"root_pos_w": np.zeros((2, 3)), "root_quat_w": np.tile([1.0, 0, 0, 0], (2, 1))}
    arrays |= {"joint_quat": np.tile([1.0, 0, 0, 0], (2, 1, 1)), **changes}
    return npz({key: value for key, value in arrays.items() if value is not None})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (ours(version=2), "version 2 of the format mimic-clip, but only version 1 is read"),
        (ours(format="other"), "not a mimic-clip file"),
        (ours(times=None), "lacks the arrays times"),
        (ours(times=np.zeros(2)), "times do not grow"),
        (ours(root_pos_w=np.full((2, 3), np.nan)), "root_pos_w is not finite"),
        (
            ours(root_pos_w=np.zeros((2, 4))),
            r"root_pos_w has shape \(2, 4\) and type float64, expected numbers of shape \(any, 3\)",
        ),
        (ours(joint_names=np.array([{"a": 1}], dtype=object)), "lacks the arrays joint_names"),
        (ours(joint_names=np.array([1])), r"joint_names has shape \(1,\) and type int64, expected a list of names"),
        (ours(name=np.array(["a", "b"])), "expected one text"),
        (ours(loop="yes"), "expected one finite number"),
        (ours()[:-30], "damaged, or not a .npz archive"),
        (b"PK\x03\x04", "damaged, or not a .npz archive"),
    ],
)
def test_broken_clips_of_ours(data, complaint):
    with pytest.raises(ClipError, match=complaint):
        read_clip_npz(data, "clip")
    assert read_clip_npz(ours(), "clip").num_frames == 2


def test_archives_of_nothing_known(tmp_path):
    (tmp_path / "x.npz").write_bytes(npz({"weights": np.zeros(3), "pickled": np.array([None])}))
    with pytest.raises(ClipError, match="no known motion in the arrays weights"):
        read_clip(tmp_path / "x.npz")


@pytest.mark.parametrize("point", [0x110000, 0xD800, 0xFFFFFFFF])
@pytest.mark.parametrize("order", ["<", ">"])
def test_text_that_is_no_text(point, order):
    """Python's own string functions raise SystemError on code points that do not exist."""
    text = np.array([point, ord("b")], dtype=f"{order}u4").view(f"{order}U2")
    with pytest.raises(ClipError, match="invalid Unicode code points"):
        read_arrays(npz({"names": text}), "t")
    good = np.array([ord("a"), 0x10FFFF], dtype=f"{order}u4").view(f"{order}U2")
    assert read_arrays(npz({"names": good}), "t")["names"].tolist() == ["a\U0010ffff"]


def test_a_header_that_promises_more_than_there_is_costs_nothing():
    data = npz({"positions": np.zeros((4, 4))}).replace(b"(4, 4)", b"(9, 9)")
    with pytest.raises(ClipError, match=r"but its header states|damaged, or not"):
        read_pose_npz(data, "clip")


# ---- SMPL


@pytest.mark.parametrize(("width", "joints"), [(66, 22), (72, 24), (156, 52), (165, 55)])
def test_smpl_families(width, joints):
    arrays = smpl(width)
    motion = read_smpl(npz(arrays), "clip", RAW)
    assert len(motion.skeleton.names) == joints and motion.fps == pytest.approx(120)
    assert motion.conventions.unit[:2] == ("m", "file")
    assert "no body model: the bones are of a mean adult" in motion.conventions.warnings[0]
    expected = Rotation.from_rotvec(arrays["poses"].reshape(-1, 3)).as_quat(scalar_first=True)
    found = motion.quat.reshape(-1, 4).numpy()
    assert np.abs(np.abs((found * expected).sum(-1)) - 1).max() < 1e-12


def test_the_pelvis_is_not_at_trans():
    arrays = smpl()
    motion = read_smpl(npz(arrays), "clip", RAW)
    pelvis = torch.tensor(MEAN_JOINTS[156]["pelvis"][1], dtype=torch.float64)
    assert torch.allclose(motion.pos[:, 0], torch.from_numpy(arrays["trans"]) + pelvis)


def test_z_up_data_of_a_y_up_model_stands():
    upright = np.zeros((3, 156))
    upright[:, 0] = np.pi / 2
    arrays = smpl() | {"poses": upright, "trans": np.tile([0.0, 0, 1.2], (3, 1))}
    motion = read_smpl(npz(arrays), "clip")
    assert (motion.conventions.up.value, motion.conventions.forward.value) == ("z", "-y")
    head, foot = (motion.positions_w()[0, motion.skeleton.index(n)] for n in ("head", "left_foot"))
    assert head[2] - foot[2] > 1.2 and foot[1] > 0


def test_a_body_model_gives_the_person_s_own_bones(tmp_path):
    random = np.random.default_rng(7)
    template, shapes, regressor = (
        random.normal(0, 1, (30, 3)),
        random.normal(0, 1, (30, 3, 10)),
        random.random((52, 30)),
    )
    model = npz({"v_template": template, "shapedirs": shapes, "J_regressor": regressor, "f": np.zeros(3)})
    arrays = smpl()
    motion = read_smpl(npz(arrays), "clip", RAW, model)
    joints = regressor @ (template + shapes @ arrays["betas"][:10])
    assert not motion.conventions.warnings
    assert np.allclose(motion.skeleton.offsets[0], joints[0])
    knee = motion.skeleton.index("left_knee")
    assert np.allclose(motion.skeleton.offsets[knee], joints[knee] - joints[motion.skeleton.parents[knee]])
    (tmp_path / "model.npz").write_bytes(model)
    (tmp_path / "walk.npz").write_bytes(npz(arrays))
    found = read_clip(tmp_path / "walk.npz", replace(RAW, skeleton=str(tmp_path / "model.npz")))
    assert torch.equal(found.pos, motion.pos)
    with pytest.raises(ClipError, match="body model: the file lacks J_regressor"):
        read_smpl(npz(arrays), "clip", RAW, npz({"v_template": template}))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"poses": np.zeros((2, 99))}, "99 numbers a frame, which fits no known model"),
        ({"poses": np.full((4, 156), np.inf)}, "poses is not finite"),
        ({"poses": np.full((4, 156), 1e6)}, "turn by more than 100 rad"),
        ({"trans": np.zeros((3, 3))}, r"trans has shape \(3, 3\) and type float64, expected numbers of shape \(4, 3\)"),
        ({"mocap_framerate": 0.0}, "state the frame rate, as in --source-fps"),
        ({"mocap_framerate": None}, "state the frame rate, as in --source-fps"),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "0 frames"),
    ],
)
def test_broken_smpl(changes, complaint):
    arrays = {key: value for key, value in (smpl() | changes).items() if value is not None}
    with pytest.raises(ClipError, match=complaint):
        read_smpl(npz(arrays), "clip")


def test_the_rate_has_two_names():
    arrays = smpl()
    arrays["mocap_frame_rate"] = np.array(arrays.pop("mocap_framerate"))
    assert read_smpl(npz(arrays), "clip").fps == pytest.approx(120)


# ---- world poses and key points


def world_poses(seed: int = 1) -> dict[str, object]:
    random = np.random.default_rng(seed)
    quat = Rotation.random(12, random).as_quat(scalar_first=False).reshape(4, 3, 4)
    return {
        "positions": random.normal(0, 1, (4, 3, 3)).astype(np.float32),
        "quaternions": quat.astype(np.float32),
        "bone_names": np.array(["Hips", "Spine", "Head"]),
        "parent_names": np.array([None, "Hips", "Spine"], dtype=object),
        "parent_indices": np.array([-1, 0, 1], dtype=np.int32),
        "framerate": 59.99988,
    }


def test_world_poses_are_kept_and_the_pickled_array_is_never_opened():
    arrays = world_poses()
    motion = read_pose_npz(npz(arrays), "clip", ReadOptions(up="z", forward="x"))
    pos, quat = motion.bones_w()
    assert isinstance(motion, SkeletonMotion) and motion.fps == pytest.approx(60)
    assert np.allclose(pos, arrays["positions"], atol=1e-6)
    expected = np.asarray(arrays["quaternions"], dtype=np.float64)[..., [3, 0, 1, 2]]
    assert np.abs(np.abs((quat.numpy() * expected).sum(-1)) - 1).max() < 1e-6
    del arrays["quaternions"]
    points = read_pose_npz(npz(arrays), "clip", ReadOptions(up="z", forward="x"))
    assert isinstance(points, KeypointMotion) and points.parents == (-1, 0, 1)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"parent_indices": np.array([-1, 2, 0])}, "the index of an earlier bone"),
        ({"parent_indices": np.array([-1, 0])}, r"parent_indices has shape \(2,\)"),
        ({"quaternions": np.zeros((4, 3, 4))}, "not of unit length"),
        ({"bone_names": np.array(["a", "b", "a"])}, "different names"),
        ({"framerate": np.array([30.0, 60.0])}, "expected one finite number"),
        ({"framerate": -1.0}, "state the frame rate"),
    ],
)
def test_broken_world_poses(changes, complaint):
    with pytest.raises(ClipError, match=complaint):
        read_pose_npz(npz(world_poses() | changes), "clip")


ROW = [f"{0.1 * i:.5f}" for i in range(81)]


@pytest.mark.parametrize("between", [", ", ",\t", ",", " , "])
def test_key_points_as_text(between, tmp_path):
    text = "\n".join([between.join(ROW)] * 3) + "\n"
    points = read_keypoint_text(text.encode(), "clip", ReadOptions(forward="z"))
    assert points.names == tuple(DOG_POINTS) and points.fps == pytest.approx(60) and points.num_frames == 3
    assert points.pos_w[0, 1].tolist() == pytest.approx([0.5, 0.3, 0.4])
    (tmp_path / "dog.txt").write_text(text)
    assert isinstance(read_clip(tmp_path / "dog.txt"), KeypointMotion)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (",".join(ROW[:-1]), "line 1 has 80 numbers; a row needs 81, three for each key point"),
        (",".join(ROW) + "\n" + ",".join([*ROW[:-1], "nan"]), "line 2: 'nan' is not a number"),
        (",".join([*ROW[:-1], "1e999"]), "line 1: '1e999' is not finite"),
        (",,".join(ROW), "a value between two commas is missing"),
        ("", "the file is empty"),
    ],
)
def test_broken_key_points(text, complaint):
    with pytest.raises(ClipError, match=complaint):
        read_keypoint_text(text.encode(), "clip")


def test_text_that_is_neither_clip_nor_numbers(tmp_path):
    (tmp_path / "notes.txt").write_text("The licence")
    with pytest.raises(ClipError, match=r"must be a DeepMimic clip .JSON. or rows of key points"):
        read_clip(tmp_path / "notes.txt")


# ---- robots


def robot_row(**angles: float) -> str:
    values = [0.0, 0, 0.79, 0, 0, 0, 1] + [angles.get(name, 0.0) for name in G1]
    return ",".join(map(str, values))


def test_a_robot_stands_as_high_as_its_legs_and_bends_its_knees():
    motion = read_robot_csv("\n".join([robot_row(), robot_row(left_knee=np.pi / 2)]).encode(), "clip")
    assert motion.fps == pytest.approx(30) and "taken for a Unitree G1" in motion.conventions.warnings[0]
    pos = motion.positions_w()
    left, right = (motion.skeleton.index(f"{side}_ankle_roll") for side in ("left", "right"))
    assert abs(float(pos[0, left, 2])) < 0.06 and pos[0, left, 1] > 0 > pos[0, right, 1]
    assert pos[1, left, 2] > 0.2 and pos[1, left, 0] < -0.2 and torch.equal(pos[0, right], pos[1, right])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (robot_row() + ",0", "line 1: 37 numbers; all rows must have as many as a known robot .Unitree G1 36."),
        (robot_row().replace("0.79", "1_0"), "'1_0' is not a number"),
        (robot_row().replace("0.79", ""), "expected one number between two commas"),
        (robot_row().replace("0.79,0,0,0,1", "0.79,0,0,0,2"), "must be the root's unit quaternion"),
        (robot_row(left_knee=400.0), "above 100 rad"),
        ("", "the file is empty"),
    ],
)
def test_broken_robot_tables(text, complaint):
    with pytest.raises(ClipError, match=complaint):
        read_robot_csv(text.encode(), "clip")


# ---- the real ones


@pytest.mark.parametrize("name", ["pace", "trot", "run00", "run01", "run02", "turn00", "walk00"])
def test_real_dogs_stand_on_their_paws_and_face_ahead(name):
    dog = read_clip(real_file(f"dog_keypoints/dog_{name}_joint_pos.txt"))
    head, hips = (dog.pos_w[0, dog.names.index(n)] for n in ("Head", "Hips"))
    assert (head - hips)[0] > 0.2
    paws = dog.pos_w[:, [dog.names.index(n) for n in ("LeftHandSite", "RightHandSite", "LeftFootSite")], 2]
    assert -0.06 < paws.amin() < 0.06


def test_real_archives_of_world_poses():
    dog = read_clip(real_file("dog_keypoints/D1_008_KAN01_001.npz"))
    assert set(dog.skeleton.names) == set(DOG_POINTS) and dog.skeleton.parents[1:] == tuple(
        dog.skeleton.index(parent) for parent in list(DOG_POINTS.values())[1:]
    )
    person = read_clip(real_file("smpl/100style_WalkingStickLeft_BR.npz"))
    assert len(person.skeleton.names) == 23 and person.positions_w()[..., 2].amin() > -0.1


def test_a_foreign_motion_is_no_clip_of_ours_and_says_what_to_do(tmp_path):
    (tmp_path / "walk.npz").write_bytes(npz(smpl()))
    with pytest.raises(ClipError, match=r"the file moves another skeleton \(SMPL-H\); first: run_mimic.py retarget"):
        read_motion(tmp_path / "walk.npz")
    assert isinstance(random_motion("dog"), Motion)
