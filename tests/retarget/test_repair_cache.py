"""Repaired clips on disk: the same bits as a new repair, and a new repair wherever anything differs or is damaged."""

from dataclasses import fields, replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import ClipError
from mocap.gaits import author_gait
from mocap.motion import Motion
from retarget import repair as repair_module
from retarget import repair_cache
from retarget.repair import repair

DOG = load_character("dog")


@pytest.fixture
def sliding() -> Motion:
    """A gait whose feet slide, so that its repair solves it anew."""
    gait = author_gait("walk")
    along = gait.times[:, None] * torch.tensor([0.12, 0.0, 0.0], dtype=torch.float64)
    return replace(gait, root_pos_w=gait.root_pos_w + along)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MIMIC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(repair_cache, "_in_memory", {})
    return tmp_path / "cache" / "repaired"


@pytest.fixture
def new_process(monkeypatch):
    return lambda: monkeypatch.setattr(repair_cache, "_in_memory", {})


def assert_equal(one: Motion, other: Motion):
    for field in fields(Motion):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right, field.name


def forbid(monkeypatch):
    def fail(*_):
        raise AssertionError("repaired anew")

    monkeypatch.setattr(repair_module, "_best", fail)


def test_a_stored_repair_is_the_same_to_the_bit_and_is_not_computed_again(sliding, folder, new_process, monkeypatch):
    tensors = ("times", "root_pos_w", "root_quat_w", "joint_quat")
    given = replace(sliding, **{name: getattr(sliding, name).clone() for name in tensors})
    first = repair(sliding, DOG)
    assert_equal(sliding, given)  # a repair that changed its input would find nothing under the input's key
    assert not torch.equal(first.joint_quat, sliding.joint_quat)
    new_process()
    forbid(monkeypatch)
    assert_equal(repair(sliding, DOG), first)
    new_process()
    assert_equal(
        repair(replace(sliding, name="mine\0", license="CC0"), DOG), replace(first, name="mine\0", license="CC0")
    )


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-20], lambda data: data[:300] + b"x" + data[301:]]
)
def test_a_damaged_file_is_ignored_and_written_again(damage, folder, new_process):
    walk = author_gait("walk")
    first = repair(walk, DOG)
    (file,) = folder.glob("*.npz")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    new_process()
    assert_equal(repair(walk, DOG), first)
    assert file.read_bytes() == whole


def test_every_input_of_a_repair_changes_its_key(monkeypatch):
    walk = author_gait("walk")
    gains = replace(DOG.joints[0], kp=DOG.joints[0].kp + 1)
    heavier = replace(DOG.bodies[0], mass=DOG.bodies[0].mass + 1e-9)
    keys = [
        repair_cache.fingerprint(walk, DOG),
        repair_cache.fingerprint(replace(walk, loop=False), DOG),
        repair_cache.fingerprint(replace(walk, root_pos_w=walk.root_pos_w + 1e-12), DOG),
        repair_cache.fingerprint(walk, replace(DOG, joints=(gains, *DOG.joints[1:]))),
        repair_cache.fingerprint(walk, replace(DOG, bodies=(heavier, *DOG.bodies[1:]))),
    ]
    monkeypatch.setattr(repair_cache, "_program", lambda: "another version")
    keys.append(repair_cache.fingerprint(walk, DOG))
    assert len(set(keys)) == len(keys)


def test_the_version_of_the_program_is_its_source(tmp_path, monkeypatch):
    (tmp_path / "retarget").mkdir()
    source = tmp_path / "retarget" / "solver.py"
    source.write_text("x = 1\n")
    monkeypatch.setattr(repair_cache, "_ROOT", tmp_path)
    before = repair_cache._program.__wrapped__()
    source.write_text("x = 2\n")
    assert repair_cache._program.__wrapped__() != before


def test_the_program_goes_on_without_a_folder_that_it_can_write(folder):
    folder.parent.write_text("a file where the folder should be")
    assert repair(author_gait("walk"), DOG).num_frames == author_gait("walk").num_frames


def test_the_least_recently_used_files_are_removed(folder, monkeypatch, new_process):
    monkeypatch.setattr(repair_cache, "MAX_FILES", 2)
    gait = author_gait("walk")
    for shift in range(3):
        repair_cache.cached(f"key{shift}", lambda shift=shift: replace(gait, root_pos_w=gait.root_pos_w + shift))
    assert len(list(folder.glob("*.npz"))) == 2


def test_an_error_of_the_repair_is_raised_and_nothing_is_stored(folder):
    with pytest.raises(ClipError):
        repair(author_gait("walk"), load_character("humanoid"))
    assert not folder.exists()
