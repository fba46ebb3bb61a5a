"""A clip that no verb can work on within seconds and 2 GB is refused when it is loaded, in words."""

from dataclasses import replace

import pytest
import torch

from characters import load_character
from mimic.core.errors import ClipError, InputError
from mocap import catalogue
from mocap.catalogue import load_clip, load_clips
from mocap.formats.clip_npz import write_clip_npz
from retarget import pipeline
from retarget.pipeline import retarget
from retarget.retarget_file import quality_report_of
from tests.retarget.foreign import foreign, stepping


def repeated(frames, rate):
    """The authored walk's frames over and over."""
    walk = load_clip("walk-authored")
    rows = torch.arange(frames) % walk.num_frames
    parts = {name: getattr(walk, name)[rows] for name in ("root_pos_w", "root_quat_w", "joint_quat")}
    return replace(walk, times=torch.arange(frames, dtype=torch.float64) / rate, **parts)


@pytest.mark.parametrize(("frames", "rate"), [(20_001, 1000.0), (40, 4e7), (1000, 8.0)])
def test_too_many_frames_too_short_and_too_long_a_clip(tmp_path, frames, rate):
    motion = repeated(frames, rate)
    (tmp_path / "clip.npz").write_bytes(write_clip_npz(motion))
    with pytest.raises(ClipError, match=f"{frames} frames in .* lasts 0.01 to 120 s"):
        load_clip(str(tmp_path / "clip.npz"))
    with pytest.raises(ClipError, match="retarget --start"):
        quality_report_of(motion)


def test_a_library_is_limited_in_clips_and_in_seconds(monkeypatch):
    with pytest.raises(InputError, match="501 clips; at most 500"):
        load_clips("+".join(["walk"] * 501))
    monkeypatch.setattr(catalogue, "MAX_TOTAL_SECONDS", 2.0)
    with pytest.raises(InputError, match="more than 2 s in all"):
        load_clips("+".join(["walk-authored"] * 3))


def test_a_long_recording_is_refused_before_it_is_solved(monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_FRAMES", 20)
    with pytest.raises(ClipError, match="more than the 20 that can be retargeted at once; choose a part by --start"):
        retarget(foreign(stepping(), 1.1), load_character("humanoid"))
