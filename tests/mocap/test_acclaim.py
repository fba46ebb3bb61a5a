"""ASF/AMC: bones turn by C M C^-1, and the same take agrees with its BVH."""

from dataclasses import replace

import pytest
import torch
from scipy.spatial.transform import Rotation

from mimic.core.errors import ClipError
from mocap.conventions import ReadOptions
from mocap.formats import read_clip
from mocap.formats.acclaim import find_asf, read_amc
from tests.mocap.archives import AMC, ASF
from tests.mocap.real_files import real_file

RAW = ReadOptions(unit="m", up="z", forward="x")


def read(amc: str = AMC, asf: str = ASF, options: ReadOptions = RAW):
    return read_amc(amc.encode(), "clip", asf.encode(), options)


def turn(*degrees: float) -> Rotation:
    """About fixed X, then Y, then Z."""
    return Rotation.from_euler("xyz", degrees, degrees=True)


def test_bones_turn_in_their_own_axes():
    motion = read()
    assert motion.skeleton.names == ("root", "lfemur", "ltibia", "spine")
    assert motion.skeleton.parents == (-1, 0, 1, 0)
    root, hip = turn(10, 20, 30), turn(0, 0, 20) * turn(-10, 20, 30.5) * turn(0, 0, 20).inv()
    tilt = turn(10, 0, 20)
    knee = tilt * turn(40, 0, 0) * tilt.inv()
    pos = motion.positions_w()
    assert pos[0, 0].tolist() == [1, 2, 3]
    expected = torch.tensor([1.0, 2, 3]) + torch.tensor((root * hip).apply([0, -2.0, 0]))
    assert torch.allclose(pos[0, 2], expected)
    second = turn(11, 21, 31) * turn(0, 0, 20) * turn(-11, 21, 31) * turn(0, 0, 20).inv() * knee
    tip = motion.end_sites_w()[1, motion.skeleton.end_site_parents.index(2)]
    assert torch.allclose(tip - pos[1, 2], torch.tensor(second.apply([1.8, -2.4, 0])))


def test_units_and_rate():
    motion = read(options=ReadOptions())
    assert motion.conventions.unit[:2] == ("cmu", "file") and motion.conventions.fps[:2] == ("120.0", "guess")
    assert read(options=ReadOptions(fps=60.0)).fps == pytest.approx(60)
    radians = AMC.replace(":DEGREES", ":RADIANS").replace(
        "10 20 30\n", "0.1745329251994 0.349065850398 0.523598775598\n"
    )
    assert torch.allclose(read(radians).quat[0, 0], read().quat[0, 0], atol=1e-12)


def test_the_order_of_the_root_channels_is_the_file_s():
    asf = ASF.replace("order TX TY TZ RX RY RZ", "order RZ RY RX TZ TY TX")
    amc = AMC.replace("root 1 2 3 10 20 30", "root 30 20 10 3 2 1").replace(
        "root 1 2 3 11 21 31", "root 31 21 11 3 2 1"
    )
    motion = read(amc, asf)
    assert motion.pos[0, 0].tolist() == [1, 2, 3]
    found = Rotation.from_quat(motion.quat[0, 0].tolist(), scalar_first=True)
    expected = Rotation.from_euler("zyx", [30, 20, 10], degrees=True)
    assert (found * expected.inv()).magnitude() == pytest.approx(0, abs=1e-12)


def test_harmless_oddities():
    expected = read()
    for amc, asf in ((AMC.replace("\n", "\r\n"), ASF.replace("\n", "\r\n")), (AMC.rstrip(), ASF.replace("    ", "\t"))):
        assert torch.equal(read(amc, asf).quat, expected.quat)
    assert torch.equal(read(AMC.replace("1\nroot", "7\nroot", 1)).quat, expected.quat)


