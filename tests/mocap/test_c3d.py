"""C3D: all ways to store a point give the same marker, ezc3d agrees, and what is no marker is left out."""

import numpy as np
import pytest
import torch

from mimic.core.errors import ClipError
from mocap.conventions import ReadOptions
from mocap.formats import read_clip
from mocap.formats.c3d import read_c3d, read_table
from tests.mocap.archives import c3d
from tests.mocap.real_files import real_file

LABELS = ("LFHD", "RFHD", "LTOE", "RTOE")
RAW = ReadOptions(up="z", forward="x")


def cloud(frames: int = 5, count: int = 4) -> np.ndarray:
    points = np.random.default_rng(4).integers(-1500, 1500, (frames, count, 4)).astype(np.float64)
    points[..., 3] = 0
    return points


POINTS = cloud()
METRES = torch.from_numpy(POINTS[..., :3]) / 1000


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("scale", [-0.1, 1.0, 0.5])
def test_every_processor_and_number_format_gives_the_same_points(processor, scale):
    points = POINTS * 0.5 if scale == 0.5 else POINTS
    motion = read_c3d(c3d(points, LABELS, processor=processor, scale=scale), "clip", RAW)
    assert motion.names == LABELS and motion.seen.all() and motion.fps == pytest.approx(100)
    assert torch.allclose(motion.pos_w, METRES * points[0, 0, 0] / POINTS[0, 0, 0], atol=1e-6)


def test_a_residual_below_zero_means_not_seen():
    points = POINTS.copy()
    points[2, 1] = [0, 0, 0, -1]
    for scale in (-0.1, 1.0):
        motion = read_c3d(c3d(points, LABELS, scale=scale), "clip", RAW)
        assert (~motion.seen).nonzero().tolist() == [[2, 1]] and motion.pos_w[2, 1].tolist() == [0, 0, 0]
        assert motion.conventions.warnings == ("5.0 % of the markers' places are missing (not seen)",)


def test_points_that_are_no_markers_are_left_out():
    points = cloud(count=7)
    labels = ("Bob:LFHD", "*12", "LKneeAngles", "Bob:LTOE", "Power1", "Amy:LTOE", "X")
    motion = read_c3d(c3d(points, labels, extra={("POINT", "POWERS"): ("Power1",)}), "clip", RAW)
    assert motion.names == ("LFHD", "LTOE", "LTOE#2", "X")
    assert motion.conventions.warnings[0] == "3 of 7 points are unlabelled or computed, and left out"


def test_labels_go_on_in_labels2_and_points_may_have_none():
    data = c3d(cloud(count=4), ("A", "B"), extra={("POINT", "LABELS2"): ("C",)})
    assert read_c3d(data, "clip", RAW).names == ("A", "B", "C")


def test_units_and_axes_of_the_file():
    extra = {("POINT", "X_SCREEN"): ("+X",), ("POINT", "Y_SCREEN"): ("-Y",)}
    reading = read_c3d(c3d(POINTS, LABELS, units="m", extra=extra), "clip", ReadOptions(forward="x")).conventions
    assert reading.unit[:2] == ("m", "file") and reading.up[:2] == ("-y", "file")
    assert read_c3d(c3d(POINTS / 1000, ("a", "b", "c", "d"), units="m"), "clip").conventions.up.value == "z"


def test_frame_counts():
    late = read_table(c3d(POINTS, LABELS, first=40_000), "clip")
    assert (late.announced, len(late.points)) == (5, 5)
    short = read_c3d(c3d(POINTS, LABELS, announced=60), "clip", RAW)
    assert short.num_frames == 5 and "cut short: 60 frames are announced, 5 are there" in short.conventions.warnings
    many = np.zeros((70_000, 1, 4))
    fields = {("TRIAL", "ACTUAL_START_FIELD"): [1, 0], ("TRIAL", "ACTUAL_END_FIELD"): [70_000 - 65_536, 1]}
    assert len(read_table(c3d(many, ("A",), extra=fields), "clip").points) == 70_000
    assert len(read_table(c3d(many, ("A",), extra={("POINT", "LONG_FRAMES"): 70_000.0}), "clip").points) == 70_000


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a C3D file"),
        (b"\x02\x51" + bytes(2000), "not a C3D file .its second byte is not 80"),
        (b"\xf0\x50" + bytes(2000), "no parameters where the header says"),
        (c3d(POINTS, ("*1", "*2", "*3", "")), "has no labelled markers"),
        (c3d(POINTS, LABELS)[:1024], "the data begin between bytes 512 and 1024"),
        (c3d(POINTS, LABELS, scale=0.0), "points of scale 0, data from byte 1024"),
        (c3d(POINTS, LABELS, rate=0.0), "state the frame rate, as in --source-fps"),
    ],
)
def test_broken_files(data, complaint):
    with pytest.raises(ClipError, match=complaint):
        read_c3d(data, "clip")


@pytest.mark.parametrize("name", ["Vicon", "Optotrak"])
def test_ezc3d_reads_the_same(name):
    ezc3d = pytest.importorskip("ezc3d", reason="needs ezc3d, the independent reader")
    path = real_file(f"c3d/{name}.c3d")
    theirs = ezc3d.c3d(str(path))
    table = read_table(path.read_bytes(), name)
    ours = np.where(table.points[..., 3:] < 0, np.nan, table.points[..., :3])
    assert np.array_equal(ours, theirs["data"]["points"][:3].transpose(2, 1, 0), equal_nan=True)
    assert list(table.labels) == theirs["parameters"]["POINT"]["LABELS"]["value"]
    motion = read_clip(path)
    assert motion.conventions.unit.value == "mm" and motion.conventions.up.value == "z"


def test_ezc3d_reads_our_test_files(tmp_path):
    """So that the tests above do not merely agree with themselves."""
    ezc3d = pytest.importorskip("ezc3d", reason="needs ezc3d, the independent reader")
    for scale in (-0.1, 1.0):
        (tmp_path / "x.c3d").write_bytes(c3d(POINTS, LABELS, scale=scale))
        theirs = ezc3d.c3d(str(tmp_path / "x.c3d"))["data"]["points"][:3].transpose(2, 1, 0)
        assert np.allclose(theirs, POINTS[..., :3])
