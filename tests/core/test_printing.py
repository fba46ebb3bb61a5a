"""What a stranger wrote does not command the terminal, wherever it is printed."""

from dataclasses import replace

import pytest

import run_mimic
from mimic.core.printing import printable, shortened
from mocap.catalogue import load_clip
from mocap.formats.clip_npz import write_clip_npz

EVIL = "a\x1b[2Jb\x9b31m\x07\r\u202e"


def test_control_characters_are_escaped_and_text_is_left_alone():
    assert printable(EVIL) == r"a\x1b[2Jb\x9b31m\x07\r\u202e"
    assert printable("Straße ± 3\t4\n犬") == "Straße ± 3\t4\n犬"


def test_lines_of_an_error_are_cut():
    assert shortened("x" * 10_000 + "\nshort") == "x" * 2000 + "... (10000 characters)\nshort"


@pytest.mark.parametrize("verb", ["inspect", "retarget", "wrong"])
def test_a_clip_with_escapes_in_its_name_and_licence(tmp_path, capfd, verb):
    clip = replace(load_clip("walk-authored"), name=EVIL, license=EVIL, source=EVIL)
    (tmp_path / "clip.npz").write_bytes(write_clip_npz(clip))
    command = {
        "inspect": ["inspect", tmp_path / "clip.npz"],
        "retarget": ["retarget", tmp_path / "clip.npz", "--character", "humanoid", "--out", tmp_path / "out.npz"],
        "wrong": ["inspect", tmp_path / f"{EVIL}.bvh"],
    }[verb]
    code = run_mimic.main([str(word) for word in command])
    said = capfd.readouterr()
    assert code == (2 if verb == "wrong" else 0) and not set(said.out + said.err) & set("\x1b\x9b\x07\r\u202e")
    assert r"\x1b[2J" in said.out + said.err or verb == "retarget"