@pytest.mark.parametrize(
    ("amc", "complaint"),
    [
        (AMC.replace("ltibia 40\n", ""), "the end: frame 2 has no numbers for 'ltibia'"),
        (AMC.replace("ltibia 3.64024e-015\n", ""), "line 10: 'ltibia' must be in every frame exactly once"),
        (AMC.replace("ltibia 40", "ltibia 40 50"), "line 11: 2 numbers; 'ltibia' has 1 degrees of freedom"),
        (AMC.replace("ltibia 40", "ltibia nan"), "line 11: 'nan' is not a number"),
        (AMC.replace("ltibia 40", "ltibia 1_0"), "line 11: '1_0' is not a number"),
        (AMC.replace("ltibia 40", "ltibia 1e999"), "line 11: '1e999' is not finite"),
        (AMC.replace("ltibia 40", "ltibia 1e9"), "'ltibia' has a number of size .*; at most 1e.06"),
        (AMC.replace("ltibia 40", "tail 40"), "line 11: 'tail' is not a bone with degrees of freedom"),
        (AMC[: AMC.index("1\nroot")], "has no frames"),
        ("1\n2\n", "nothing moves"),
    ],
)
def test_broken_motions_say_where(amc, complaint):
    with pytest.raises(ClipError, match=complaint):
        read(amc)


@pytest.mark.parametrize(
    ("asf", "complaint"),
    [
        (ASF.replace("name ltibia", "name lfemur"), "line 31: the bone that ends here has no name or a used one"),
        (ASF.replace("dof rx ry rz", "dof rx ry l"), "line 19: bones that change their length"),
        (ASF.replace("dof rx ry rz", "dof rx ry rw"), "valid, each once: rx ry rz tx ty tz"),
        (ASF.replace("axis 0 0 20 XYZ", "axis 0 0 20 XYY"), "line 18: 'XYY' is not an order of axes"),
        (ASF.replace("direction 0 -1 0", "direction 0 -1"), "line 16: expected three numbers, found 2"),
        (ASF.replace("direction 0 -1 0", "direction 0 0 0"), "line 16: a direction of length 0"),
        (ASF.replace("root lfemur spine", "root lfemur"), "does not reach 'spine' from the root"),
        (ASF.replace("lfemur ltibia", "lfemur ltibia root"), "'root' cannot be a child of 'lfemur'"),
        (ASF.replace("lfemur ltibia", "lfemur tail"), "'tail' cannot be a child of 'lfemur'"),
        (ASF[: ASF.index(":bonedata")], "no bones"),
    ],
)
def test_broken_bones_say_where(asf, complaint):
    with pytest.raises(ClipError, match=complaint):
        read(asf=asf)


def test_the_bones_are_looked_for_beside_the_motion(tmp_path):
    amc = tmp_path / "01_02.amc"
    amc.write_text(AMC)
    with pytest.raises(ClipError, match="needs an ASF with the bones; put one in the same folder or give --skeleton"):
        read_clip(amc)
    (tmp_path / "02.asf").write_text(ASF)
    assert find_asf(amc).name == "02.asf"
    (tmp_path / "01.ASF").write_text(ASF)
    assert find_asf(amc).name == "01.ASF"
    assert read_clip(amc).skeleton.names == read().skeleton.names
    elsewhere = ReadOptions(skeleton=str(tmp_path / "02.asf"))
    assert find_asf(amc, elsewhere).name == "02.asf"
    with pytest.raises(ClipError, match=r"'\.asf' files are not read; an ASF has only bones"):
        read_clip(tmp_path / "02.asf")


def test_a_take_reads_the_same_from_amc_and_from_bvh():
    """The BVH starts with a rest pose, and its converter lost the lengths of two kinds of bone, thorax and hands."""
    amc, bvh = read_clip(real_file("amc/01_01.amc")), read_clip(real_file("bvh/cmu_01_01.bvh"))
    a, b = amc.positions_w(), bvh.positions_w()[1:]
    lost = {"lowerneck": "Neck", "lclavicle": "LeftShoulder", "rclavicle": "RightShoulder"}
    lost |= {"lhand": "LeftFingerBase", "rhand": "RightFingerBase", "lthumb": "LThumb", "rthumb": "RThumb"}
    whole = list(range(14))
    assert (a[:, whole] - b[:, whole]).norm(dim=-1).max() < 1e-4
    pos = bvh.pos.clone()
    for ours, theirs in lost.items():
        assert bvh.skeleton.offsets[bvh.skeleton.index(theirs)].norm() == 0
        pos[:, bvh.skeleton.index(theirs)] = amc.skeleton.offsets[amc.skeleton.index(ours)]
    assert (a - replace(bvh, pos=pos).positions_w()[1:]).norm(dim=-1).max() < 1e-4
