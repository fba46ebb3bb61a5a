"""Libraries of clips: lists, folders and packs, parts of clips, and what is wrong with them."""

import pytest
import torch

from characters import load_character
from mimic.core.errors import ConfigError, InputError
from mocap.catalogue import available_name, load_clip
from mocap.clip_library import LibraryClip, is_library, read_library, short_name
from mocap.clip_part import ClipPart, clip_part
from mocap.editing import mirror
from mocap.formats.clip_npz import write_clip_npz

TROT = "trot-authored"


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.npz").write_bytes(write_clip_npz(load_clip(TROT)))
    (tmp_path / "notes.md").write_text("no clip")
    return tmp_path


def test_a_part_of_a_clip_is_named_behind_the_clip_and_is_cut_and_mirrored():
    whole, part = load_clip(TROT), load_clip(f"{TROT}@0.1-0.3")
    assert part.name == f"{TROT}@0.1-0.3" and not part.loop and part.license == whole.license
    assert part.duration == pytest.approx(0.2, abs=0.04) and not bool(part.root_pos_w[0, :2].any())
    swapped = load_clip(f"{TROT}@mirror")
    assert torch.equal(swapped.joint_quat, mirror(whole, load_character("dog")).joint_quat) and swapped.loop
    both = ClipPart(TROT, (0.1, 0.3), True)
    assert clip_part(both.name) == both and clip_part(TROT) == ClipPart(TROT)
    assert available_name(both.name) == both.name and short_name(f"x/{TROT}.npz@0.1-0.3") == f"{TROT}@0.1-0.3"
    with pytest.raises(InputError, match="no two frames between 50 s and 51 s; the clip lasts"):
        load_clip(f"{TROT}@50-51")


def test_a_list_and_a_folder_name_their_clips(folder):
    assert read_library("walk, run") == (LibraryClip("walk"), LibraryClip("run"))
    assert [one.name for one in read_library(str(folder))] == [str(folder / "a.npz"), str(folder / "b.npz")]
    assert read_library("walk") == (LibraryClip("walk"),)
    assert is_library("walk,run") and is_library(str(folder)) and not is_library("walk") and not is_library("walk+run")


def test_a_pack_gives_weights_spans_and_mirror_images(folder):
    pack = folder / "pack.yaml"
    pack.write_text(f"clips:\n  - {TROT}\n  - {{clip: a.npz, weight: 2, span: [0, 0.5], mirror: true}}\n")
    cut = f"{folder / 'a.npz'}@0-0.5"
    assert read_library(str(pack)) == (
        LibraryClip(TROT),
        LibraryClip(cut, 2.0),
        LibraryClip(f"{cut}@mirror", 2.0),
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{clip: walk, weight: .nan}", "expected a finite number, found nan"),
        ("{clip: walk, weight: 0}", "the weight of 'walk' must be a number above 0, found 0"),
        ("{clip: walk, wieght: 1}", "unknown key 'wieght'; did you mean 'weight'"),
        ("{clip: walk, span: [2, 1]}", r"must be \[start, end\] in seconds, found \[2.0, 1.0\]"),
        ("{weight: 1}", "clip"),
    ],
)
def test_a_wrong_line_of_a_pack_is_named(tmp_path, line, words):
    (tmp_path / "pack.yaml").write_text(f"clips:\n  - {line}\n")
    with pytest.raises(ConfigError, match=words):
        read_library(str(tmp_path / "pack.yaml"))


def test_no_clip_and_two_clips_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no clip; the files of clips end in"):
        read_library(str(tmp_path))
    (tmp_path / "a.npz").touch()
    (tmp_path / "a.bvh").touch()
    with pytest.raises(InputError, match="two clips have the name 'a'"):
        read_library(str(tmp_path))
    with pytest.raises(InputError, match="names no clip"):
        read_library(" , ")
    with pytest.raises(InputError, match="a plus separates the names"):
        read_library("walk,x+y.npz")
