"""BVH: rotations mean what the format says, files round trip, and every oddity seen in the wild is read or refused."""

import tracemalloc
from dataclasses import replace

import pytest
import torch
from scipy.spatial.transform import Rotation

from characters import load_character
from mimic.core.errors import ClipError, InputError
from mimic.core.rotations import quat_angle, quat_conj, quat_mul
from mocap.conventions import ReadOptions
from mocap.formats import read_clip
from mocap.formats.bvh import read_bvh, write_bvh
from mocap.formats.bvh_table import read_table, write_table
from mocap.skeleton import character_motion_as_skeleton
from tests.mocap.real_files import real_file
from tests.motion_samples import random_motion

METRES = ReadOptions(unit="m", up="z", forward="x")
GOOD = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT LeftLeg
  {
    OFFSET 0 2 0
    CHANNELS 3 Zrotation Yrotation Xrotation
    End Site
    {
      OFFSET 0 0 1.5
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.01
0 0 1 10 20 30 40 50 60
0 0 1 -170 20 .5 4e1 5 -6.
"""
REAL = [
    "Boxing_Toes",
    "cartwheel_clean",
    "cmu_01_01",
    "cmu_02_02",
    "dab",
    "dataset-1_kick_normal_001",
    "dataset-1_run_active_001",
    "dataset-2_walk_active_001",
    "jesse_dance",
    "jumping_jacks",
    "lafan1_dance1_subject2",
    "quadruped_dog_rom_02",
    "test_freebvh",
    "test_mocapbank",
    "walk_circle",
    "zombie",
]


def read(text: str, options: ReadOptions = METRES):
    return read_bvh(text.encode(), "clip", options)


def edited(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize("order", ["ZXY", "ZYX", "XYZ", "YXZ", "YZX", "XZY", "ZXZ", "Y", "XZ", ""])
def test_rotations_are_in_the_order_of_the_file_each_about_turned_axes(order):
    angles = [35.0, -80.0, 110.0][: len(order)]
    channels = " ".join([str(len(order)), *(f"{axis}rotation" for axis in order)])
    numbers = " ".join(map(str, angles))
    text = edited(("3 Zrotation Yrotation Xrotation", channels), ("40 50 60", numbers), ("4e1 5 -6.", numbers))
    expected = Rotation.from_euler(order, angles, degrees=True) if order else Rotation.identity()
    found = Rotation.from_quat(read(text).quat[0, 1].tolist(), scalar_first=True)
    assert (found * expected.inv()).magnitude() == pytest.approx(0, abs=1e-12)


def test_positions_replace_the_offset_of_any_joint_and_may_come_last():
    text = edited(
        ("3 Zrotation Yrotation Xrotation", "5 Zrotation Yrotation Xrotation Zposition Xposition"),
        ("40 50 60", "40 50 60 7 8"),
        ("4e1 5 -6.", "40 50 60 9 10"),
    )
    assert read(text).pos[:, 1].tolist() == [[8, 2, 7], [10, 2, 9]]
    assert read(text).skeleton.offsets[1].tolist() == [0, 2, 0]


def test_a_root_offset_does_not_add_to_its_position():
    assert read(edited(("OFFSET 0 0 0", "OFFSET 193 90 358"))).pos[0, 0].tolist() == [0, 0, 1]


def test_end_sites_are_tips_and_joints_named_so_are_joints():
    text = edited(("JOINT LeftLeg", "JOINT LeftEnd Site"))
    motion = read(text)
    assert motion.skeleton.names == ("Hips", "LeftEnd Site")
    assert motion.skeleton.end_site_offsets.tolist() == [[0, 0, 1.5]]
    bare = read(GOOD.replace("    End Site\n    {\n      OFFSET 0 0 1.5\n    }\n", ""))
    assert bare.end_sites_w().shape == (2, 0, 3)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        "\ufeff" + GOOD,
        GOOD.replace("  ", "\t"),
        GOOD.replace("Xrotation\n", "Xrotation \t\n"),
        GOOD.lower().replace("hips", "Hips").replace("leftleg", "LeftLeg"),
        GOOD.replace("Frames: 2", "Frames:\t 2").replace("Frame Time: 0.01", "Frame Time:   1e-02  "),
        GOOD.replace("Hips\n{", "Hips {"),
        GOOD + "\n\n  \n",
        GOOD.replace(".", ","),
        GOOD.replace("10 20 30 40 50 60", "10 20 30\n40 50 60").replace("170 20 .5", "170 20\n.5"),
    ],
    ids=[
        "crlf",
        "no-final-newline",
        "bom",
        "tabs",
        "trailing-blanks",
        "lower-case",
        "header-blanks",
        "brace",
        "blank-lines",
        "commas",
        "wrapped",
    ],
)
def test_harmless_oddities(text):
    expected, found = read(GOOD), read(text)
    assert torch.equal(found.quat, expected.quat) and torch.equal(found.pos, expected.pos)
    assert found.skeleton.names == expected.skeleton.names and not found.conventions.warnings


def test_names_with_spaces_and_colons_and_names_twice():
    text = edited(("ROOT Hips", "ROOT Bip01 L Thigh"), ("JOINT LeftLeg", "JOINT mixamorig7:Hips"))
    assert read(text).skeleton.names == ("Bip01 L Thigh", "mixamorig7:Hips")
    assert read(edited(("LeftLeg", "Hips"))).skeleton.names == ("Hips", "Hips#2")


def test_frames_that_do_not_fit_their_header():
    assert read(edited(("Frames: 2", "Frames: 1"))).conventions.warnings == ("the file says 1 frames and has 2",)
    assert read(edited(("Frames: 2", "Frames: 9"))).num_frames == 2
    cut = read(GOOD.replace(" 4e1 5 -6.\n", ""))
    assert cut.num_frames == 1
    assert cut.conventions.warnings == (
        "line 20, the last, is cut short and left out",
        "the file says 2 frames and has 1",
    )


@pytest.mark.parametrize(
    ("frame_time", "fps"),
    [
        (".0083333", 120),
        (".03333", 30),
        ("0.008342", 120 / 1.001),
        ("0.016666666666666666", 60),
        ("0.041708", 24 / 1.001),
        ("0.0417", 24 / 1.001),
        ("0.04", 25),
        ("0.033", 1 / 0.033),
        ("0.5", 2),
    ],
)
def test_rounded_frame_times_mean_the_nearest_common_rate(frame_time, fps):
    motion = read(edited(("0.01", frame_time)))
    assert motion.fps == pytest.approx(fps, rel=1e-12)
    assert motion.conventions.fps.by == "file" and f"{float(frame_time):g}"[:4] in motion.conventions.fps.why


def test_a_file_without_a_frame_time_needs_a_rate_from_the_user():
    for text in (edited(("0.01", "0")), edited(("Frame Time: 0.01\n", ""))):
        with pytest.raises(
            ClipError, match="frame time of 0 s is not usable; state the frame rate, as in --source-fps"
        ):
            read(text)
        assert read(text, replace(METRES, fps=50.0)).fps == pytest.approx(50)


def test_several_figures_are_told_apart_by_name():
    head, tail = GOOD.split("MOTION\n")
    second = head.replace("HIERARCHY\n", "").replace("Hips", "Other")
    rows = [f"{row} {row.replace('40 50 60', '1 2 3')}" for row in tail.splitlines()[2:]]
    text = head + second + "MOTION\nFrames: 2\nFrame Time: 0.01\n" + "\n".join(rows)
    with pytest.raises(ClipError, match="2 figures in one file: Hips, Other; choose one with --root NAME"):
        read(text)
    assert torch.equal(read(text, replace(METRES, root="Hips")).quat, read(GOOD).quat)
    other = read(text, replace(METRES, root="Other"))
    assert other.skeleton.names == ("Other", "LeftLeg") and other.skeleton.parents == (-1, 0)
    assert torch.equal(other.quat, read(GOOD.replace("40 50 60", "1 2 3")).quat)
    with pytest.raises(ClipError, match="no figure 'Othr'; did you mean 'Other'"):
        read(text, replace(METRES, root="Othr"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([("HIERARCHY", "HIERACHY")], "line 1: expected HIERARCHY"),
        ([("MOTION", "MOTON")], "no line MOTION"),
        ([("ROOT", "JOINT")], "line 2: did not expect 'JOINT' here"),
        ([("{\n  OFFSET", "\n  OFFSET")], "line 4: expected {, found 'OFFSET'"),
        ([("OFFSET 0 2 0", "OFFSET 0 1_0 0")], "line 8: '1_0' is not a number"),
        ([("OFFSET 0 2 0", "OFFSET 0 2")], "line 9: 'CHANNELS' is not a number"),
        ([("CHANNELS 3", "CHANNELS 4")], "line 10: no channel 'End'"),
        ([("CHANNELS 3", "CHANNELS 7")], "line 9: 7 channels; a joint has 0 to 6"),
        ([("CHANNELS 3", "CHANNELS 2.5")], "line 9: 2.5 channels"),
        ([("Zrotation Yrotation", "Zrotation Yrotaton")], "did you mean 'Yrotation'"),
        (
            [("Xposition Yposition", "Xposition Xposition")],
            "line 5: a joint has up to three position channels, each once",
        ),
        ([("}\nMOTION", "MOTION")], "a '}' is missing"),
        ([("}\nMOTION", "}\n}\nMOTION")], "line 16: did not expect '}' here"),
        ([("Frames: 2", "Frames: two")], "line 17: 'two' is not a number"),
        ([("Frames: 2", "Frames: 2e9")], "line 17: '2e9' is not a number of frames"),
        ([("Frame Time", "Frame Tim")], "line 18: 'Frame' is not a number"),
        ([("Frames:", "Frame:")], "line 17: expected 'Frames: N' after MOTION"),
        ([("0 0 1 10", "0 0 nan 10")], "line 19: 'nan' is not a number"),
        ([("0 0 1 10", "0 0 1e999 10")], "line 19: '1e999' is not finite"),
        ([("0 0 1 10", "0 0 1_0 10")], "line 19: '1_0' is not a number"),
        ([("0 0 1 10", "0 0 \uff11 10")], "line 19: '.uff11' is not a number"),
        ([("0 0 1 10", "0 0 1 1e9")], "'Hips': Zrotation reaches 1e.09 degrees"),
        ([("0 0 1 10", "0 0 1e8 10")], "frame 1: a point is not within 10000 m of the origin"),
        ([("40 50 60", "40 50")], "line 19: 8 numbers; a row needs 9"),
        ([("40 50 60", "40 50 60 70")], "line 19: 10 numbers; a row needs 9"),
        ([("Hips", "Hi\x00ps")], "line 2: not plain text"),
    ],
)
def test_broken_files_say_where(changes, complaint):
    with pytest.raises(ClipError, match=complaint) as caught:
        read(edited(*changes))
    assert "\n" not in str(caught.value)


def test_files_without_motion():
    with pytest.raises(ClipError, match="has no frames"):
        read(GOOD[: GOOD.index("0 0 1 10")])
    still = GOOD[: GOOD.index("MOTION")].replace("6 Xposition Yposition Zposition Zrotation Xrotation Yrotation", "0")
    with pytest.raises(ClipError, match="no joint has a channel"):
        read(still.replace("3 Zrotation Yrotation Xrotation", "0") + "MOTION\nFrames: 0\nFrame Time: 1\n")


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_our_characters_round_trip_to_the_digits(name):
    motion = character_motion_as_skeleton(random_motion(name), load_character(name))
    times = torch.arange(motion.num_frames, dtype=torch.float64) / 30
    motion = replace(motion, times=times)
    written = write_bvh(motion)
    back = read_bvh(written, "clip", ReadOptions(unit="cm", up="y", forward="z"))
    order = [back.skeleton.index(bone) for bone in motion.skeleton.names]
    assert (back.positions_w()[:, order] - motion.positions_w()).abs().max() < 1e-7
    assert back.fps == pytest.approx(30, rel=1e-9)
    assert write_bvh(back) == written
    # bones turn from rest as they did
    rest = back.skeleton.rest_orientations()[order].expand(*motion.quat.shape)
    ours = quat_mul(back.bones_w()[1][:, order], quat_conj(rest))
    assert quat_angle(ours, motion.bones_w()[1]).max() < 1e-6


def test_an_uneven_motion_is_written_at_its_mean_rate():
    motion = character_motion_as_skeleton(random_motion("humanoid"), load_character("humanoid"))
    back = read_bvh(write_bvh(motion), "clip", ReadOptions(unit="cm", up="y", forward="z"))
    assert back.num_frames == motion.num_frames and back.duration == pytest.approx(motion.duration, rel=1e-6)
    assert torch.allclose(back.positions_w()[0, 0], motion.positions_w()[0, 0], atol=1e-6)


def test_the_writer_refuses_words_it_does_not_know():
    with pytest.raises(InputError, match="no unit 'furlong'"):
        write_bvh(read(GOOD), unit="furlong")
    with pytest.raises(InputError, match="no axis 'w'"):
        write_bvh(read(GOOD), up="w")


@pytest.mark.parametrize("name", REAL)
def test_real_files_round_trip(name):
    data = real_file(f"bvh/{name}.bvh").read_bytes()
    table = read_table(data, name)
    again = read_table(write_table(table), name)
    assert torch.equal(again.rows, table.rows)
    assert (again.joints, again.frame_time) == (table.joints, table.frame_time)
    motion = read_bvh(data, name)
    written = write_bvh(replace(motion, times=motion.times[:60], quat=motion.quat[:60], pos=motion.pos[:60]))
    back = read_bvh(written, name, ReadOptions(unit="cm", up="y", forward="z"))
    order = [back.skeleton.index(bone.strip().replace(" ", "_")) for bone in motion.skeleton.names]
    assert (back.positions_w()[:, order] - motion.positions_w()[:60]).abs().max() < 2e-7
    assert write_bvh(back) == written


def test_the_motion_may_sit_on_the_second_joint_and_its_offset_be_stale():
    """Bandai-Namco's files: a root that never moves, and an OFFSET below it that is no bone."""
    motion = read_clip(real_file("bvh/dataset-1_run_active_001.bvh"))
    assert motion.skeleton.names[:2] == ("joint_Root", "Hips")
    way = (motion.positions_w()[-1] - motion.positions_w()[0]).norm(dim=-1)
    assert way[0] == 0 and way[1] > 1.0
    pos = motion.positions_w()
    knee, hip = motion.skeleton.index("LowerLeg_L"), motion.skeleton.index("UpperLeg_L")
    assert ((pos[:, knee] - pos[:, hip]).norm(dim=-1)).std() < 1e-3


# what a person who looks at these files says about them
EXPECTED = {
    "Boxing_Toes": ("cm", "y", 100),
    "cartwheel_clean": ("inch", "z", 119.88),
    "cmu_01_01": ("cmu", "y", 120),
    "cmu_02_02": ("cmu", "y", 120),
    "dab": ("inch", "z", 30),
    "dataset-1_kick_normal_001": ("cm", "y", 30),
    "jesse_dance": ("cm", "y", 100),
    "jumping_jacks": ("cmu", "y", 30),
    "lafan1_dance1_subject2": ("cm", "y", 30),
    "quadruped_dog_rom_02": ("inch", "y", 120),
    "test_freebvh": ("cm", "y", 30),
    "test_mocapbank": ("cm", "y", 30),
    "walk_circle": ("cm", "y", 120),
    "zombie": ("inch", "z", 30),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_guesses_about_real_files(name):
    motion = read_clip(real_file(f"bvh/{name}.bvh"))
    unit, up, fps = EXPECTED[name]
    assert (motion.conventions.unit.value, motion.conventions.up.value) == (unit, up)
    assert motion.fps == pytest.approx(fps, rel=1e-4)
    assert -0.15 < motion.positions_w()[..., 2].amin() < 0.15  # somebody stands on the ground


@pytest.mark.parametrize(
    ("piece", "millions", "complaint"),
    [
        ("0 ", 30, "line 21 has more than 1000000 characters"),
        (" ", 3, "line 21 has more than 1000000 characters"),
        ("\n", 40, "more than 4000000 lines"),
        ("\r", 40, "more than 4000000 lines"),
    ],
)
def test_endless_lines_and_endless_files_are_refused_before_they_are_taken_apart(piece, millions, complaint):
    data = GOOD.encode() + piece.encode() * millions * 1_000_000
    tracemalloc.start()
    with pytest.raises(ClipError, match=complaint):
        read_table(data, "clip")
    assert tracemalloc.get_traced_memory()[1] < 4 * len(data)
    tracemalloc.stop()
