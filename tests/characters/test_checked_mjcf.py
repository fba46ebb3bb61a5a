"""An MJCF reads no file outside its folder, and asks for no more than a character needs."""

import os
import struct

import pytest

from characters.checked_mjcf import check_mjcf
from characters.import_mjcf import body_tree, read_user_yaml
from mimic.core.errors import InputError

BALL = '<body name="{}" pos="0 0 {}"><freejoint/><geom size=".1"/></body>'


@pytest.fixture
def folder(tmp_path):
    """A folder with parts that an MJCF may take, and some that it may not."""
    inside = tmp_path / "in"
    (inside / "parts").mkdir(parents=True)
    (tmp_path / "secret.xml").write_text("<mujocoinclude/>")
    (inside / "arm.xml").write_text(f"<mujocoinclude><worldbody>{BALL.format('arm', 1)}</worldbody></mujocoinclude>")
    (inside / "parts/hand.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n")
    (inside / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 60_000, 60_000))
    os.symlink("../secret.xml", inside / "link.xml")
    os.symlink("/dev/zero", inside / "zero.obj")
    os.mkfifo(inside / "fifo.xml")
    return inside


def written(folder, content):
    (folder / "figure.xml").write_text(f"<mujoco>{content}</mujoco>")
    return folder / "figure.xml"


def test_the_files_of_a_model_are_listed(folder):
    parts = '<compiler meshdir="parts"/><asset><mesh name="hand" file="hand.obj"/></asset><include file="arm.xml"/>'
    path = written(folder, parts)
    assert check_mjcf(path) == tuple(folder / name for name in ("figure.xml", "arm.xml", "parts/hand.obj"))
    assert body_tree(path)[0] == ("arm",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<include file="/etc/passwd"/>', "own folder"),
        ('<include file="../secret.xml"/>', "own folder"),
        ('<include file="parts/&#46;&#46;/../secret.xml"/>', "own folder"),
        ('<include file="link.xml"/>', "leads out"),
        ('<include file="fifo.xml"/>', "fifo.xml: not a regular file"),
        ('<include file="figure.xml"/>', "included twice"),
        ('<compiler assetdir=".."/>', "own folder"),
        ('<asset><mesh file="zero.obj"/></asset>', "leads out"),
        ('<asset><texture fileup="C:\\x.png"/></asset>', "own folder"),
        ('<asset><texture file="bomb.png"/></asset>', "pixels"),
        ('<asset><texture builtin="flat" width="9000" height="9000"/></asset>', "pixels"),
        ('<asset><model file="arm.xml"/></asset>', "rigid bodies"),
        ('<size nuser_geom="2000000000"/>', "at most 1000"),
        ('<size memory="2G"/>', "at most"),
        ('<size nuserdata="nan"/>', "at most"),
        ("<keyframe>" + "<key/>" * 1001 + "</keyframe>", "keyframes"),
        ('<replicate count="999"><replicate count="999"><geom/></replicate></replicate>', "elements"),
        ('<replicate count="600"><body/></replicate>', "bodies"),
        ('<flexcomp type="grid" count="300 300 300"/>', "rigid bodies"),
        ("<body>" * 200 + "</body>" * 200, "deep"),
        (f'<body name="{"x" * 101}"/>', "characters"),
        ("<body>", "not XML"),
    ],
)
def test_what_leads_outside_or_asks_for_too_much_is_refused_in_words(folder, content, reason):
    with pytest.raises(InputError, match=reason):
        check_mjcf(written(folder, content))


def test_a_document_type_is_refused(folder):
    path = folder / "figure.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><mujoco model="&b;"/>')
    with pytest.raises(InputError, match="DTD"):
        check_mjcf(path)


@pytest.mark.parametrize("height", ["nan", "inf", "1e30"])
def test_numbers_beyond_reason_are_refused_by_name(folder, height, monkeypatch):
    monkeypatch.chdir(folder)  # MuJoCo logs its warning here
    with pytest.raises(InputError, match="body_pos of 'ball'"):
        body_tree(written(folder, f"<worldbody>{BALL.format('ball', height)}</worldbody>"))


@pytest.mark.parametrize(
    "line", ["model: ../secret.xml", "model: /etc/passwd", "model: a.xml\nname: ../b", "model: '.'"]
)
def test_a_short_yaml_names_files_beside_it(folder, line):
    (folder / "figure.yaml").write_text(line + "\n")
    with pytest.raises(InputError, match="no folder"):
        read_user_yaml(folder / "figure.yaml")
